"""What flows through a run: frozen values, the reasons for dropping one, and the ids that name them.

Ids are readable paths and are never reused: request `000012/00345`, candidate `000012/00345/03`, labelling requests
`000012/00345/03/classify` and `000012/00345/03/answer/0`, instance `000012/00345/03/0`, the request to judge it
`000012/00345/03/0/check`; a seed task is `seed/<its id>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeAlias


class Kind(StrEnum):
    """The kinds of request; each has its own prompt (paper, sections 2.2.1 to 2.2.3).

    A prompt set asks about an instruction either in the paper's two steps (classify, then input or output first) or in
    one request (instantiate), whose answer also tells whether the task is classification. Instructions that are to be
    answered as a chat model answers a user get an input first, then any number of answers. Those that came from a
    document are answered from it.
    """

    PROPOSE = "propose"
    QUERY = "query"  # nothing but the beginning of a user's turn; a chat model writes the turn
    EVOLVE = "evolve"  # an instruction of the pool, to be rewritten
    DOCUMENT = "document"  # a text of the user's; what instruction does it answer?
    CLASSIFY = "classify"
    INPUT_FIRST = "input_first"
    OUTPUT_FIRST = "output_first"
    INSTANTIATE = "instantiate"
    INPUT = "input"  # an input for a task that is to be answered, or that it needs none
    ANSWER = "answer"  # the task as a user's turn; what a chat model says to it
    DOCUMENT_ANSWER = "document_answer"  # a task and the text that it came from, from which the answer is written
    POLISH = "polish"  # another answer in place of one that is there; no run asks it, `selfinstruct polish` does
    CHECK = "check"  # of an instance that is there; asked by rubrics, not by prompt sets
    SELECT = "select"  # which of some instructions are the best; `selfinstruct select` asks it


ANSWERED = (Kind.ANSWER, Kind.DOCUMENT_ANSWER, Kind.POLISH)
"""The kinds whose answers are outputs as they stand. Thoughts that a server tells apart are kept before them."""


class Finish(StrEnum):
    """Why a completion ended."""

    STOP = "stop"  # a stop string or the end-of-text token
    LENGTH = "length"  # cut at max_tokens
    REPETITION = "repetition"  # ended by the engine, since it went in circles
    FAILED = "failed"  # the request itself cannot be served; `Completion.error` says why


class Dialect(StrEnum):
    """How completions are to be read: in whose form they were asked for."""

    BASE = "base"  # a base model goes on with the open item of a list
    CHAT = "chat"  # a chat model begins a list of its own
    ORIGINAL = "original"  # the original release's parser


class Origin(StrEnum):
    """Where an instruction comes from."""

    SEED = "seed"
    IMPORTED = "imported"
    MODEL = "model"


PLUGIN = "plugin:"
"""How the reasons of the user's own filters begin; the filter's name follows."""


class Reason(StrEnum):
    """Why a request, a candidate or an instance was dropped. Accepted rows have none.

    Beside the members there is `plugin:<name>` for the user's own filters, whatever the name: a run is read by programs
    that have not got them.
    """

    # a whole request
    FAILED = "failed"
    CUT_BY_LENGTH = "cut_by_length"
    REPETITION = "repetition"  # the completion went in circles; of its last instance too, as is the one above
    NOTHING_PARSED = "nothing_parsed"
    # an instruction (paper, section 2.2.4, and the released code)
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    BANNED_WORD = "banned_word"
    ASKS_FOR_PROGRAM = "asks_for_program"
    STARTS_WITH_PUNCTUATION = "starts_with_punctuation"
    STARTS_NON_ASCII = "starts_non_ascii"
    SIMILAR = "similar"
    PARAPHRASE = "paraphrase"  # new by its words, and too near by what it is about (`semantic.gate`)
    CONTAMINATED = "contaminated"  # near to an evaluation set; of instances too
    # an instance
    EMPTY_OUTPUT = "empty_output"
    OUTPUT_IS_INPUT = "output_is_input"
    ENDS_WITH_COLON = "ends_with_colon"
    CONFLICTING = "conflicting"
    DUPLICATE = "duplicate"
    SURPLUS = "surplus"
    LEAKED_MARKER = "leaked_marker"  # a marker of the prompt's form stands where none belongs
    # a rule (`steps.rules`); of instructions and instances
    ECHOES_INSTRUCTION = "echoes_instruction"  # an output that is its instruction, or a piece of it
    FROM_PROMPT = "from_prompt"  # what the prompt itself told comes back as data
    REPEATS_ITSELF = "repeats_itself"
    ASKS_NOTHING = "asks_nothing"  # an instruction that is a statement
    BREAKS_CONSTRAINT = "breaks_constraint"  # an output that does not do what its instruction's constraint demands
    COPIED = "copied"  # too much of an output stands word for word in the document that it was written from
    # a run made from stored answers
    NOT_ASKED = "not_asked"  # the run was made from stored answers, and there is none about this instruction
    NOT_SELECTED = "not_selected"  # others were chosen to be labelled

    @classmethod
    def _missing_(cls, value: object) -> Reason | None:
        """The reason of a filter of the user's own: a value like the members, made when it is met."""
        if not isinstance(value, str) or not value.removeprefix(PLUGIN).isidentifier() or not value.startswith(PLUGIN):
            return None
        reason = str.__new__(cls, value)
        reason._name_ = reason._value_ = value
        return cls._value2member_map_.setdefault(value, reason)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Instance:
    """One input and its output; the input may be empty."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class SeedTask:
    """A task written by a person, who may not have said whether it is classification."""

    id: str
    instruction: str
    instances: tuple[Instance, ...]
    is_classification: bool | None


@dataclass(frozen=True, slots=True)
class ImportedTask:
    """A task of an instruction set that exists already. Nobody may have said whether it is classification."""

    id: str
    instruction: str
    instances: tuple[Instance, ...]
    is_classification: bool | None


@dataclass(frozen=True, slots=True)
class Task:
    """An accepted instruction of a run with its accepted instances. Whether it is classification may be unknown."""

    id: str
    instruction: str
    instances: tuple[Instance, ...]
    is_classification: bool | None


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to complete: `prefix(kind) + suffix + tail(kind)`.

    Engines hold prefixes, tails and sampling settings per kind (`prompts.PromptSet`); only the suffix travels.
    The seed is a hash of the run's seed and the id, so a request gives the same completion wherever it runs.
    """

    id: str
    kind: Kind
    suffix: str
    seed: int  # unsigned, 63 bits

    # Requests and completions travel by the million. Dataclasses look up the names of their fields each time.

    def __getstate__(self) -> tuple[str, Kind, str, int]:
        return self.id, self.kind, self.suffix, self.seed

    def __setstate__(self, state: tuple[str, Kind, str, int]) -> None:
        Request.__init__(self, *state)


