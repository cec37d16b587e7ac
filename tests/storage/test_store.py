"""Rows come back as they went in, a file is committed once, and every kind of damage is found."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selfinstruct.errors import CorruptError, FailureError, HeldError, NewerError
from selfinstruct.records import (
    Candidate,
    Finish,
    InstanceRow,
    Kind,
    Label,
    Origin,
    Proposal,
    Reason,
    RoundFile,
    Row,
    Table,
)
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import facts_of, with_facts
from selfinstruct.storage.accounts import tally
from selfinstruct.storage.repair import doomed
from selfinstruct.storage.store import Metadata, RunStore
from selfinstruct.storage.tables import SCHEMAS, check_columns, content_digest, to_arrow, to_rows, with_columns
from selfinstruct.storage.verify import digest, verify

ROWS = {
    Table.PROPOSALS: Proposal,
    Table.CANDIDATES: Candidate,
    Table.LABELS: Label,
    Table.INSTANCES: InstanceRow,
}
int32 = st.integers(-(2**31), 2**31 - 1)
cells: dict[str, st.SearchStrategy[Any]] = {
    "round": int32,
    "position": st.none() | int32,
    "prompt_tokens": int32,
    "completion_tokens": int32,
    "rouge_l": st.none() | st.floats(allow_nan=False),
}


def rows_of(table: Table) -> st.SearchStrategy[tuple[Row, ...]]:
    fields = {field.name for field in dataclasses.fields(ROWS[table])}  # type: ignore[arg-type]
    row = st.builds(ROWS[table], **{name: cells[name] for name in fields & cells.keys()})
    return st.lists(row, max_size=5).map(tuple)


files = st.sampled_from(Table).flatmap(lambda table: st.tuples(st.just(table), rows_of(table)))


# a small run that is whole: 4 requests a round, the third of them cut, the fourth failed


def proposals(number: int) -> RoundFile:
    finishes = (Finish.STOP, Finish.STOP, Finish.LENGTH, Finish.FAILED)
    rows = [
        Proposal(
            f"{number:06d}/{i:05d}",
            number,
            "mix",
            ("seed/a", "seed/b"),
            "1. Ä\n\x00🙂",
            finish,
            100,
            10,
            None,
            ("ö", "")[i:],
        )
        for i, finish in enumerate(finishes)
    ]
    return RoundFile(Table.PROPOSALS, number, tuple(rows), {"least": 4, "why": ["a", None, 0.5]})


def candidates(number: int) -> RoundFile:
    if number == 0:
        return RoundFile(
            Table.CANDIDATES, 0, tuple(_given(f"seed/{i}", origin) for i, origin in enumerate(("seed", "imported")))
        )
    at = f"{number:06d}"
    rows = [
        Candidate(f"{at}/00000/00", number, f"{at}/00000", 0, Origin.MODEL, "Sing.", True, None, "seed/0", 0.25),
        Candidate(f"{at}/00000/01", number, f"{at}/00000", 1, Origin.MODEL, "Dance.", True, None, None, None),
        Candidate(f"{at}/00001/00", number, f"{at}/00001", 0, Origin.MODEL, "Hum.", False, Reason.SIMILAR, "seed/1", 1),
        Candidate(
            f"{at}/00002", number, f"{at}/00002", None, Origin.MODEL, "", False, Reason.CUT_BY_LENGTH, *2 * [None]
        ),
        Candidate(f"{at}/00003", number, f"{at}/00003", None, Origin.MODEL, "", False, Reason.FAILED, *2 * [None]),
    ]
    return RoundFile(Table.CANDIDATES, number, tuple(rows))


def _given(id_: str, origin: str) -> Candidate:
    return Candidate(id_, 0, None, None, Origin(origin), f"Do {id_}.", True, None, None, None)


def labels(number: int) -> RoundFile:
    at = f"{number:06d}/00000"
    rows = [
        Label(f"{at}/{i:02d}/{kind}", number, f"{at}/{i:02d}", kind, "text", finish, 50, 5, error)
        for i, kind, finish, error in (
            (0, Kind.CLASSIFY, Finish.STOP, None),
            (0, Kind.OUTPUT_FIRST, Finish.STOP, None),
            (1, Kind.CLASSIFY, Finish.LENGTH, None),
            (1, Kind.INPUT_FIRST, Finish.FAILED, "too long"),
        )
    ]
    return RoundFile(Table.LABELS, number, tuple(rows))


def instances(number: int) -> RoundFile:
    if number == 0:
        rows = [
            InstanceRow(f"seed/{i}/0", 0, f"seed/{i}", "Do.", i == 0, "", "Done", True, None, Origin.SEED)
            for i in range(2)
        ]
        return RoundFile(Table.INSTANCES, 0, tuple(rows))
    at = f"{number:06d}/00000"
    rows = [
        InstanceRow(f"{at}/00/0", number, f"{at}/00", "Sing.", True, "", "la", True, None, Origin.MODEL),
        InstanceRow(f"{at}/00/1", number, f"{at}/00", "Sing.", True, "loud", "LA", True, None, Origin.MODEL),
        InstanceRow(f"{at}/01", number, f"{at}/01", "Dance.", None, "", "", False, Reason.FAILED, None),
    ]
    return RoundFile(Table.INSTANCES, number, tuple(rows))


MAKERS = {
    Table.CANDIDATES: candidates,
    Table.PROPOSALS: proposals,
    Table.LABELS: labels,
    Table.INSTANCES: instances,
}


def fill(url: str, rounds: int = 3, fingerprint: str = "settings") -> RunStore:
    store = RunStore(url)
    order = (Table.PROPOSALS, Table.CANDIDATES, Table.LABELS, Table.INSTANCES)
    for number in range(rounds + 1):
        for table in order if number else (Table.CANDIDATES, Table.INSTANCES):
            store.commit(MAKERS[table](number), fingerprint)
    return store


def changed(row: Row, **cells: Any) -> Row:
    return dataclasses.replace(row, **cells)


def rewrite(
    path: Path, change: Callable[[Any], Any] = lambda rows: rows, metadata: Mapping[str, Any] | None = None, **how: Any
) -> None:
    """Replace a file by another one with the same metadata, but for the changes."""
    with pq.ParquetFile(path) as file:
        rows, said = file.read(), json.loads(file.metadata.metadata[b"selfinstruct"])
    said = json.dumps({**said, **(metadata or {})})
    pq.write_table(change(rows).replace_schema_metadata({"selfinstruct": said}), path, **how)


@settings(deadline=None)
@given(files)
def test_rows_survive_arrow(file: tuple[Table, tuple[Row, ...]]) -> None:
    table, rows = file
    assert to_rows(table, to_arrow(table, rows)) == rows


@settings(max_examples=40, deadline=None)
@given(files)
def test_rows_survive_a_file(file: tuple[Table, tuple[Row, ...]]) -> None:
    table, rows = file
    sink = pa.BufferOutputStream()
    arrow = to_arrow(table, rows)
    pq.write_table(arrow, sink, compression="none", use_dictionary=False, row_group_size=2)
    back = pq.read_table(pa.BufferReader(sink.getvalue()))
    assert to_rows(table, back) == rows
    assert content_digest(back) == content_digest(arrow)


@pytest.mark.parametrize("table", Table)
def test_columns_are_the_fields(table: Table) -> None:
    assert SCHEMAS[table].names == [field.name for field in dataclasses.fields(ROWS[table])]  # type: ignore[arg-type]


def test_fields_become_columns_of_their_types() -> None:
    schema = SCHEMAS[Table.CANDIDATES]
    assert [schema.field(name) for name in ("round", "position", "reason", "accepted", "rouge_l")] == [
        pa.field("round", pa.int32(), nullable=False),
        pa.field("position", pa.int32()),
        pa.field("reason", pa.string()),
        pa.field("accepted", pa.bool_(), nullable=False),
        pa.field("rouge_l", pa.float64()),
    ]
    demonstrations = pa.field("demonstrations", pa.list_(pa.string()), nullable=False)
    assert SCHEMAS[Table.PROPOSALS].field("demonstrations") == demonstrations
    assert SCHEMAS[Table.PROPOSALS].field("sources") == pa.field("sources", pa.list_(pa.string()))


@pytest.mark.parametrize("table", Table)
def test_a_column_that_was_added_is_null_in_older_files(table: Table) -> None:
    for field in dataclasses.fields(ROWS[table]):  # type: ignore[arg-type]
        assert field.default in (dataclasses.MISSING, None)
        assert field.default is dataclasses.MISSING or SCHEMAS[table].field(field.name).nullable


@settings(deadline=None)
@given(files)
def test_rows_of_an_older_file_have_none_in_later_columns(file: tuple[Table, tuple[Row, ...]]) -> None:
    table, rows = file
    older = to_arrow(table, rows).select(SCHEMAS[table].names[: FIRST[table]])
    check_columns(table, older.schema)
    expected = tuple(changed(row, **dict.fromkeys(SCHEMAS[table].names[FIRST[table] :])) for row in rows)
    assert to_rows(table, older) == expected
    assert to_rows(table, with_columns(table, older, SCHEMAS[table].names)) == expected


def test_a_none_where_none_belongs_is_refused() -> None:
    row = changed(candidates(1).rows[0], text=None)
    with pytest.raises(ValueError, match=r"candidates\.text"):
        to_arrow(Table.CANDIDATES, (row,))


@settings(max_examples=100, deadline=None)
@given(files, st.data())
def test_any_changed_cell_changes_the_digest(file: tuple[Table, tuple[Row, ...]], data: st.DataObject) -> None:
    table, rows = file
    other = data.draw(rows_of(table))
    same = [repr(row) for row in rows] == [repr(row) for row in other]  # repr: 0.0 and -0.0 differ
    assert (content_digest(to_arrow(table, rows)) == content_digest(to_arrow(table, other))) == same
    for at, row in enumerate(rows):
        for field in dataclasses.fields(row):
            value = data.draw(st.sampled_from([getattr(r, field.name) for r in (*other, *rows)]))
            if repr(value) != repr(getattr(row, field.name)):
                swapped = (*rows[:at], changed(row, **{field.name: value}), *rows[at + 1 :])
                assert content_digest(to_arrow(table, swapped)) != content_digest(to_arrow(table, rows))


def test_the_digest_sees_where_cells_end_and_what_is_null() -> None:
    a = pa.table({"t": pa.array(["ab", "", None], pa.string())})
    b = pa.table({"t": pa.array(["a", "b", None], pa.string())})
    c = pa.table({"t": pa.array(["ab", None, ""], pa.string())})
    assert len({content_digest(table) for table in (a, b, c)}) == 3
    chunks = pa.chunked_array([["x", "ab"], ["", None, "y"]], pa.string())
    assert content_digest(pa.table({"t": chunks}).slice(1, 3)) == content_digest(a)


FIRST = {Table.PROPOSALS: 9, Table.CANDIDATES: 10, Table.LABELS: 9, Table.INSTANCES: 9}
"""Columns that the tables had from the beginning."""

PINNED = {
    Table.PROPOSALS: "f6b750e091c772bb643d0aa14a8039a8bee7a3fca27aa968edaece6e8905f90e",
    Table.CANDIDATES: "549635065caf936dbea5cf4313a4d794cc281415b2b821441c3942cc93483941",
    Table.LABELS: "69ab07d8465b049206f4ab8c053c75b1125661638968089e9742acde301d8069",
    Table.INSTANCES: "861b5e66c91d2406faddc263d6954f12c9c7df57ad820ff6005e05b06dd4e152",
}

PINNED_NOW = {
    Table.CANDIDATES: "905c83d7875eb25c34bc123037cea511b793815c86fcb4fcb8acf24a18675a2a",
    Table.PROPOSALS: "8c3c5b640b58fea8cd61ccb3a50035c85026d77f834a91468a78ce91302cacda",
    Table.INSTANCES: "56857883a0656de92d4094952023557f49d0a08fa257933c3dd0fae76c6cabe9",
}
"""Of those that have got columns since."""


@pytest.mark.parametrize("table", Table)
def test_the_digest_is_pinned(table: Table) -> None:
    """Digests are written into files and compared between machines: where this changes, `FORMAT` must."""
    rows = to_arrow(table, MAKERS[table](1).rows)
    assert content_digest(rows.select(rows.column_names[: FIRST[table]])) == PINNED[table]
    assert content_digest(rows) == PINNED_NOW.get(table, PINNED[table])


@pytest.mark.parametrize("place", ["local", "s3"])
def test_a_run_comes_back(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("bucket") if place == "s3" else str(tmp_path)
    fill(url)
    store = RunStore(url)
    assert [len(store.rounds(table)) for table in Table] == [3, 4, 3, 4]
    for table in Table:
        for number in store.rounds(table):
            assert store.read(table, number) == MAKERS[table](number)
    assert verify(store) == []
    texts = store.read_columns(Table.CANDIDATES, 2, ["text", "id"], accepted_only=True)
    assert texts.to_pydict() == {"text": ["Sing.", "Dance."], "id": ["000002/00000/00", "000002/00000/01"]}
    assert store.read_columns(Table.CANDIDATES, 2, ["accepted"], accepted_only=True).num_rows == 2
    assert store.read_columns(Table.LABELS, 2, ["error"])["error"].to_pylist() == [None, None, None, "too long"]


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "absent"))
    assert [list(store.rounds(table)) for table in Table] == [[]] * 4
    assert verify(store) == []
    assert not any(store.totals().values())
    with pytest.raises(CorruptError, match=r"absent/labels/000001\.parquet: is missing"):
        store.read(Table.LABELS, 1)


def test_totals_are_the_sums_of_the_tallies(tmp_path: Path) -> None:
    totals = fill(str(tmp_path)).totals()
    for table in Table:
        parts = [tally(MAKERS[table](number)) for number in range(4) if (table, number) not in EMPTY]
        assert totals[table] == sum(parts, Counter())
    assert totals[Table.PROPOSALS] == {
        "requests": 12,
        "requests.failed": 3,
        "requests.cut_by_length": 3,
        "tokens.prompt": 1200,
        "tokens.completion": 120,
    }
    assert totals[Table.CANDIDATES] == {
        "accepted": 6,
        "accepted.seed": 1,
        "accepted.imported": 1,
        "rejected.similar": 3,
        "rejected.cut_by_length": 3,
        "rejected.failed": 3,
    }
    assert totals[Table.LABELS] == {
        "classify.requests": 6,
        "classify.cut_by_length": 3,
        "output_first.requests": 3,
        "input_first.requests": 3,
        "input_first.failed": 3,
        "tokens.prompt": 600,
        "tokens.completion": 60,
    }
    assert totals[Table.INSTANCES] == {
        "instances.seed": 2,
        "instances.accepted": 6,
        "instances.empty_input": 3,
        "instances.rejected.failed": 3,
        "classification": 3,
    }


EMPTY = {(Table.PROPOSALS, 0), (Table.LABELS, 0)}


def test_the_metadata_chains_the_files(tmp_path: Path) -> None:
    store = fill(str(tmp_path))
    later = RunStore(str(tmp_path))  # knows no digests, and reads what it needs
    later.commit(proposals(4), "settings")
    later.commit(candidates(4), "settings")
    said = store.metadata(Table.CANDIDATES, 4)
    assert (said.table, said.round, said.fingerprint, said.writer) == (Table.CANDIDATES, 4, "settings", later.writer)
    assert verify(store) == []
    assert store.metadata(Table.CANDIDATES, 0).previous is None
    assert store.metadata(Table.CANDIDATES, 0).source is None
    assert store.metadata(Table.PROPOSALS, 1).previous is None
    assert store.metadata(Table.PROPOSALS, 1).source == store.metadata(Table.CANDIDATES, 1).previous


# two drivers


@pytest.mark.parametrize("place", ["local", "s3"])
def test_of_two_drivers_exactly_one_goes_on(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("bucket") if place == "s3" else str(tmp_path)
    one, two = RunStore(url), RunStore(url, "two")
    one.commit(candidates(0), "settings")
    theirs = dataclasses.replace(candidates(0), rows=candidates(0).rows[:1], notes={"mine": True})
    assert two.commit(theirs, "settings") == candidates(0)  # adopted
    two.commit(proposals(1), "settings")
    with pytest.raises(HeldError, match=r"proposals/000001\.parquet: driver two \(host .*process \d+\)"):
        one.commit(proposals(1), "settings")
    two.commit(candidates(1), "settings")
    assert one.commit(candidates(1), "settings") == candidates(1)
    assert verify(one) == []


def test_a_repeated_commit_is_the_first_one(tmp_path: Path) -> None:
    store = fill(str(tmp_path))
    assert store.commit(proposals(3), "settings") == proposals(3)
    assert verify(store) == []


def test_a_file_made_with_other_settings_is_not_adopted(tmp_path: Path) -> None:
    fill(str(tmp_path))
    with pytest.raises(CorruptError, match=r"candidates/000003\.parquet: driver .* other options"):
        RunStore(str(tmp_path)).commit(candidates(3), "other settings")


def test_a_file_that_vanishes_is_put_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(str(tmp_path))
    put, answers = store.blobs.put, iter([False, False])
    monkeypatch.setattr(store.blobs, "put", lambda *key: next(answers, None) is None and put(*key))
    store.commit(candidates(0), "settings")
    assert store.read(Table.CANDIDATES, 0) == candidates(0)


def test_a_file_that_exists_but_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(str(tmp_path))
    monkeypatch.setattr(store.blobs, "put", lambda *_: False)
    with pytest.raises(FailureError, match=r"candidates/000000\.parquet: the store says that it exists"):
        store.commit(candidates(0), "settings")


def test_commits_need_what_goes_before(tmp_path: Path) -> None:
    store = fill(str(tmp_path), 1)
    with pytest.raises(CorruptError, match=r"labels/000002\.parquet: is missing"):
        store.commit(instances(2), "settings")
    with pytest.raises(CorruptError, match=r"proposals/000002\.parquet: is missing"):
        store.commit(proposals(3), "settings")


# damage


def test_reading_names_the_torn_file(tmp_path: Path) -> None:
    store = fill(str(tmp_path))
    path = tmp_path / "candidates/000002.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    for ask in (
        lambda: store.read(Table.CANDIDATES, 2),
        lambda: store.read_columns(Table.CANDIDATES, 2, ["text"]),
        lambda: store.metadata(Table.CANDIDATES, 2),
    ):
        with pytest.raises(CorruptError, match=r"candidates/000002\.parquet: ") as caught:
            ask()
        assert len(str(caught.value).splitlines()) == 1


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = [field.name for field in dataclasses.fields(Metadata)]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([*KEYS, "facts"]), ANY_JSON)
@example("fingerprint", "another")  # then the file after it is the foreign one
def test_whatever_a_footer_says_is_read_or_named(key: str, value: Any) -> None:
    said = {"notes": {key: value}} if key == "facts" else {key: value}
    with tempfile.TemporaryDirectory() as folder:
        store = fill(folder, 0)
        rewrite(Path(folder, "candidates/000000.parquet"), metadata=said)
        problems = verify(store)
        for ask in (store.totals, lambda: dict(store.metadata(Table.CANDIDATES, 0).facts), lambda: digest(store)):
            with contextlib.suppress(CorruptError):
                ask()
    files = ("candidates/000000.parquet: ", "instances/000000.parquet: ")
    assert all(problem.startswith(files) for problem in problems)
    assert all(len(problem.splitlines()) == 1 for problem in problems)


def test_a_fact_of_another_kind_is_named() -> None:
    facts = facts_of(RunSettings())
    assert with_facts(RunSettings(), facts) == RunSettings()
    for key, wrong in {"novelty.threshold": "x", "novelty.bands": None, "check_pool": 1, "screen.banned": "a"}.items():
        with pytest.raises(CorruptError, match=f"candidates/000000.parquet: its '{key}' is "):
            with_facts(RunSettings(), {**facts, key: wrong})


def test_a_store_that_fails_is_not_a_torn_file(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fill(bucket, 1)

    def fails(*_: object) -> bytes:
        raise FailureError("no answer")

    monkeypatch.setattr(store.blobs, "part", fails)
    with pytest.raises(FailureError, match="no answer"):
        store.read_columns(Table.CANDIDATES, 1, ["text"])


def test_holes_are_named(tmp_path: Path) -> None:
    store = fill(str(tmp_path))
    (tmp_path / "candidates/000001.parquet").unlink()
    with pytest.raises(CorruptError, match=r"candidates/000001\.parquet: is missing"):
        store.rounds(Table.CANDIDATES)
    (tmp_path / "proposals/000001.parquet").rename(tmp_path / "proposals/000000.parquet")
    with pytest.raises(CorruptError, match=r"proposals/000000\.parquet: no such round"):
        store.rounds(Table.PROPOSALS)


def test_verify_finds_any_flipped_bit(tmp_path: Path) -> None:
    """In a file with a successor all of them; in a newest one those that touch rows, counts or the file's form."""
    store, draws = fill(str(tmp_path)), random.Random(0)
    for name in ("candidates/000002.parquet", "instances/000003.parquet"):
        path = tmp_path / name
        whole = path.read_bytes()
        for _ in range(60):
            torn = bytearray(whole)
            torn[draws.randrange(len(torn))] ^= 1 << draws.randrange(8)
            path.write_bytes(torn)
            if not any(name in problem for problem in verify(store)):
                assert name == "instances/000003.parquet"
                assert store.read(Table.INSTANCES, 3).rows == instances(3).rows
        path.write_bytes(whole)
    assert verify(store) == []


