"""Where a model's files are, and what identifies them: a folder in the form of transformers, a hub repository, or a
prefix of an object store.

Needs neither torch nor transformers, and reads no more than it must: of a hub repository only the commit, of a prefix
what the store lists.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

from selfinstruct.engines import contents, weights
from selfinstruct.engines.contents import CONFIG, INDEX, read_object
from selfinstruct.engines.settings import EMBEDDED, EngineSettings
from selfinstruct.errors import InputError
from selfinstruct.places import REMOTE, local

WEIGHTS = "*.safetensors"
TOKENIZERS = ("tokenizer*", "vocab*", "merges.txt", "*.model", "*.tiktoken")
FILES = (CONFIG, "generation_config.json", "special_tokens_map.json", "added_tokens.json", *TOKENIZERS, "*.jinja")
"""What of a model, beside its weights, alters completions. Python files count where they may be run."""
DEFAULT_TEMPLATE = "additional_chat_templates/default.jinja"
"""Goes before the chat template that lies in the folder itself."""


FLOOR = (5, 10)
"""The least version of transformers. Before 5.3 a folder can have a hub's code run through the name of an attention
(CVE-2026-4372), before 5.5 its own through a nested configuration (CVE-2026-5241), both without trust_remote_code;
before 5.10 saving a tokenizer, as finetuning does, can write files outside the folder (CVE-2026-9856)."""


@dataclass(frozen=True, slots=True)
class Located:
    """A model's folder, found and looked over: what the user calls it, and whether code in it may run."""

    model: str
    folder: Path
    code: bool = False


def locate(settings: EngineSettings) -> Located:
    """The folder with all of the model's files; those of a hub repository or an object store are downloaded, once to
    each node.

    Raises:
        InputError: there is no such folder or repository, it lacks the configuration, a tokenizer or safetensors, its
            files hold what they must not (`contents`), an object store's files are not those that the run was begun
            with, or transformers is too old to open folders of others.
        FailureError: the object store does not answer.
    """
    _check_library(settings)
    folder = _local(settings) or _fetched(settings, _all_files(settings))
    names = [path.name for path in folder.glob("*")]
    problems = []
    if CONFIG not in names:
        problems.append(f"--model: {settings.model}: has no {CONFIG}; give a folder in the form of transformers")
    if not any(_matches(name, TOKENIZERS) for name in names):
        problems.append(f"--model: {settings.model}: has no tokenizer; save the model's tokenizer beside its weights")
    if not any(fnmatch(name, WEIGHTS) for name in names) and INDEX not in names:
        problems.append(
            f"--model: {settings.model}: has no {WEIGHTS} (pickled weights, *.bin, can run code and are not read); "
            "save it with save_pretrained, which writes safetensors"
        )
    if problems:
        raise InputError(*problems)
    contents.check_contents(folder, settings.model)
    return Located(settings.model, folder, settings.source.trust_remote_code)


def fingerprint(settings: EngineSettings) -> dict[str, str]:
    """A folder's files by name and content, a repository's name and commit, or the listing of an object store.

    Files below the folder count as far as they are named as weights.

    Raises:
        InputError: as `locate`.
    """
    if _remote(settings):
        return {"weights": weights.digest(weights.listing(settings.model, _all_files(settings)))}
    if _local(settings) is None:
        return {"model": settings.model, "weights": _snapshot(settings, (CONFIG,)).name}
    folder, digest = locate(settings).folder, hashlib.sha256()
    top = [path.name for path in sorted(folder.iterdir()) if _matches(path.name, (WEIGHTS, *_files(settings)))]
    below = [name for name in (*contents.weights(folder, settings.model), DEFAULT_TEMPLATE) if name not in top]
    for name in (*top, *below):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name}\0{content}\n".encode())
    return {"weights": digest.hexdigest()}


def context(settings: EngineSettings) -> int | None:
    """The most tokens, prompt and completion, that the configuration names; None where it names none.

    Raises:
        InputError: there is no such folder or repository, or its configuration cannot be read.
    """
    folder = _local(settings) or _fetched(settings, (CONFIG,))
    return contents.context(read_object(folder / CONFIG, settings.model))


def _check_library(settings: EngineSettings) -> None:
    """Looked at here, too, since an environment made for vLLM has the version that vLLM wants."""
    found = version("transformers")
    if tuple(map(int, re.findall(r"\d+", found)[:2])) < FLOOR:
        least = ".".join(map(str, FLOOR))
        raise InputError(
            f"--engine: {settings.engine} has transformers {found} where it runs; below {least} a model's folder can "
            f"run code and write files that nobody allowed; pip install 'transformers>={least}'"
            + (", with a vLLM that allows it" if settings.engine == "vllm" else "")
        )


def _local(settings: EngineSettings) -> Path | None:
    if settings.model == EMBEDDED:
        from selfinstruct.tiny import MODEL

        return MODEL
    if _remote(settings):
        return None
    folder = local(settings.model)
    return folder if folder.is_dir() else None


def _remote(settings: EngineSettings) -> bool:
    """Whether it lies on an object store."""
    return settings.model.partition("://")[0] in REMOTE


def _fetched(settings: EngineSettings, patterns: tuple[str, ...]) -> Path:
    """This node's folder with these files of a model that is not local."""
    if not _remote(settings):
        return _snapshot(settings, patterns)
    if settings.source.revision != "main" and settings.source.revision != fingerprint(settings)["weights"]:
        raise InputError(
            f"--model: {settings.model}: its files are not those that this run was begun with; put them back, or keep"
            " other weights under another prefix"
        )
    return weights.fetch(settings.model, patterns)


def _all_files(settings: EngineSettings) -> tuple[str, ...]:
    return (WEIGHTS, WEIGHTS + ".index.json", *_files(settings))


def _files(settings: EngineSettings) -> tuple[str, ...]:
    return (*FILES, "*.py") if settings.source.trust_remote_code else FILES


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _snapshot(settings: EngineSettings, patterns: tuple[str, ...]) -> Path:
    """The cache's folder of the commit that the revision means now; its name is the commit's hash."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    revision, others = settings.source.revision, f"give a folder, a hub name as owner/name, or {EMBEDDED!r}"
    try:
        with _without_bars():
            return Path(
                snapshot_download(
                    settings.model,
                    revision=revision,
                    allow_patterns=list(patterns),
                    ignore_patterns=["*/*", "consolidated*"],  # the same weights in other forms
                )
            )
    except HFValidationError as error:
        raise InputError(f"--model: {settings.model!r} is no folder, nor a hub repository's name; {others}") from error
    except (OSError, ValueError) as error:  # no network, no such repository, no permission
        raise InputError(
            f"--model: {settings.model!r} is no folder, and no hub repository of that name can be reached at revision "
            f"{revision!r} ({_first_line(error)}); {others}"
        ) from error


@contextmanager
def _without_bars() -> Iterator[None]:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
