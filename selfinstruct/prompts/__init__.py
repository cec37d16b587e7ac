"""Prompt sets: the texts and sampling settings of each kind of request, as data in a folder of TOML files.

A prompt is `prefix + suffix + tail`. The prefix (header and few-shot demonstrations) and the tail are constant per
kind; the suffix is the request's own. `base`, `chat`, `instruct` and `tiny` are shipped; any other folder of the same
form can be given by its path.

The texts of a prompt that asks for instructions may hold slots (`{persona}`), which a run fills from lists of its own
(`with_slots`).
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from selfinstruct.errors import InputError
from selfinstruct.prompts.sampling import Sampling, by_kind, problems_of, sampling_of, values_of
from selfinstruct.records import Dialect, Kind

__all__ = ["Prompt", "PromptSet", "Sampling", "load_prompts"]

SHIPPED = Path(__file__).parent
PLACEHOLDERS = {
    Kind.PROPOSE: ("{demonstrations}", "{number}"),
    Kind.QUERY: (),
    Kind.EVOLVE: ("{instruction}", "{operation}"),
    Kind.DOCUMENT: ("{document}",),
    Kind.CLASSIFY: ("{instruction}",),
    Kind.INPUT_FIRST: ("{instruction}",),
    Kind.OUTPUT_FIRST: ("{instruction}",),
    Kind.INSTANTIATE: ("{instruction}",),
    Kind.SELECT: ("{candidates}", "{number}"),
    Kind.INPUT: ("{instruction}",),
    Kind.ANSWER: ("{task}",),
    Kind.DOCUMENT_ANSWER: ("{instruction}", "{document}"),
    Kind.POLISH: ("{task}",),
}
PROPOSING = (Kind.PROPOSE, Kind.EVOLVE, Kind.DOCUMENT)
"""The kinds that ask for instructions in so many words."""

OF_STRATEGIES = (Kind.QUERY, Kind.EVOLVE, Kind.DOCUMENT)
"""The kinds that a set asks only where a run has the strategy of that name."""

TWO_STEPS = (Kind.PROPOSE, Kind.CLASSIFY, Kind.INPUT_FIRST, Kind.OUTPUT_FIRST)
ONE_STEP = (Kind.PROPOSE, Kind.INSTANTIATE)
"""The kinds of a set that has an instantiate.toml; all others ask in the paper's two steps."""

Form: TypeAlias = Literal["task", "answer", "polish"]
"""What is asked about instructions: tasks with instances, as in the paper, answers as a chat model's user gets them, or
other answers in place of those that are there."""

