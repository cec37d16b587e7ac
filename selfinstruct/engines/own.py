"""An engine of the user's own: a class that `--engine package.module:Name` names.

Twenty lines will do; docs/models.md has them. The class

- is called where a replica runs, with the model's name (what `--model` says, empty where it says nothing) and the
  prompt set; it may load weights there;
- has `add` and `step`, as `protocols.Engine` says;
- has an `identity`: texts by name that say what of it alters the data, as a class attribute or a classmethod that takes
  the model's name. A run is known by it: change it when the engine's answers change;
- may have `devices`, how many GPUs a replica makes use of (default: none), and `prompt_set`, which one `--prompts auto`
  means (default: base).

A package gives its engine a name without a colon by an entry point of the group `selfinstruct.engines`. Every node must
be able to import it. What it raises when it is opened ends the work, unless it is a `FailureError`: then a server is
gone, and the opening is tried again for a while.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from selfinstruct.engines.settings import EMBEDDED, ENGINES, EngineSettings, Traits
from selfinstruct.errors import InputError, SelfInstructError
from selfinstruct.loading import load, told
from selfinstruct.prompts import PromptSet
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Finish, Request

GROUP = "selfinstruct.engines"
"""The group of the entry points."""

FIELDS: Mapping[str, Any] = {
    "request_id": str,
    "text": str,
    "finish": Finish,
    "prompt_tokens": int,
    "completion_tokens": int,
    "error": str | None,
    "cached_tokens": int,
}
"""What the fields of a completion must be."""


def traits(settings: EngineSettings) -> Traits:
    """What the class says.

    Raises:
        InputError: there is no such class, or it says something else than it may.
    """
    own = _found(settings.engine)
    devices, prompts = getattr(own, "devices", 0), getattr(own, "prompt_set", "base")
    if type(devices) is not int or devices < 0:
        raise InputError(f"--engine: {settings.engine}: devices must be a whole number of GPUs, not {devices!r}")
    if not isinstance(prompts, str) or not prompts:
        raise InputError(f"--engine: {settings.engine}: prompt_set must name a prompt set, not {prompts!r}")
    return Traits(devices=devices, prompts=prompts)


def identify(settings: EngineSettings) -> dict[str, str]:
    """Where the class is, the model's name if there is one, and what the class says of itself.

    Raises:
        InputError: there is no such class, or it names no identity.
    """
    return _identity(_found(settings.engine), f"--engine: {settings.engine}", _model(settings))


def open_engine(settings: EngineSettings, prompts: PromptSet) -> Engine:
    """Call the class, and hold what it gives to the protocol.

    Raises:
        InputError: there is no such class, or it raises.
        FailureError: it says that it cannot work now.
    """
    own = _found(settings.engine)
    try:
        engine = own(_model(settings), prompts)
    except SelfInstructError:
        raise
    except Exception as error:
        raise InputError(f"--engine: {settings.engine}: cannot be opened: {told(error)}") from error
    return Checked(engine, f"--engine: {settings.engine}")


def identity_of(engine: Engine, model: str = "") -> dict[str, str]:
    """The identity of an engine that is open already. What it says of itself may be a property here.

    Raises:
        InputError: it is no engine, or names no identity.
    """
    _check_methods(engine, _named(engine))
    return _identity(engine, _named(engine), model)


def checked(engine: Engine) -> Checked:
    """An engine that is open already, held to the protocol."""
    return Checked(engine, _named(engine))


class Checked:
    """Another engine, held to the protocol: what it completes must be completions, of requests that it has.

    Args:
        engine: It.
        who: How messages begin.
    """

    def __init__(self, engine: Engine, who: str) -> None:
        self._engine = engine
        self._who = who
        self._held: set[str] = set()

    def add(self, requests: Sequence[Request]) -> None:
        """Hand requests on."""
        self._held.update(request.id for request in requests)
        self._engine.add(requests)

    def step(self) -> list[Completion]:
        """What the engine completes.

        Raises:
            InputError: that is something else than completions of requests that it has.
        """
        completions: object = self._engine.step()
        if not isinstance(completions, list):
            raise InputError(f"{self._who}: step() must return a list, not {completions!r:.80}")
        for completion in completions:
            self._check(completion)
            self._held.remove(completion.request_id)
        return completions

    def _check(self, completion: object) -> None:
        if not isinstance(completion, Completion):
            raise InputError(f"{self._who}: step() must return completions, not {completion!r:.80}")
        for field, kind in FIELDS.items():
            value = getattr(completion, field)
            if not isinstance(value, kind):
                kind = getattr(kind, "__name__", kind)
                raise InputError(f"{self._who}: a completion's {field} must be {kind}, not {value!r:.80}")
        if completion.request_id not in self._held:
            id = completion.request_id
            raise InputError(f"{self._who}: step() completed {id!r:.80}, which it does not have, or no more")


def _found(name: str) -> type[Any]:
    """The class of that name. Anything else is an `InputError`."""
    own = load("engine", name if ":" in name else _offered(name))
    if not inspect.isclass(own):
        raise InputError(f"--engine: {name}: is a {type(own).__name__}; name a class with add and step")
    _check_methods(own, f"--engine: {name}")
    return own


def _offered(name: str) -> str:
    """Where the engine is that a package offers under this name."""
    offered = {each.name: f"{each.module}:{each.attr}" for each in entry_points(group=GROUP)}
    if name not in offered:
        raise InputError(
            f"--engine: there is no engine {name!r} (there are: {', '.join([*ENGINES, *sorted(offered)])}); name one of"
            " your own as package.module:Name"
        )
    return offered[name]


def _check_methods(engine: object, who: str) -> None:
    if lacking := [name for name in ("add", "step") if not callable(getattr(engine, name, None))]:
        raise InputError(f"{who}: has no {' and no '.join(lacking)}; an engine has add(requests) and step()")


def _model(settings: EngineSettings) -> str:
    """The model's name; empty where it is the default, which names a model of this project's own engines."""
    return "" if settings.model == EMBEDDED else settings.model


def _identity(engine: object, who: str, model: str) -> dict[str, str]:
    """The identity of a class, or of an engine that is open."""
    own = engine if isinstance(engine, type) else type(engine)
    try:
        said: object = getattr(engine, "identity", None)
        said = said(model) if callable(said) else said
    except Exception as error:
        raise InputError(f"{who}: its identity cannot be told: {told(error)}") from error
    if not isinstance(said, Mapping) or not said:
        raise InputError(
            f"{who}: names no identity, by which a run is known to go on with the same engine; give the class an"
            ' attribute such as identity = {"version": "1"}, or a classmethod that takes the model\'s name'
        )
    for key, value in said.items():
        if not isinstance(key, str) or not isinstance(value, str) or key == "engine":
            raise InputError(
                f"{who}: identity must hold texts by names other than 'engine', not {key!r}: {value!r:.80}"
            )
    return {"engine": _path(own), **({"model": model} if model else {}), **said}


def _named(engine: Engine) -> str:
    """How messages about an engine begin that was not found by a name."""
    return f"engine: {_path(type(engine))}"


def _path(own: type) -> str:
    """Where a class is, whatever name it was found by."""
    return f"{own.__module__}:{own.__qualname__}"