REPLACEMENT = "\ufffd"
"""Stands where a text held what no file can: a lone surrogate, or NUL. Decoders put it in place of broken bytes."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to one request, as the engine gave it. The stop string itself is not part of the text."""

    request_id: str
    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    error: str | None = None
    cached_tokens: int = 0  # of the prompt's, those that did not have to be computed for this request

    def __getstate__(self) -> tuple[str, str, Finish, int, int, str | None, int]:
        tokens = self.prompt_tokens, self.completion_tokens
        return self.request_id, self.text, self.finish, *tokens, self.error, self.cached_tokens

    def __setstate__(self, state: tuple[str, str, Finish, int, int, str | None, int]) -> None:
        Completion.__init__(self, *state)

    def mended(self) -> Completion:
        """The same, fit for a file: what is no Unicode text is replaced."""
        text, error = mended(self.text), self.error and mended(self.error)
        return self if (text, error) == (self.text, self.error) else replace(self, text=text, error=error)


def mended(text: str) -> str:
    """A text fit for a file: halves of surrogate pairs are joined where they belong together, and replaced elsewhere,
    as NUL is."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", REPLACEMENT)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The text of the pool nearest to a candidate, and how near: ROUGE-L F in [0, 1]."""

    ordinal: int
    rouge_l: float


