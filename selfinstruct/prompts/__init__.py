"""Prompt sets: the texts and sampling settings of the four kinds, as data in a folder of TOML files.

A prompt is `prefix + suffix + tail`. The prefix (header and few-shot demonstrations) and the tail are constant per
kind; the suffix is the request's own. `base`, `chat` and `tiny` are shipped; any other folder of the same form
can be given by its path.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.records import Kind

SHIPPED = Path(__file__).parent
PLACEHOLDERS = {
    Kind.PROPOSE: ("{demonstrations}", "{number}"),
    Kind.CLASSIFY: ("{instruction}",),
    Kind.INPUT_FIRST: ("{instruction}",),
    Kind.OUTPUT_FIRST: ("{instruction}",),
}


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a completion is drawn. At temperature 0 decoding is greedy and `top_p` has no effect.

    The penalties are additive on the logits of tokens that the completion already holds: `presence_penalty` once,
    `frequency_penalty` for each occurrence.
    """

    temperature: float
    top_p: float
    frequency_penalty: float
    presence_penalty: float
    max_tokens: int
    stop: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The constant texts of one kind and its sampling."""

    prefix: str
    suffix: str  # with placeholders
    tail: str
    sampling: Sampling
    demonstration: str = ""  # propose only: one line of the list

    def fill(self, **values: str) -> str:
        """The suffix with its placeholders replaced; braces elsewhere are left as they are."""
        return _fill(self.suffix, values)

    def fill_demonstrations(self, instructions: Sequence[str]) -> str:
        """The suffix of a propose request: the demonstrations as items 1 to n, item n + 1 left open."""
        lines = (
            _fill(self.demonstration, {"number": str(n), "instruction": text})
            for n, text in enumerate(instructions, start=1)
        )
        return self.fill(demonstrations="".join(lines), number=str(len(instructions) + 1))


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A prompt for each kind. With `chat`, an engine wraps the whole prompt as a user's message."""

    name: str
    chat: bool
    prompts: Mapping[Kind, Prompt]
    digest: str  # of the files' bytes; part of a run's fingerprint

    def __getitem__(self, kind: Kind) -> Prompt:
        return self.prompts[kind]


def load_prompts(name_or_folder: str) -> PromptSet:
    """Load a shipped prompt set by name, or a folder of `set.toml` and one TOML file per kind.

    Raises:
        InputError: the folder, a file, a key or a placeholder is missing, unknown or of the wrong type.
    """
    shipped = SHIPPED / name_or_folder
    folder = shipped if shipped.is_dir() and "/" not in name_or_folder else Path(name_or_folder)
    if not folder.is_dir():
        names = ", ".join(sorted(path.parent.name for path in SHIPPED.glob("*/set.toml")))
        raise InputError(
            f"--prompts: no folder {name_or_folder!r}, and no shipped set of that name (there are: {names})"
        )
    problems: list[str] = []
    digest = hashlib.sha256()
    header = _read(folder / "set.toml", digest, problems)
    prompts = {kind: _prompt(kind, folder / f"{kind}.toml", digest, problems) for kind in Kind}
    for key in header.keys() - {"description", "chat"}:
        problems.append(f"{folder / 'set.toml'}: unknown key {key!r} (known: description, chat)")
    if problems:
        raise InputError(*problems)
    complete = {kind: prompt for kind, prompt in prompts.items() if prompt is not None}
    return PromptSet(folder.name, bool(header.get("chat", False)), complete, digest.hexdigest())


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Replace each `{key}` once, left to right, so that a value holding braces is never read as a template."""
    pieces: list[str] = []
    while template:
        found = [(template.find("{" + key + "}"), key) for key in values]
        start, key = min(((at, key) for at, key in found if at >= 0), default=(-1, ""))
        if start < 0:
            break
        pieces += [template[:start], values[key]]
        template = template[start + len(key) + 2 :]
    return "".join([*pieces, template])


def _read(path: Path, digest: Any, problems: list[str]) -> dict[str, Any]:
    try:
        data = path.read_bytes()
        digest.update(f"{path.name}\0{len(data)}\0".encode() + data)
        return tomllib.loads(data.decode())
    except FileNotFoundError:
        problems.append(f"{path}: is missing; a prompt folder holds set.toml and one TOML file per kind")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path}: cannot be read: {error}")
    return {}


_SAMPLING_TYPES: dict[str, type] = {
    "temperature": float,
    "top_p": float,
    "frequency_penalty": float,
    "presence_penalty": float,
    "max_tokens": int,
    "stop": list,
}


def _prompt(kind: Kind, path: Path, digest: Any, problems: list[str]) -> Prompt | None:
    before = len(problems)
    data = _read(path, digest, problems)
    if len(problems) > before:
        return None
    texts = ["prefix", "suffix", "tail"] + (["demonstration"] if kind is Kind.PROPOSE else [])
    for key in texts:
        if not isinstance(data.get(key), str):
            problems.append(f"{path}: {key!r} must be there and be a text")
    sampling = data.get("sampling", {})
    if not isinstance(sampling, dict):
        sampling = {}
    for key, kind_of in _SAMPLING_TYPES.items():
        value = sampling.get(key)
        fits = isinstance(value, (int, float) if kind_of is float else kind_of) and not isinstance(value, bool)
        if isinstance(value, list):
            fits &= all(isinstance(text, str) and text for text in value)
        if not fits:
            problems.append(f"{path}: sampling.{key!s} must be there and be a {kind_of.__name__}")
    for unknown in [*(data.keys() - {*texts, "sampling"}), *(sampling.keys() - _SAMPLING_TYPES.keys())]:
        problems.append(f"{path}: unknown key {unknown!r}")
    if len(problems) > before:
        return None
    for placeholder in PLACEHOLDERS[kind]:
        if placeholder not in data["suffix"]:
            problems.append(f"{path}: 'suffix' must hold {placeholder}")
    for placeholder in ("{number}", "{instruction}"):
        if kind is Kind.PROPOSE and placeholder not in data["demonstration"]:
            problems.append(f"{path}: 'demonstration' must hold {placeholder}")
    if sampling["max_tokens"] < 1 or sampling["temperature"] < 0:
        problems.append(f"{path}: sampling.max_tokens must be at least 1 and sampling.temperature at least 0")
    if sampling["temperature"] > 0 and not 0 < sampling["top_p"] <= 1:
        problems.append(f"{path}: sampling.top_p must be above 0 and at most 1 when the temperature is above 0")
    if len(problems) > before:
        return None
    return Prompt(
        prefix=data["prefix"],
        suffix=data["suffix"],
        tail=data["tail"],
        sampling=Sampling(**{**sampling, "stop": tuple(sampling["stop"])}),
        demonstration=data.get("demonstration", ""),
    )