def _altered(rows: Any) -> Any:
    text = pa.array(["Sang.", *rows["text"].to_pylist()[1:]])
    return rows.set_column(rows.schema.get_field_index("text"), rows.schema.field("text"), text)


DAMAGE: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "torn": (lambda run: _cut(run / "labels/000002.parquet"), ["labels/000002.parquet: torn"]),
    "empty": (lambda run: (run / "labels/000003.parquet").write_bytes(b""), ["labels/000003.parquet: torn"]),
    "missing": (
        lambda run: (run / "candidates/000002.parquet").unlink(),
        ["candidates/000002.parquet: missing"],
    ),
    "missing source of the newest": (
        lambda run: (run / "proposals/000003.parquet").unlink(),
        ["proposals/000003.parquet: missing"],
    ),
    "foreign name": (
        lambda run: (run / "labels/notes.txt").touch(),
        ["labels/notes.txt: foreign"],
    ),
    "foreign round": (
        lambda run: shutil.copy(run / "labels/000001.parquet", run / "labels/000000.parquet"),
        ["labels/000000.parquet: foreign"],
    ),
    "swapped": (
        lambda run: _swap(run / "candidates/000001.parquet", run / "candidates/000002.parquet"),
        ["candidates/000001.parquet: .*says that it is", "candidates/000002.parquet: .*says that it is"],
    ),
    "of another table": (
        lambda run: shutil.copy(run / "labels/000003.parquet", run / "proposals/000003.parquet"),
        ["proposals/000003.parquet: .*says that it is labels/000003"],
    ),
    "not ours": (
        lambda run: pq.write_table(pa.table({"a": [1]}), run / "instances/000003.parquet"),
        ["instances/000003.parquet: .*not written by this program"],
    ),
    "altered rows": (
        lambda run: rewrite(run / "candidates/000003.parquet", _altered),
        ["candidates/000003.parquet: .*not those that were written"],
    ),
    "altered columns": (
        lambda run: rewrite(run / "candidates/000003.parquet", lambda rows: rows.drop_columns(["rouge_l"])),
        ["candidates/000003.parquet: .*columns"],
    ),
    "altered bytes only": (
        lambda run: rewrite(run / "candidates/000002.parquet"),
        [
            "candidates/000003.parquet: candidates/000002.parquet was altered",
            "labels/000002.parquet: candidates/000002",
        ],
    ),
    "counts": (
        lambda run: rewrite(run / "instances/000003.parquet", metadata={"counts": {"instances.accepted": 9}}),
        ["instances/000003.parquet: its counts"],
    ),
    "totals": (
        lambda run: rewrite(run / "instances/000003.parquet", metadata={"total": {"instances.accepted": 9}}),
        ["instances/000003.parquet: its total"],
    ),
    "fingerprint": (
        lambda run: rewrite(run / "instances/000003.parquet", metadata={"fingerprint": "other"}),
        ["instances/000003.parquet: foreign, its fingerprint"],
    ),
    "format": (
        lambda run: rewrite(run / "instances/000003.parquet", metadata={"format": 2}),
        ["instances/000003.parquet: newer than this program: format 2.*upgrade"],
    ),
    "column of a later version": (
        lambda run: rewrite(run / "labels/000003.parquet", _with_mood),
        [r"labels/000003.parquet: newer than this program: has columns .* \(mood\); .*upgrade"],
    ),
    "value of a later version": (
        lambda run: rewrite(run / "labels/000003.parquet", *_asked_anew(run)),
        [r"labels/000003.parquet: newer than this program: kind has values .*'anew'.*upgrade"],
    ),
    "key of a later version": (
        lambda run: rewrite(run / "labels/000003.parquet", metadata={"mood": 1}),
        [r"labels/000003.parquet: newer than this program: its metadata .* \(mood\); .*upgrade"],
    ),
    "chain": (
        lambda run: rewrite(run / "instances/000003.parquet", metadata={"previous": None}),
        ["instances/000003.parquet: foreign, it does not say"],
    ),
}


