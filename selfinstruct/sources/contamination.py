"""Keeping clear of evaluation sets: is a text, or something much like it, what a model will be tested on?

Two checks, for texts that were copied and for instructions that were put in other words:

- n-grams: a text that has 13 tokens in a row in common with a text of an evaluation set. The number is that of GPT-3
  (Brown et al. 2020, appendix C), where it ran from 8 to 13 with the length of a benchmark's texts; so an evaluation
  text of 8 to 12 tokens is hit where it occurs whole, and a shorter one by ROUGE-L alone.
- ROUGE-L: an instruction whose F with an instruction of an evaluation set is above the novelty threshold, through the
  same kind of index and with the same settings as the novelty check.

Instructions get both checks; inputs and outputs that of n-grams. Of a natural-instructions task the definition counts,
of other sets the instructions and the inputs and outputs of their instances.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.rouge import tokenise
from selfinstruct.settings import digest_of

NGRAM = 13
"""Tokens in a row that two texts may not share."""

SHORTEST = 8
"""Tokens of the shortest evaluation text that is looked for as a whole."""


@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """What a model may be tested on. The id names its set and its place there."""

    id: str
    instruction: str
    texts: tuple[str, ...]  # inputs and outputs


@dataclass(frozen=True, slots=True)
class Hit:
    """The evaluation task that a text is too near to; `rouge_l` is None where they share an n-gram."""

    id: str
    rouge_l: float | None


class Contamination:
    """Evaluation sets, made ready to be asked about texts."""

    def __init__(self, tasks: Sequence[EvaluationTask], novelty: NoveltySettings, ngram: int = NGRAM) -> None:
        self.tasks = tasks
        self.ngram = ngram
        self.threshold = novelty.threshold
        self._tokeniser = novelty.tokeniser
        self._head = min(SHORTEST, ngram)
        self._grams: defaultdict[str, dict[tuple[str, ...], str]] = defaultdict(dict)  # by their first tokens
        for task in tasks:
            for text in (task.instruction, *task.texts):
                self._hold(task.id, tokenise(text, self._tokeniser))
        self._index = make_index(novelty)
        self._index.insert(0, [task.instruction for task in tasks])

    @property
    def digest(self) -> str:
        """Of the sets' content and the length of n-grams: what a run's data depends on."""
        return digest_of([[asdict(task) for task in self.tasks], self.ngram])

    @property
    def sets(self) -> Mapping[str, int]:
        """How many tasks each set has, by the names of the files."""
        counts: defaultdict[str, int] = defaultdict(int)
        for task in self.tasks:
            counts[task.id.rpartition(":")[0]] += 1
        return counts

    def of_instruction(self, text: str) -> Hit | None:
        """Why an instruction may not be used, if so."""
        if (id := self.overlap(text)) is not None:
            return Hit(id, None)
        nearest = self._index.nearest(len(self.tasks), [text])[0]
        if nearest is not None and nearest.rouge_l > self.threshold:
            return Hit(self.tasks[nearest.ordinal].id, nearest.rouge_l)
        return None

    def overlap(self, text: str) -> str | None:
        """The id of a task of which the text holds an n-gram, or the whole of a short text."""
        tokens, head = tokenise(text, self._tokeniser), self._head
        for at in range(len(tokens) - head + 1):
            for tail, id in self._grams.get(" ".join(tokens[at : at + head]), {}).items():
                if tail == tuple(tokens[at + head : at + head + len(tail)]):
                    return id
        return None

    def _hold(self, id: str, tokens: list[str]) -> None:
        size = min(self.ngram, len(tokens))
        if size < self._head:
            return
        for at in range(len(tokens) - size + 1):
            head, tail = tokens[at : at + self._head], tokens[at + self._head : at + size]
            self._grams[" ".join(head)].setdefault(tuple(tail), id)
