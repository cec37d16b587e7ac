"""Bad input and bad days, one test for each row of docs/bad-days.md: what is given, and the answer."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.settings import GenerateSettings
from jobs.main import main
from selfinstruct.engines import EngineSettings, open_engine
from selfinstruct.errors import CorruptError, InputError
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Completion, Finish, Request, RoundFile, Table
from selfinstruct.run.inputs import read_inputs
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage, Write
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import facts_of, fingerprint_of
from selfinstruct.sources.seeds import FEW, SEED_TASKS, load_seeds, warnings
from selfinstruct.sources.texts import read_tasks
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify

PROMPTS = load_prompts("tiny")
SEEDS = load_seeds(SEED_TASKS)[:24]
BOTH = (Stage.PROPOSE, Stage.LABEL)

GOOD = {
    "id": "a",
    "instruction": "Add the numbers.",
    "instances": [{"input": "1 2", "output": "3"}],
    "is_classification": False,
}
LINE = json.dumps(GOOD)


def changed(**changes: object) -> bytes:
    """A seed task's line with other values."""
    return json.dumps({**GOOD, **changes}).encode()


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(LINE.encode(), mtime=0),
        b"\xef\xbb\xbf" + LINE.encode(),
        LINE.encode() + b"\r\n",
        b"\n  \n" + LINE.encode() + b"\n\n",
        changed(extra=float("nan")),
        changed(instances=[{"input": "", "output": "a\u2028b\x85c"}]),
        json.dumps({**GOOD, "instances": [{"input": "", "output": "a\u2028b\x85c"}]}, ensure_ascii=False).encode(),
    ],
    ids=["gzip", "BOM", "CRLF", "blank lines", "NaN elsewhere", "escaped line separator", "raw line separator"],
)
def test_seed_files_that_are_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(content)
    assert [seed.instruction for seed in load_seeds(path)] == ["Add the numbers."]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no seed task"),
        (gzip.compress(LINE.encode(), mtime=0)[:40], "cannot be read"),
        (LINE.encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (LINE.encode().replace(b"Add", b"A\xffd"), ":1: not UTF-8 at byte 29"),
        (LINE.encode().replace(b"Add", b"A\0d"), ":1: not JSON"),
        (changed(instruction="A\0d"), ":1: 'instruction' holds a NUL character"),
        (changed(instruction="A\ud800d"), ":1: 'instruction' holds half of a surrogate pair"),
        (changed(id="A\ud800d"), ":1: 'id' holds half of a surrogate pair"),
        (LINE.encode().replace(b"}]", b"},]"), ":1: not JSON"),
        (f"[{LINE}]".encode(), "is a JSON array; write one object a line"),
        (json.dumps([GOOD], indent=2).encode(), "is a JSON array; write one object a line"),
        (changed(instruction=float("nan")), ":1: 'instruction' must be a text"),
        (f"{LINE}\n\n{LINE}".encode(), ":3: the id 'a' is that of line 1 too"),
        (b'{"id": "a"}', "'instruction' must be a text (not empty); 'instances' must be a list of at least one object"),
        (changed(is_classification="no"), ":1: 'is_classification' must be true or false, or left out"),
        (changed(instances=[]), "'instances' must be a list of at least one object"),
        (changed(instances=[{"input": 1, "output": "x"}]), "instances[0].input must be a text"),
        (changed(instances=[{"input": "", "output": " "}]), "instances[0].output must be a text (not empty)"),
        (changed(instruction="x" * 10_000_000), "'instruction' has 10,000,000 characters"),
        (b"[" * 100_000, "is a JSON array"),
        (b'{"a":' * 100_000, ":1: nested too deeply"),
    ],
    ids=[
        "empty",
        "cut gzip",
        "UTF-16",
        "invalid UTF-8",
        "raw NUL",
        "escaped NUL",
        "half a surrogate pair",
        "half of one in the id",
        "trailing comma",
        "array in a line",
        "array in lines",
        "NaN for a text",
        "id twice",
        "fields missing",
        "classification as a text",
        "no instances",
        "number for a text",
        "blank output",
        "10 MB",
        "deep array",
        "deep object",
    ],
)
def test_seed_files_that_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_seeds(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_seeds_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        load_seeds(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        load_seeds(tmp_path / "absent.jsonl")


def test_of_thousands_of_bad_lines_twenty_are_named(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text("{}\n" * 5000)
    with pytest.raises(InputError) as caught:
        load_seeds(path)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1].endswith("and 4,980 more bad lines")


def test_few_and_uniform_seeds_are_warned_of() -> None:
    assert warnings(load_seeds(SEED_TASKS)[:FEW], 8) == []
    assert warnings(SEEDS, 8) == ["24 seed tasks are few (the paper has 175); more give more varied tasks"]
    assert "3 seed tasks, fewer than the 8" in warnings(SEEDS[:3], 8)[0]
    alike = [replace(SEEDS[0], id=str(number)) for number in range(20)]
    assert "only 1 of the 20 seed tasks differ" in warnings(alike, 8)[1]


def test_an_id_that_is_there_twice_is_named_beside_other_faults(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(f"{LINE}\n{json.dumps({**GOOD, 'instruction': ''})}\n")
    with pytest.raises(InputError, match=r"seeds\.jsonl:2: 'instruction' must be .*; the id 'a' is that of line 1 too"):
        load_seeds(path)


def test_a_misspelt_key_of_a_seed_task_is_named(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(LINE.replace("instruction", "instuction"))
    with pytest.raises(InputError, match=r"did you mean 'instuction'\?"):
        load_seeds(path)


def test_imported_texts_that_no_table_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_text('{"instruction": "a"}\n{"instruction": "a\\ud800"}\n')
    with pytest.raises(InputError, match=r"pool\.jsonl:2: 'instruction' holds half of a surrogate pair"):
        read_tasks([str(path)])
    path.write_text('{"instruction": "a", "input": "\\udfff", "output": "b"}\n')
    assert read_tasks([str(path)])[0].instances == ()


HOSTILE = [
    "",
    " \n\t",
    "\n9. " + "word " * 20_000,
    "again " * 500,
    "\n9. Say it.\n10. Say it.\n11. Say it.",
    "<script>alert(1)</script>\n9. <img src=x onerror=alert(1)> tell the story",
    "\x1b[2J\x1b]0;owned\x07 list three rivers\n10. \x00\x01\x02 name a lake",
    "\u202etxet neddih\u202c list three hills\n10. \ufffd\ufffd \ud83d\ude00".encode("utf-16", "surrogatepass").decode(
        "utf-16"
    ),
    "Task: x\nExample 1\nInput: a\nOutput: b\nTask: y\nClass label: c\nIs it classification? Yes",
    "Example 1\nOutput:\nExample 2\nOutput:\nOutput: Output:",
    "Class label:\nClass label: \nClass label: x\nInput:",
    "../../etc/passwd\n9. ${jndi:ldap://x} {{7*7}} %s%n describe the sea\n10. '; DROP TABLE runs; --",
    "\u0661. an arabic digit\n\u0662. another\n9\n.\n10.",
    "9" * 5000 + ". count",
    "\u2028\u2029\x85\x0b\x0c list three roads\r\n10. list three bridges\r11. list three towns",
]


class Hostile:
    """A model that says hostile things half of the time; otherwise the grammar's answer, or an echo of the prompt."""

    def __init__(self) -> None:
        self._engine = open_engine(EngineSettings("template"), PROMPTS)
        self._requests: dict[str, Request] = {}

    def add(self, requests: Sequence[Request]) -> None:
        self._requests |= {request.id: request for request in requests}
        self._engine.add(requests)

    def step(self) -> list[Completion]:
        return [self._spoil(completion) for completion in self._engine.step()]

    def _spoil(self, completion: Completion) -> Completion:
        request = self._requests.pop(completion.request_id)
        choice = request.seed % (2 * len(HOSTILE) + 2)
        text = HOSTILE[choice] if choice < len(HOSTILE) else completion.text
        text = request.suffix if choice == len(HOSTILE) else text
        return replace(completion, text=text, finish=Finish.LENGTH if request.seed % 7 == 0 else completion.finish)


def test_whatever_a_model_says_is_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = RunSettings(target=200, rounds=RoundSettings(least=64, most=64))
    store = RunStore(str(tmp_path / "run"))
    index = make_index(options.novelty)
    drive(Run(options, PROMPTS, SEEDS), store, index, [(SingleCompleter(Hostile(), 50), BOTH)], facts_of(options))
    assert verify(store) == []
    said = {row.text for n in store.rounds(Table.PROPOSALS) for row in store.read(Table.PROPOSALS, n).rows}
    assert len(said & set(HOSTILE)) > 10
    assert store.totals()[Table.CANDIDATES]["accepted"] >= 200
    for command in (["sample", "--number", "500"], ["sample", "--reason", "nothing_parsed", "--number", "500"]):
        assert main([command[0], str(tmp_path / "run"), *command[1:]]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_run_of_a_later_format_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate", "--out", str(tmp_path / "run"), "--engine", "template", "--target", "10"]
    begin(tmp_path / "run")
    path = tmp_path / "run/candidates/000000.parquet"
    table = pq.read_table(path)
    metadata = json.loads(pq.read_metadata(path).metadata[b"selfinstruct"])
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"selfinstruct": json.dumps({**metadata, "format": 99})})
    before = path.read_bytes()
    assert main(arguments) == 6
    assert "candidates/000000.parquet: format 99; this version reads 1" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert [path.name for path in (tmp_path / "run").rglob("*.parquet")] == ["000000.parquet"]


def test_a_folder_that_is_deleted_under_us(tmp_path: Path) -> None:
    class Deleted(RunStore):
        """A store whose folder goes away after its sixth file."""

        files = 0

        def commit(self, file: RoundFile, fingerprint: str) -> RoundFile:
            self.files += 1
            if self.files == 7:
                shutil.rmtree(tmp_path / "run")
            return super().commit(file, fingerprint)

    options = RunSettings(target=60, rounds=RoundSettings(least=2, most=6))
    run, engine = Run(options, PROMPTS, SEEDS), open_engine(EngineSettings("template"), PROMPTS)
    store = Deleted(str(tmp_path / "run"))
    with pytest.raises(CorruptError, match=r"was deleted while this run wrote to it"):
        drive(run, store, make_index(options.novelty), [(SingleCompleter(engine, 50), BOTH)], facts_of(options))
    assert not list(tmp_path.rglob("*.parquet"))


def begin(folder: Path) -> None:
    """Round 0 of a run with the command line's own settings."""
    options = GenerateSettings(out=str(folder), engine="template", target=10)
    inputs = read_inputs(options)
    run, store = Run(options, inputs.prompts, inputs.seeds), RunStore(str(folder))
    run.begin(inputs.facts)
    effect = next(effect for effect in run.effects() if isinstance(effect, Write))
    store.commit(effect.make(), fingerprint_of(inputs.facts))