# The rows of the four tables: the fields are the columns, in this order (`storage.tables`). One that is added comes
# last and has None for a default, which is what the rows of older files have there.


@dataclass(frozen=True, slots=True)
class Proposal:
    """One propose request and its raw completion."""

    request_id: str
    round: int
    strategy: str
    demonstrations: tuple[str, ...]  # ids, in the order in which the prompt shows them
    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    error: str | None
    sources: tuple[str, ...] | None = None  # names of what else the prompt was made from


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proposed instruction, or one request that gave none (then `position` is None and the text is empty)."""

    id: str
    round: int
    request_id: str | None
    position: int | None
    origin: Origin
    text: str
    accepted: bool
    reason: Reason | None
    nearest_id: str | None  # the highest ROUGE-L in the shortlist; of a paraphrase, the text that it is near to
    rouge_l: float | None  # for accepted rows a lower bound; None of a paraphrase
    cell: int | None = None  # what it is about: the frozen cell (`semantic.cells`); None where a run does not measure
    nearest_cosine: float | None = None  # the highest with what was in the pool before it (`semantic.index`)


@dataclass(frozen=True, slots=True)
class Label:
    """One labelling request (of any kind but propose) and its raw completion."""

    request_id: str
    round: int
    instruction_id: str
    kind: Kind
    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    error: str | None


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One generated instance, or one instruction that gave none (then input and output are empty)."""

    id: str
    round: int
    instruction_id: str
    instruction: str  # the candidate's, with its constraint if it has one
    is_classification: bool | None  # None when the question itself failed
    input: str
    output: str
    accepted: bool
    reason: Reason | None
    origin: Origin | None = None  # that of the instruction
    thought: str | None = None  # what the model thought before its output, where it said so
    constraint: str | None = None  # what the end of the instruction demands (`constraints.read`); None: nothing
    copied: float | None = None  # share of the output that its document has, too (`steps.copying`); None: has none


class Judgement(StrEnum):
    """What a check says to one question about an instance."""

    YES = "yes"
    NO = "no"
    UNREADABLE = "unreadable"  # the answer says neither
    NONE = "none"  # nobody answered: a person left it out, or the request failed


class By(StrEnum):
    """Who judges."""

    PEOPLE = "people"
    MODEL = "model"
    AUTHOR = "author"  # whoever made the data or the program: no independent judge


@dataclass(frozen=True, slots=True)
class CheckRow:
    """What is said of one accepted instance, question by question."""

    id: str  # of the instance
    round: int
    judgements: tuple[Judgement, ...]  # in the order of the check's questions
    by: By
    text: str  # the model's answer, raw; empty of people
    finish: Finish | None
    prompt_tokens: int
    completion_tokens: int
    error: str | None


CHECKS = "checks"
"""A table aside: any number of checks may stand beside a run's own four tables (`storage.checks`)."""


class Table(StrEnum):
    """The four tables of a run: one file per round and table. Proposals and labels begin with round 1."""

    PROPOSALS = "proposals"
    CANDIDATES = "candidates"
    LABELS = "labels"
    INSTANCES = "instances"


Row: TypeAlias = Proposal | Candidate | Label | InstanceRow | CheckRow


@dataclass(frozen=True, slots=True)
class RoundFile:
    """The content of one file: all rows of one round of one table, in canonical order.

    `notes` are facts about the round that are data too (the bounds under which it was planned, say): JSON values.
    """

    table: Table
    round: int
    rows: tuple[Row, ...]
    notes: Mapping[str, Any] = field(default_factory=dict)


def round_name(number: int) -> str:
    """`12` as `000012`, in ids and file names."""
    return f"{number:06d}"