FORMS: Mapping[str, tuple[Kind, ...]] = {
    "answer": (Kind.PROPOSE, Kind.INPUT, Kind.ANSWER),
    "polish": (Kind.POLISH,),
}
"""The kinds that other forms than the paper's ask."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")

_ASKING = {"answer": "--label.as answer", "polish": "polish"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """The constant texts of one kind and its sampling."""

    prefix: str
    suffix: str  # with placeholders
    tail: str
    sampling: Sampling
    demonstration: str = ""  # propose only: one line of the list
    schema: str = ""  # JSON schema of the answer, as JSON; without it the answer is in the form of the base set
    bare: bool = False  # the set's system message is left out
    draft: str = ""  # polish only: what follows on the task where an earlier answer is shown
    slots: tuple[str, ...] = ()  # names of the slots in the suffix, which each request fills
    operations: Mapping[str, str] = field(default_factory=dict)  # evolve only: what may be asked for, by name

    def fill(self, **values: str) -> str:
        """The suffix with its placeholders replaced; braces elsewhere are left as they are."""
        return _fill(self.suffix, values)

    def fill_task(self, instruction: str, given: str, draft: str | None = None) -> str:
        """The suffix with a task in it as a user would write it: the instruction, and the input where there is one.

        Args:
            draft: An earlier answer that is shown.
        """
        text = self.fill(task=f"{instruction}\n\n{given}" if given else instruction)
        return text if draft is None else text + _fill(self.draft, {"draft": draft})

    def fill_demonstrations(self, instructions: Sequence[str], values: Mapping[str, str] | None = None) -> str:
        """The suffix of a propose request: the demonstrations as items 1 to n, a line each, item n + 1 left open.

        Args:
            values: What slots are filled with.
        """
        lines = (
            _fill(self.demonstration, {"number": str(n), "instruction": " ".join(text.split())})
            for n, text in enumerate(instructions, start=1)
        )
        return self.fill(demonstrations="".join(lines), number=str(len(instructions) + 1), **(values or {}))

    def with_slots(self, own: Collection[str]) -> Prompt:
        """The prompt with its slots in the suffix, where each request fills them: the prefix ends before its first one,
        and the tail begins after its last one.

        Args:
            own: Placeholders in braces that are no slots.
        """

        def slots(text: str) -> list[re.Match[str]]:
            return [each for each in _SLOT.finditer(text) if each[0] not in own]

        before, within, after = map(slots, (self.prefix, self.suffix, self.tail))
        start = before[0].start() if before else len(self.prefix)
        end = after[-1].end() if after else 0
        return replace(
            self,
            prefix=self.prefix[:start],
            suffix=self.prefix[start:] + self.suffix + self.tail[:end],
            tail=self.tail[end:],
            slots=tuple(dict.fromkeys(each[1] for each in (*before, *within, *after))),
        )


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A prompt for each kind that the set asks. With `chat`, an engine wraps the whole prompt as a user's message.

    An engine that serves several sets at once is opened with one that holds the others (`beside`): each kind is then
    asked in the form of the set that it comes from (`of`).
    """

    name: str
    chat: bool
    prompts: Mapping[Kind, Prompt]
    digest: str  # of the files' bytes and the template's variables; part of a run's fingerprint
    system: str = ""  # chat only: the system's message before the user's
    template: Mapping[str, Any] = field(default_factory=dict)  # chat only: variables of the model's chat template
    changed: Mapping[str, Any] = field(default_factory=dict)  # sampling that is not the files', by `kind.field`
    stop_repetition: bool = False  # a completion that goes in circles is ended by the engines that can
    guests: tuple[PromptSet, ...] = ()  # of other kinds
    digests: Mapping[str, str] = field(default_factory=dict)  # of the files of strategies, which `digest` leaves out

    def __getitem__(self, kind: Kind) -> Prompt:
        return self.of(kind).prompts[kind]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of request that the set asks, those of its guests too."""
        return (*self.prompts, *(kind for guest in self.guests for kind in guest.kinds))

    @property
    def sets(self) -> tuple[PromptSet, ...]:
        """The set itself, without its guests, and each of those."""
        return (replace(self, guests=()), *self.guests) if self.guests else (self,)

    def beside(self, guest: PromptSet) -> PromptSet:
        """The set with another one, of other kinds, beside it. What it says of itself (digest, texts ...) stays."""
        return replace(self, guests=(*self.guests, guest))

    def of(self, kind: Kind) -> PromptSet:
        """The set in whose form a kind is asked."""
        for guest in self.guests:
            if kind in guest.prompts:
                return guest
        return self

    @property
    def texts(self) -> list[str]:
        """All that its prompts say, whatever they are filled with."""
        each = self.prompts.values()
        texts = ((prompt.prefix, prompt.suffix, prompt.tail, *prompt.operations.values()) for prompt in each)
        return [self.system, *(text for several in texts for text in several)]

    @property
    def dialect(self) -> Dialect:
        """In whose form its answers are written."""
        return Dialect.CHAT if self.chat else Dialect.BASE

    @property
    def one_step(self) -> bool:
        """Whether one request asks for the instances and whether the task is classification."""
        return Kind.CLASSIFY not in self.prompts

    def messages(self, content: str, *, folded: bool = False, bare: bool = False) -> list[dict[str, str]]:
        """The conversation that asks a chat model for an answer to `content`.

        Args:
            folded: The system's text stands at the head of the user's message, for models that know no system message.
            bare: It is left out.
        """
        text = "" if bare else self.system
        if folded and text:
            return [{"role": "user", "content": f"{text}\n\n{content}"}]
        system = [{"role": "system", "content": text}] if text else []
        return [*system, {"role": "user", "content": content}]

    def with_template(self, variables: Mapping[str, Any]) -> PromptSet:
        """The set with these variables of the chat template in place of its own of the same names."""
        if not variables:
            return self
        if not self.chat:
            raise InputError(
                f"--chat_template_kwargs: the prompt set {self.name!r} is no chat set; take --prompts chat"
            )
        text = json.dumps(dict(variables), sort_keys=True)
        digest = hashlib.sha256(f"{self.digest}\0{text}".encode()).hexdigest()
        return replace(self, template={**self.template, **variables}, digest=digest)

    def with_slots(self, names: Collection[str]) -> PromptSet:
        """The set with its slots where each request fills them.

        Args:
            names: The slots for which there are values.

        Raises:
            InputError: there are no values for one, or no slot for some values.
        """
        asking = [kind for kind in PROPOSING if kind in self.prompts]
        changed = {kind: self.prompts[kind].with_slots(PLACEHOLDERS[kind]) for kind in asking}
        problems = [
            f"--prompts: {self.name}/{kind}.toml: holds the slot {{{name}}}, and there are no values for it; name a"
            f" file in the recipe (slots: {{{name}: FILE}}), or write no such word in braces"
            for kind in asking
            for name in changed[kind].slots
            if name not in names
        ]
        found = {name for kind in asking for name in changed[kind].slots}
        problems += [
            f"slots.{name}: the prompts of {self.name!r} that ask for instructions ({', '.join(asking)}) hold no"
            f" {{{name}}}; write it into one, or leave the file out"
            for name in names
            if name not in found
        ]
        if problems:
            raise InputError(*problems)
        return replace(self, prompts={**self.prompts, **changed})

    def with_sampling(self, changes: Mapping[str, Any]) -> PromptSet:
        """The set with other sampling: `kind.field` -> value. What is as in the files is no change.

        Raises:
            InputError: the set has no such kind, its sampling no such field, or a value does not fit.
        """
        if not changes:
            return self
        given, before = by_kind(changes), {kind: values_of(self[kind].sampling) for kind in self.kinds}
        after = {kind: {**values, **given.get(kind, {})} for kind, values in before.items()}
        problems = [
            f"the prompt set {self.name!r} asks no {name!r}; give kind.field=value (its kinds: {', '.join(self.kinds)})"
            for name in given
            if name not in self.kinds
        ]
        problems += [problem for kind in self.kinds for problem in problems_of(after[kind], f"{kind}.")]
        if problems:
            raise InputError(*(f"--sampling: {problem}" for problem in problems))
        prompts = {kind: replace(self[kind], sampling=sampling_of(after[kind])) for kind in self.kinds}
        changed = {
            f"{kind}.{field}": value
            for kind, prompt in prompts.items()
            for field, value in values_of(prompt.sampling).items()
            if value != before[kind][field]
        }
        return replace(self, prompts=prompts, changed=changed)


def load_prompts(
    name_or_folder: str, form: Form = "task", kinds: Sequence[Kind] = (), strategies: Sequence[Kind] = ()
) -> PromptSet:
    """Load a shipped prompt set by name, or a folder of `set.toml` and one TOML file per kind.

    A folder with an instantiate.toml needs no classify, input_first and output_first. One whose set.toml says
    `extends = "chat"` has what it lacks from that shipped set.

    Args:
        form: For which the set is to ask; of its folder nothing else is read.
        kinds: Those that are wanted, in place of a form's.
        strategies: Those that are wanted besides for the strategies of a run (`RunSettings.strategy_kinds`).

    Raises:
        InputError: the set does not ask for this form; or the folder, a file, a key or a placeholder is missing,
            unknown or of the wrong type.
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
    folders = [folder]
    if extended := header.pop("extends", ""):
        base = SHIPPED / str(extended)
        if not (base / "set.toml").exists() or base == folder:
            raise InputError(f"{folder / 'set.toml'}: 'extends' must be the name of a shipped prompt set")
        header = {**_read(base / "set.toml", digest, problems), **header}
        folders.append(base)
    kinds = kinds or _kinds(folders, form, header.get("chat", False))
    prompts = {kind: _prompt(kind, _file(folders, kind), digest, problems) for kind in kinds}
    problems += _problems_of_header(header, folder / "set.toml")
    digests = {}
    for kind in strategies:
        own = hashlib.sha256()
        problems += _lacking(kind, folders, header.get("chat", False))
        prompts[kind] = None if problems else _prompt(kind, _file(folders, kind), own, problems)
        digests[kind.value] = own.hexdigest()
    if problems:
        raise InputError(*problems)
    complete = {kind: prompt for kind, prompt in prompts.items() if prompt is not None}
    return PromptSet(
        name=folder.name,
        chat=header.get("chat", False),
        prompts=complete,
        digest=digest.hexdigest(),
        system=header.get("system", ""),
        template=header.get("chat_template_kwargs", {}),
        digests=digests,
    )


