"""Rows kept clear of evaluation sets, and what a card says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from selfinstruct.records import Reason, Table
from selfinstruct.settings import Facts
from selfinstruct.sources.contamination import SHORTEST, Contamination


class Sieve:
    """Drops the rows of hit instructions, and rows whose input or output is hit; counts them."""

    def __init__(self, evaluation: Contamination) -> None:
        self.counts: Counter[str] = Counter()
        self._evaluation = evaluation

    def __call__(self, tables: Iterable[Any]) -> Iterator[Any]:
        """The tables (`rows.SCHEMA`) without what is hit."""
        for table in tables:
            ids = table["instruction_id"].to_pylist()
            texts = dict(zip(ids, table["instruction"].to_pylist(), strict=True))
            hits = {id: hit for id, text in texts.items() if (hit := self._evaluation.of_instruction(text))}
            for hit in hits.values():
                self.counts["n-gram" if hit.rouge_l is None else "ROUGE-L"] += 1
            overlap = self._evaluation.overlap
            kept = []
            for id, given, output in zip(ids, table["input"].to_pylist(), table["output"].to_pylist(), strict=True):
                instance_hit = id not in hits and (overlap(given) or overlap(output)) is not None
                self.counts["instances"] += instance_hit
                kept.append(id not in hits and not instance_hit)
            self.counts["rows"] += len(kept) - sum(kept)
            yield table.filter(pa.array(kept, pa.bool_()))

    def summary(self) -> str:
        """Against what was checked, how, and what was found."""
        evaluation, counts = self._evaluation, self.counts
        sets = ", ".join(f"`{name}` ({tasks:,} tasks)" for name, tasks in evaluation.sets.items())
        shortest = min(SHORTEST, evaluation.ngram)
        return (
            f"When it was exported, it was checked against {sets}; digest `{evaluation.digest[:16]}`. Dropped:"
            f" {counts['n-gram']:,} instructions with {evaluation.ngram} tokens in a row, or a whole text of {shortest}"
            f" or more, in common with an evaluation text; {counts['ROUGE-L']:,} with a ROUGE-L F above"
            f" {evaluation.threshold} to an evaluation instruction; {counts['instances']:,} instances with such an"
            f" overlap in input or output; {counts['rows']:,} rows in all."
        )


def generation_summary(facts: Facts, totals: Mapping[Table, Counter[str]]) -> str | None:
    """What the run itself checked; None if nothing."""
    if "evaluation" not in facts:
        return None
    instructions = totals[Table.CANDIDATES][f"rejected.{Reason.CONTAMINATED}"]
    instances = totals[Table.INSTANCES][f"instances.rejected.{Reason.CONTAMINATED}"]
    return (
        f"While it was generated, it was checked against evaluation sets of the digest `{facts['evaluation'][:16]}`:"
        f" {instructions:,} instructions and {instances:,} instances were rejected as `{Reason.CONTAMINATED}`."
    )
