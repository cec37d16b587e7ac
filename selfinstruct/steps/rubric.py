"""What a check asks: questions to be answered yes or no, and the prompt that asks them of one instance.

A rubric is a TOML file. `chat` and `base` are shipped, with the paper's three questions (section 3.3); a file of the
user's needs `[questions]` alone, the rest is then that of `chat`. WaveCoder's discriminator (arXiv 2312.14187) is such
a list of rules, each answered with a reason.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.draws import seed_of
from selfinstruct.errors import InputError
from selfinstruct.prompts import SHIPPED, Prompt, PromptSet, Sampling
from selfinstruct.prompts.sampling import problems_of, sampling_of
from selfinstruct.records import Kind, Request

NOTHING = "(none)"
"""Stands for an input that is empty."""

ALL = "all"
"""What all questions together are called, and no question may be."""

_TEXTS = ("prefix", "suffix", "tail")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Rubric:
    """Questions by key, and how they are asked."""

    questions: Mapping[str, str]
    prompts: PromptSet  # of the one kind `check`

    def request(self, id: str, instruction: str, given: str, output: str, seed: int) -> Request:
        """The request about an instance."""
        prompt = self.prompts[Kind.CHECK]
        suffix = prompt.fill(instruction=instruction, input=given or NOTHING, output=output)
        return Request(f"{id}/check", Kind.CHECK, suffix, seed_of("check", seed, id))


def load_rubric(name_or_file: str, option: str = "--rubric") -> Rubric:
    """A shipped rubric, `chat` or `base`, or a TOML file.

    Args:
        option: The one that names it, for messages.

    Raises:
        InputError: there is no such file, or keys of it are missing, unknown or of the wrong type; all are named.
    """
    shipped = sorted(path.parent.name for path in SHIPPED.glob("*/check.toml"))
    given = name_or_file in shipped
    path = SHIPPED / name_or_file / "check.toml" if given else Path(name_or_file)
    own = _read(path, name_or_file, shipped, option)
    values = own if given else {**_read(SHIPPED / "chat" / "check.toml", "chat", shipped, option), **own}
    if problems := list(_problems(values, given)):
        raise InputError(*(f"{path}: {problem}" for problem in problems))
    questions: dict[str, str] = values["questions"]
    prompt = Prompt(
        prefix=_filled(values["prefix"], questions),
        suffix=values["suffix"],
        tail=_filled(values["tail"], questions),
        sampling=sampling_of(values["sampling"]),
        schema=values.get("schema", ""),
    )
    texts = (prompt.prefix, prompt.suffix, prompt.tail, prompt.schema, repr(prompt.sampling), str(values["chat"]))
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    name = path.parent.name if given else path.stem
    return Rubric(questions, PromptSet(name, values["chat"], {Kind.CHECK: prompt}, digest))


def _read(path: Path, name: str, shipped: list[str], option: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        there = ", ".join(shipped)
        raise InputError(f"{option}: no file {name!r}, and none of that name is shipped (there are: {there})") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{option}: {path}: cannot be read: {error}") from error


def _problems(values: Mapping[str, Any], shipped: bool) -> list[str]:
    problems = [f"unknown key {key!r}" for key in values.keys() - {"chat", "questions", "schema", "sampling", *_TEXTS}]
    problems += [f"{key!r} must be a text" for key in _TEXTS if not isinstance(values.get(key), str)]
    if not isinstance(values["chat"], bool):
        problems.append("'chat' must be true or false")
    if not isinstance(values.get("schema", ""), str):
        problems.append("'schema' must be a JSON schema, as a text")
    sampling = values["sampling"]
    problems += problems_of(sampling, "sampling.") if isinstance(sampling, dict) else ["'sampling' must be a table"]
    questions = values["questions"]
    if not isinstance(questions, dict) or not questions:
        return [*problems, "[questions] must hold a key and a text for each question"]
    for key, text in questions.items():
        if not _KEY.fullmatch(key) or key == ALL:
            problems.append(f"[questions] {key!r}: must be a word of small letters, digits and _, and not 'all'")
        if not isinstance(text, str) or not text.strip():
            problems.append(f"[questions] {key!r} must be a text")
    if isinstance(values.get("suffix"), str):
        wanted = ("{instruction}", "{output}")
        problems += [f"'suffix' must hold {each}" for each in wanted if each not in values["suffix"]]
    return problems


def _filled(text: str, questions: Mapping[str, str]) -> str:
    """A constant text with the questions in it."""
    asked = "\n".join(f"- {key}: {question.strip()}" for key, question in questions.items())
    form = "\n".join(f"{key}: yes or no, because ..." for key in questions)
    return Prompt("", text, "", _NO_SAMPLING).fill(questions=asked, form=form)


_NO_SAMPLING = Sampling(0.0, 1.0, 0.0, 0.0, 1, ())
