"""`generate`: the main job, in this process or on Ray."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct.errors import InputError
from selfinstruct.face.options import settings_of
from selfinstruct.face.runs import StoredRun, open_run
from selfinstruct.protocols import Engine
from selfinstruct.recipes import RECOMMENDED, read_recipe
from selfinstruct.run.inputs import read_inputs, warnings_about

if TYPE_CHECKING:
    from os import PathLike


def generate(
    out: str | PathLike[str],
    *,
    engine: str | Engine | None = None,
    recipe: str | Path = RECOMMENDED,
    progress: bool = False,
    **options: Any,
) -> StoredRun:
    """Grow a set of instructions and instances from seed tasks; the same call goes on with a run that was ended.

    >>> run = generate("runs/first", engine="template", target=20, replicas=0, rounds={"least": 4})
    >>> run.accepted().num_rows > 20
    True

    The run is that of `selfinstruct generate`: each may go on with what the other has begun.

    Args:
        out: Folder of the run, local or s3://, gs://, az://.
        engine: As the command names one, or an engine that is open: an object with `add`, `step` and an `identity`, as
            `Engine` says. Such a one works in this process, so that there are no replicas.
        recipe: Name or file of the recipe that the options win over.
        progress: Show how far it is, as the command does.
        options: Those of the command, by their names: `model`, `target`, `seeds`, `prompts`, `replicas` (0: without
            Ray) ... Groups are mappings, as in a YAML file: `novelty={"threshold": 0.6}`, `rounds={"least": 32}`.

    Returns:
        The run. One that `budget` has ended before its target goes on with the same call.

    Raises:
        InputError: an option is wrong, or the run was begun with others that alter data (FingerprintError).
        HeldError: another driver holds the run.
        YieldError: several rounds in a row accepted nothing.
        FailureError: too many requests failed, or the cluster or the disk did.
        CorruptError: a file of the run is damaged.
    """
    from cluster import generating
    from cluster.settings import GenerateSettings
    from jobs.display import Display
    from selfinstruct.run.watches import RunWatch

    own = None if engine is None or isinstance(engine, str) else engine
    given = {**options, "engine": engine} if isinstance(engine, str) else dict(options)
    if isinstance(own, type):
        raise InputError(f"generate: the engine {own.__name__} is a class; give an object of it, or its name")
    if own is not None and given.setdefault("replicas", 0) != 0:
        raise InputError(
            "generate: an engine that is open works in this process, with replicas=0; for replicas name its class, as"
            " engine='package.module:Name'"
        )
    settings = settings_of(GenerateSettings(out=str(out)), given, "generate", read_recipe(recipe))
    settings, kept = generating.as_begun(settings)
    inputs = read_inputs(settings, own)
    for unwise in [*kept, *warnings_about(settings, inputs)]:
        warnings.warn(unwise, stacklevel=2)
    store = generating.open_store(settings, inputs.facts)
    with Display(settings.target, store.totals()) if progress else nullcontext(RunWatch()) as watch:
        generating.generate(settings, inputs, store, watch)
    return open_run(settings.out)
