"""A round of a run as rows of a dataset: instances joined with the candidates and proposals they come from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from selfinstruct.quality.only import Only
from selfinstruct.records import Origin, Table
from selfinstruct.run.makers import Makers, Model
from selfinstruct.steps.strategies.document import named_in
from selfinstruct.storage.history import of_documents, polished_ids
from selfinstruct.storage.store import RunStore

TEXTS = {"instruction": pa.string(), "input": pa.string(), "output": pa.string(), "is_classification": pa.bool_()}
"""The columns that a model is trained on, and whether the task is classification (null: nobody said)."""

PROVENANCE = {
    "id": pa.string(),
    "instruction_id": pa.string(),
    "round": pa.int32(),
    "origin": pa.string(),
    "proposer": pa.string(),
    "proposer_revision": pa.string(),
    "labeller": pa.string(),
    "labeller_revision": pa.string(),
    "prompts": pa.string(),
    "demonstrations": pa.list_(pa.string()),
    "nearest_id": pa.string(),
    "rouge_l": pa.float64(),
    "strategy": pa.string(),
    "sources": pa.list_(pa.string()),
}
"""Where a row comes from; of seed tasks and imported ones there are no models, prompts and demonstrations."""

_ASKED = ("demonstrations", "strategy", "sources")
"""What of it the request for an instruction knows."""

THOUGHT = "thought"
"""The column of what the model thought before its output; there where it is asked for."""

CONSTRAINT = "constraint"
"""The column of what the end of an instruction demands (`constraints.read`); there in runs with constraints."""

SOURCE, LICENCE, COPIED = "source", "licence", "copied"
"""The columns of the document that a row came of, its licence, and how much of it the output copies (null: it was not
written from one); there in runs with documents."""

DOCUMENT = {SOURCE: pa.string(), LICENCE: pa.string(), COPIED: pa.float64()}

PASS_RATE = "pass_rate"
"""The column that says which share of an instruction's rows passes the check; there where there is a check."""

POLISHER = {"polisher": pa.string(), "polisher_revision": pa.string()}
"""The columns that say who wrote an output anew; there in runs that were polished."""

MAKERS = ("proposer", "proposer_revision", "labeller", "labeller_revision", "prompts")
"""The columns that say who made a row."""

SCHEMA = pa.schema(TEXTS | PROVENANCE)
ACCEPTED = pa.schema([field for field in SCHEMA if field.name not in MAKERS])

_INSTANCES = ["id", "round", "instruction_id", "instruction", "is_classification", "input", "output"]
_CANDIDATES = ["id", "request_id", "origin", "nearest_id", "rouge_l"]


def accepted_rows(store: RunStore, origins: Collection[Origin], only: Only | None = None) -> Iterator[Any]:
    """The accepted instances of a run, a `pa.Table` of `ACCEPTED` for each complete round, in the run's order.

    Args:
        only: Says which of the generated ones (default: all).

    Raises:
        InputError: as of `Only.ids`.
        CorruptError: a file is missing or torn.
    """
    for number in store.rounds(Table.INSTANCES):
        yield _accepted(store, number, origins, only)


def rows_of_run(
    store: RunStore,
    makers: Mapping[int, Makers | None],
    origins: Collection[Origin],
    only: Only | None = None,
    *,
    thoughts: bool = False,
) -> Iterator[Any]:
    """The same with who made them, a `pa.Table` of `SCHEMA` for each round. Raises as `accepted_rows`.

    Args:
        thoughts: Add the column `THOUGHT`.
    """
    current = None
    constrained, documents = store.totals()[Table.INSTANCES]["instances.constrained"] > 0, of_documents(store)
    for number in store.rounds(Table.INSTANCES):
        current = makers.get(number, current)
        rows = _accepted(store, number, origins, only)
        columns = {name: rows[name] for name in ACCEPTED.names} | _made_by(current if number > 0 else None, len(rows))
        table = pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA)
        if any(each and each.polisher for each in makers.values()):
            table = _with_polisher(table, store, number, current.polisher if current else None)
        for name in (CONSTRAINT,) * constrained + (THOUGHT,) * thoughts:
            table = table.append_column(name, _beside(store, number, rows["id"], name))
        yield _with_documents(table, _beside(store, number, rows["id"], COPIED)) if documents else table


def _with_polisher(table: Any, store: RunStore, number: int, polisher: Model | None) -> Any:
    """The rows with who wrote their outputs anew, null where nobody did."""
    anew = pc.is_in(table["id"], pa.array(polished_ids(store, number), pa.string()))
    values = (polisher.name, polisher.revision) if polisher else (None, None)
    for (name, kind), value in zip(POLISHER.items(), values, strict=True):
        table = table.append_column(name, pc.if_else(anew, pa.scalar(value, kind), pa.scalar(None, kind)))
    return table


def _with_documents(table: Any, copied: Any) -> Any:
    """The rows with the columns of `DOCUMENT`."""
    names, licences = zip(*map(named_in, table["sources"].to_pylist()), strict=True) if len(table) else ((), ())
    for (name, kind), values in zip(DOCUMENT.items(), (names, licences, copied), strict=True):
        table = table.append_column(name, pa.array(values, kind) if isinstance(values, tuple) else values)
    return table


def _beside(store: RunStore, number: int, ids: Any, name: str) -> Any:
    """Another column of the instances with these ids."""
    known = store.read_columns(Table.INSTANCES, number, ["id", name], accepted_only=True)
    return _matching(known, "id", ids)[name]


def _accepted(store: RunStore, number: int, origins: Collection[Origin], only: Only | None) -> Any:
    instances = store.read_columns(Table.INSTANCES, number, _INSTANCES, accepted_only=True)
    if only is not None:
        instances = instances.filter(pc.is_in(instances["id"], pa.array(only.ids(number), pa.string())))
    candidates = store.read_columns(Table.CANDIDATES, number, _CANDIDATES, accepted_only=True)
    candidates = _matching(candidates, "id", instances["instruction_id"])
    columns = {name: instances[name] for name in _INSTANCES}
    columns |= {name: candidates[name] for name in ("origin", "nearest_id", "rouge_l")}
    if number > 0:
        proposals = store.read_columns(Table.PROPOSALS, number, ["request_id", *_ASKED])
        asked = _matching(proposals, "request_id", candidates["request_id"])
        columns |= {name: asked[name] for name in _ASKED}
    else:
        columns |= {name: pa.nulls(len(instances), PROVENANCE[name]) for name in _ASKED}
    table = pa.table({name: columns[name] for name in ACCEPTED.names}).cast(ACCEPTED)
    return table.filter(pc.is_in(table["origin"], value_set=pa.array([str(each) for each in origins])))


def _matching(table: Any, key: str, wanted: Any) -> Any:
    """The rows of a table whose key is that of each of the wanted."""
    return table.take(pc.index_in(wanted, value_set=table[key].combine_chunks()))


def _made_by(makers: Makers | None, count: int) -> dict[str, Any]:
    if makers is None:
        return {name: pa.nulls(count, pa.string()) for name in MAKERS}
    values = (
        makers.proposer.name,
        makers.proposer.revision,
        makers.labeller.name,
        makers.labeller.revision,
        makers.prompts,
    )
    return {name: pa.repeat(value, count) for name, value in zip(MAKERS, values, strict=True)}
