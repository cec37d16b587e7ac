"""The grammar's words and families are data: whole, all of them used, and giving what they always gave."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import astuple
from itertools import chain

from selfinstruct.draws import Draws
from selfinstruct.engines.template import DIRT
from selfinstruct.tiny import dialect, grammar
from selfinstruct.tiny.families import MAKERS
from selfinstruct.tiny.heldout import held_out_tasks
from selfinstruct.tiny.words import DATA, tables

ENTRIES = {file: json.loads((DATA / f"{file}.json").read_bytes()) for file in ("families", "held_out")}


def test_rows_are_whole_and_different() -> None:
    columns = {name: len(table["columns"]) for name, table in json.loads((DATA / "tables.json").read_bytes()).items()}
    for name, rows in tables().items():
        assert {len(row) for row in rows} == {columns.get(name, 1)}, name
        assert all(cell == cell.strip() != "" for row in rows for cell in row), name
        assert len({row[0] for row in rows}) == len(rows) > 1, name


def test_no_table_is_in_both_files() -> None:
    phrases, wider = (json.loads((DATA / f"{file}.json").read_bytes()) for file in ("phrases", "tables"))
    assert not phrases.keys() & wider.keys()


def test_every_table_and_every_function_is_used() -> None:
    texts = json.dumps(ENTRIES) + " ".join(DIRT)
    named = {name[0].lower() + name[1:] for name in re.findall(r"\{(?:a )?([A-Za-z_]+)", texts)}
    assert tables().keys() - named == set()
    forms = [{"outputs"}, {"cases"}, {"shown", "labels"}, {"has_input"}]
    for entry in chain(*ENTRIES.values()):
        assert entry.keys() - {"name", "asks"} in forms, entry["name"]
    assert MAKERS.keys() == {entry["name"] for entry in ENTRIES["families"] if "has_input" in entry}


def test_samples_are_those_they_always_were() -> None:
    """What runs were made from, the embedded model learnt and the figures were measured on."""
    draws, digest = Draws("digest"), hashlib.sha256()
    for _ in range(3000):
        task, texts = grammar.sample(draws), grammar.sample_instructions(draws, 8)
        known = grammar.recognise(task.instruction)
        assert known is not None
        written = (
            dialect.numbered(texts),
            dialect.json_tasks(texts),
            dialect.yes_or_no(task.is_classification),
            dialect.input_first(task.instances),
            dialect.output_first(task.instances),
            dialect.json_task(task.is_classification, task.instances),
        )
        for part in (astuple(task), texts, known[0].name, sorted(known[1].items()), *written):
            digest.update(json.dumps(part).encode())
    assert digest.hexdigest()[:16] == "c5c5683ad7acfe03"


def test_held_out_tasks_are_those_they_always_were() -> None:
    digest = hashlib.sha256("".join(json.dumps(astuple(task)) for task in held_out_tasks(30)).encode())
    assert digest.hexdigest()[:16] == "7efa4b6a873ab4f6"


def test_importing_reads_no_words() -> None:
    program = (
        "import selfinstruct.engines.template, selfinstruct.tiny.heldout\n"
        "from selfinstruct.tiny import families, words\n"
        "assert not words.tables.cache_info().currsize, 'words'\n"
        "assert not families.families.cache_info().currsize, 'families'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