def _with_mood(rows: Any) -> Any:
    return rows.append_column("mood", pa.array(["calm"] * len(rows)))


def _asked_anew(run: Path) -> tuple[Callable[[Any], Any], dict[str, str]]:
    """A kind of request that there is not, and the digest of rows that have it."""

    def change(rows: Any) -> Any:
        at = rows.schema.get_field_index("kind")
        return rows.set_column(at, rows.schema.field("kind"), pa.array(["anew"] * len(rows)))

    rows = pq.read_table(run / "labels/000003.parquet")
    return change, {"content": content_digest(change(rows.replace_schema_metadata(None)))}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _swap(one: Path, two: Path) -> None:
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)


@pytest.mark.parametrize("kind", DAMAGE)
def test_verify_finds(kind: str, tmp_path: Path) -> None:
    store = fill(str(tmp_path))
    damage, expected = DAMAGE[kind]
    damage(tmp_path)
    found = "\n".join(verify(store))
    for problem in expected:
        assert re.search(f"(?m)^{problem}", found), found


NEWER = [kind for kind in DAMAGE if kind == "format" or kind.endswith("later version")]


@pytest.mark.parametrize("kind", NEWER)
def test_what_is_newer_is_refused_and_not_repaired(kind: str, tmp_path: Path) -> None:
    store = fill(str(tmp_path))
    DAMAGE[kind][0](tmp_path)
    table = Table.INSTANCES if kind == "format" else Table.LABELS
    with pytest.raises(NewerError, match=rf"{table}/000003\.parquet: .*upgrade"):
        store.read(table, 3)
    if kind != "value of a later version":  # which footers do not show
        with pytest.raises(NewerError, match="upgrade"):
            store.totals()
        with pytest.raises(NewerError, match="upgrade"):
            store.read_columns(table, 3, ["id" if table is Table.INSTANCES else "text"])
    with pytest.raises(NewerError, match="upgrade"):
        doomed(store, None)


