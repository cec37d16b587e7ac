"""Several answers to one instruction: which of them pass a check, the best, and pairs for preference tuning.

All functions take and give tables as `rows.rows_of_run` gives them, one for each round.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from selfinstruct.draws import Draws
from selfinstruct.export.forms import asked, assistant, user
from selfinstruct.export.rows import PASS_RATE, TEXTS, THOUGHT
from selfinstruct.records import Judgement
from selfinstruct.steps.judging import overall
from selfinstruct.storage.checks import CheckSet, check_sets, the_check
from selfinstruct.storage.store import RunStore


class Passing:
    """Which instances of a run pass a check, and which fail it; of all others nothing is known."""

    def __init__(self, check: CheckSet) -> None:
        self._check = check
        self._rounds = set(check.rounds())

    def of(self, table: Any) -> Mapping[str, bool]:
        """Of a round's rows, by id. CorruptError if the check's file is damaged."""
        if not len(table) or (number := _round(table)) not in self._rounds:
            return {}
        said = {row.id: overall(row.judgements) for row in self._check.read(number)}
        return {id: each == Judgement.YES for id, each in said.items() if each in (Judgement.YES, Judgement.NO)}

    def rated(self, tables: Iterable[Any]) -> Iterator[Any]:
        """The tables with the share of each instruction's judged rows that pass, null where none is judged."""
        for table in tables:
            passing = self.of(table)
            judged: defaultdict[str, list[bool]] = defaultdict(list)
            for id, instruction in _ids(table):
                if id in passing:
                    judged[instruction].append(passing[id])
            rates = [sum(each) / len(each) if (each := judged[id]) else None for _, id in _ids(table)]
            yield table.append_column(PASS_RATE, pa.array(rates, pa.float64()))


def passing(store: RunStore, name: str | None, *, needed: bool) -> Passing | None:
    """What a check says. None where none is named, and there is none, or there are several and none is needed.

    Raises:
        InputError: there is no such check; or none is named, one is needed, and there is none, or there are several.
    """
    if name is None and not needed and len(check_sets(store)) != 1:
        return None
    return Passing(the_check(store, name))


def best(tables: Iterable[Any], passing: Passing | None) -> Iterator[Any]:
    """Of each instruction of the model the first row, of those that pass if there is a check; of round 0 all rows."""
    for table in tables:
        if not len(table) or _round(table) == 0:
            yield table
            continue
        passes = passing.of(table) if passing else None
        first: dict[str, int] = {}
        for at, (id, instruction) in enumerate(_ids(table)):
            if passes is None or passes.get(id):
                first.setdefault(instruction, at)
        yield table.take(pa.array(first.values(), pa.int64()))


class Pairs:
    """Pairs of a row that passes and one that fails, of one instruction with one input, drawn by the instruction's id.

    Attributes:
        instructions: Of the model, that were looked at.
        count: Those of them that have a pair.
    """

    def __init__(self, passing: Passing, seed: int) -> None:
        self.instructions = self.count = 0
        self._passing = passing
        self._seed = seed

    def __call__(self, tables: Iterable[Any]) -> Iterator[Any]:
        """The pairs of each round, in TRL's conversational form: prompt, chosen, rejected, and where they come from."""
        for table in tables:
            if not len(table) or _round(table) == 0:
                continue
            self.instructions += len(pc.unique(table["instruction_id"]))
            drawn = list(self._drawn(table))
            self.count += len(drawn)
            if drawn:
                yield _paired(*(table.take(pa.array(each, pa.int64())) for each in zip(*drawn, strict=True)))

    def _drawn(self, table: Any) -> Iterator[tuple[int, int]]:
        """Where in the table the rows of each pair stand."""
        passing = self._passing.of(table)
        found: dict[str, dict[str, tuple[list[int], list[int]]]] = defaultdict(dict)
        for at, ((id, instruction), given) in enumerate(zip(_ids(table), table["input"].to_pylist(), strict=True)):
            if id in passing:
                found[instruction].setdefault(given, ([], []))[not passing[id]].append(at)
        for instruction, by_input in found.items():
            for good, bad in by_input.values():
                if good and bad:
                    draws = Draws("preference", self._seed, instruction)
                    yield good[draws.below(len(good))], bad[draws.below(len(bad))]
                    break


def _paired(chosen: Any, rejected: Any) -> Any:
    others = [name for name in chosen.column_names if name not in (*TEXTS, THOUGHT)]
    texts = {"prompt": user(asked(chosen)), "chosen": assistant(chosen), "rejected": assistant(rejected)}
    return pa.table({**texts, **{name: chosen[name] for name in others}, "rejected_id": rejected["id"]})


def _ids(table: Any) -> Iterator[tuple[str, str]]:
    """Id and instruction's id of each row."""
    return zip(table["id"].to_pylist(), table["instruction_id"].to_pylist(), strict=True)


def _round(table: Any) -> int:
    return int(table["round"][0].as_py())