def _file(folders: Sequence[Path], kind: Kind) -> Path:
    """The file of a kind: that of the first folder that has one."""
    paths = [folder / f"{kind}.toml" for folder in folders]
    return next((path for path in paths if path.exists()), paths[0])


def _kinds(folders: Sequence[Path], form: Form, chat: object) -> tuple[Kind, ...]:
    """The kinds that a folder, and the one that it extends, ask in a form."""
    folder = folders[0]
    if form not in FORMS:
        return ONE_STEP if _file(folders, Kind.INSTANTIATE).exists() else TWO_STEPS
    missing = [f"{kind}.toml" for kind in FORMS[form] if not _file(folders, kind).exists()]
    if missing or chat is not True:
        why = f"has no {' and '.join(missing)}" if missing else "is not for chat models"
        raise InputError(
            f"--prompts: {folder.name!r} {why}, and {_ASKING[form]} asks chat models; take --prompts chat or instruct"
        )
    return FORMS[form]


def _lacking(kind: Kind, folders: Sequence[Path], chat: object) -> Iterator[str]:
    """Why a set cannot be asked what a strategy asks."""
    name = folders[0].name
    if not _file(folders, kind).exists() and kind is Kind.DOCUMENT_ANSWER:
        yield (
            f"documents.answer: the prompt set {name!r} has no {kind}.toml; take --prompts chat, write one, or say"
            " documents: {answer: false} in the recipe"
        )
    elif not _file(folders, kind).exists():
        yield f"strategies.{kind}: the prompt set {name!r} has no {kind}.toml; take --prompts chat, or write one"
    elif kind is Kind.QUERY and chat is not True:
        yield f"strategies.{kind}: asks chat models, and the prompt set {name!r} is not for them; take --prompts chat"


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Replace each `{key}` once, left to right, so that a value holding braces is never read as a template."""
    pieces = _pieces(template, tuple(values))
    return "".join([values[piece] if at % 2 else piece for at, piece in enumerate(pieces)])


@lru_cache
def _pieces(template: str, keys: tuple[str, ...]) -> list[str]:
    """The texts between the keys of a template, and the keys in between."""
    return re.split(rf"\{{({'|'.join(map(re.escape, keys))})\}}", template) if keys else [template]


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


_HEADER_TYPES: dict[str, type] = {"description": str, "chat": bool, "system": str, "chat_template_kwargs": dict}


def _problems_of_header(header: Mapping[str, Any], path: Path) -> list[str]:
    problems = [
        f"{path}: unknown key {key!r} (known: {', '.join(_HEADER_TYPES)})" for key in header.keys() - _HEADER_TYPES
    ]
    for key, type_of in _HEADER_TYPES.items():
        if not isinstance(header.get(key, type_of()), type_of):
            problems.append(f"{path}: {key!r} must be a {type_of.__name__}")
        elif key in ("system", "chat_template_kwargs") and header.get(key) and not header.get("chat"):
            problems.append(f"{path}: {key!r} is for chat sets; say 'chat = true', or leave it out")
    return problems


def _prompt(kind: Kind, path: Path, digest: Any, problems: list[str]) -> Prompt | None:
    before = len(problems)
    data = _read(path, digest, problems)
    if len(problems) > before:
        return None
    if kind is Kind.QUERY:
        data = {"prefix": "", "suffix": "", "tail": "", **data}
    texts = ["prefix", "suffix", "tail", *_OWN_TEXTS.get(kind, ())]
    for key in texts:
        if not isinstance(data.get(key), str):
            problems.append(f"{path}: {key!r} must be there and be a text")
    sampling = data.get("sampling", {})
    if not isinstance(sampling, dict):
        sampling = {}
    problems += [f"{path}: {problem}" for problem in problems_of(sampling, "sampling.")]
    if not isinstance(data.get("system", True), bool):
        problems.append(f"{path}: 'system' must be true, or false to leave the set's system message out")
    operations = data.get("operations", {})
    if kind is Kind.EVOLVE and not _are_operations(operations):
        problems.append(f"{path}: [operations] must name some, each with a text")
    known = {*texts, "schema", "sampling", "system", *(["operations"] if kind is Kind.EVOLVE else [])}
    for unknown in data.keys() - known:
        problems.append(f"{path}: unknown key {unknown!r}")
    if len(problems) > before:
        return None
    for placeholder in PLACEHOLDERS[kind]:
        if placeholder not in data["suffix"]:
            problems.append(f"{path}: 'suffix' must hold {placeholder}")
    for placeholder in ("{number}", "{instruction}"):
        if kind is Kind.PROPOSE and placeholder not in data["demonstration"]:
            problems.append(f"{path}: 'demonstration' must hold {placeholder}")
    if kind is Kind.QUERY and (data["suffix"] or data["tail"]):
        problems.append(f"{path}: 'suffix' and 'tail' must be empty: the model goes on where the prefix ends")
    if kind is Kind.POLISH and "{draft}" not in data["draft"]:
        problems.append(f"{path}: 'draft' must hold {{draft}}")
    if not _is_schema(data.get("schema", "{}")):
        problems.append(f"{path}: 'schema' must be a JSON schema, as a text that holds a JSON object")
    if len(problems) > before:
        return None
    return Prompt(
        prefix=data["prefix"],
        suffix=data["suffix"],
        tail=data["tail"],
        sampling=sampling_of(sampling),
        demonstration=data.get("demonstration", ""),
        schema=data.get("schema", ""),
        draft=data.get("draft", ""),
        bare=not data.get("system", True),
        operations=operations,
    )


_OWN_TEXTS = {Kind.PROPOSE: ("demonstration",), Kind.POLISH: ("draft",)}
"""Texts that only the prompt of a kind has."""


def _are_operations(given: object) -> bool:
    return (
        isinstance(given, dict)
        and bool(given)
        and all(_NAME.fullmatch(name) and isinstance(text, str) and text for name, text in given.items())
    )


def _is_schema(text: Any) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (TypeError, ValueError):
        return False