@pytest.mark.parametrize(
    ("table", "keep", "expected"),
    [
        (Table.CANDIDATES, slice(0, 3), "candidates/000002.parquet: lacks requests of proposals/000002.parquet (2"),
        (Table.PROPOSALS, slice(0, 3), "candidates/000002.parquet: has requests that are not in proposals"),
        (Table.INSTANCES, slice(0, 2), "instances/000002.parquet: lacks accepted instructions of candidates"),
        (
            Table.CANDIDATES,
            slice(1, 5),
            "instances/000002.parquet: has accepted instructions that are not in candidates",
        ),
    ],
)
def test_verify_closes_the_accounts(table: Table, keep: slice, expected: str, tmp_path: Path) -> None:
    store = fill(str(tmp_path), 1)
    for made in (proposals(2), candidates(2), labels(2), instances(2)):
        store.commit(dataclasses.replace(made, rows=made.rows[keep]) if made.table is table else made, "settings")
    assert any(problem.startswith(expected) for problem in verify(store))


def test_verify_finds_doubled_rows_and_rows_of_other_rounds(tmp_path: Path) -> None:
    store = fill(str(tmp_path), 0)
    first, second = proposals(1).rows[:2]
    store.commit(RoundFile(Table.PROPOSALS, 1, (first, first, changed(second, round=7))), "settings")
    assert verify(store) == [
        "proposals/000001.parquet: foreign, it has rows of another round",
        "proposals/000001.parquet: 1 ids occur more than once, 000001/00000 for one",
    ]


def test_the_digest_of_a_run_is_that_of_its_content(tmp_path: Path) -> None:
    store = fill(str(tmp_path / "one"))
    known = digest(store)
    assert digest(fill(str(tmp_path / "two"), fingerprint="other")) == known
    for number, how in enumerate(({"compression": "gzip"}, {"use_dictionary": False}, {"row_group_size": 1}), 1):
        rewrite(tmp_path / f"one/candidates/00000{number}.parquet", **how)
    assert digest(store) == known
    assert digest(fill(str(tmp_path / "three"), 2)) != known


# other readers


def test_plain_pyarrow_reads_a_table(tmp_path: Path) -> None:
    fill(str(tmp_path))
    assert pq.read_table(tmp_path / "candidates").num_rows == 17
    one = pq.read_table(tmp_path / "proposals/000001.parquet")
    assert one["demonstrations"].to_pylist() == [["seed/a", "seed/b"]] * 4


def test_datasets_reads_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    fill(str(tmp_path / "run"))
    for table in Table:
        paths = [str(path) for path in sorted((tmp_path / "run" / table).iterdir())]
        loaded = datasets.load_dataset("parquet", data_files=paths, cache_dir=str(tmp_path / "cache"), split="train")
        assert loaded.column_names == SCHEMAS[table].names
        expected = [row for number in range(4) if (table, number) not in EMPTY for row in MAKERS[table](number).rows]
        assert to_rows(table, loaded.with_format("arrow")[:]) == tuple(expected)
