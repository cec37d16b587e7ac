"""A run as a dataset: opened by the tools that it is made for, and traced back to the run."""

from __future__ import annotations

import base64
import filecmp
import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard

from jobs.main import main
from selfinstruct.engines import EngineSettings, identify
from selfinstruct.export import shuffle
from selfinstruct.export.dataset import export
from selfinstruct.export.settings import DatasetSettings
from selfinstruct.records import Origin, Table
from selfinstruct.storage.store import RunStore
from selfinstruct.tiny import MODEL
from tests.tools.runs import make_run

SPLITS = ("train", "validation")
STAGES = ("proposer", "labeller")
CONFIGS = ("prompt_completion", "messages", "conversations", "alpaca", "default")  # those that say where rows are from


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def folder(store: RunStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "tasks"
    assert main(["export", store.blobs.url, "--out", str(out), "--validation", "0.2"]) == 0
    return out


def load(folder: Path, config: str, split: str = "train") -> Any:
    return datasets.load_dataset(str(folder), config, split=split)


def accepted_rows(store: RunStore) -> dict[str, Any]:
    files = [store.read(Table.INSTANCES, number) for number in store.rounds(Table.INSTANCES) if number > 0]
    return {row.id: row for file in files for row in file.rows if row.accepted}


def test_every_accepted_instance_is_in_one_split_with_its_texts(store: RunStore, folder: Path) -> None:
    expected = accepted_rows(store)
    splits = {split: load(folder, "default", split) for split in ("train", "validation")}
    rows = [row for split in splits.values() for row in split]
    assert len(rows) == len(expected) > 100
    for row in rows:
        known = expected[row["id"]]
        assert (row["instruction"], row["input"], row["output"], row["is_classification"], row["round"]) == (
            known.instruction,
            known.input,
            known.output,
            known.is_classification,
            known.round,
        )
    train, validation = (set(split["instruction_id"]) for split in splits.values())
    assert not train & validation
    assert 0.1 < len(validation) / (len(train) + len(validation)) < 0.3
    assert list(splits["train"]["id"]) != sorted(splits["train"]["id"])


def test_rows_say_where_they_come_from(store: RunStore, folder: Path) -> None:
    rows = load(folder, "default")
    for row in rows:
        candidate = next(
            each for each in store.read(Table.CANDIDATES, row["round"]).rows if each.id == row["instruction_id"]
        )
        request = next(
            each for each in store.read(Table.PROPOSALS, row["round"]).rows if each.request_id == candidate.request_id
        )
        assert tuple(row["demonstrations"]) == request.demonstrations
        assert (row["nearest_id"], row["rouge_l"], row["origin"]) == (candidate.nearest_id, candidate.rouge_l, "model")
    facts = store.metadata(Table.CANDIDATES, 0).notes["facts"]
    assert rows.unique("proposer") == rows.unique("labeller") == ["selfinstruct-template"]
    assert rows.unique("proposer_revision") == [facts["proposer.grammar"]]
    assert rows.unique("prompts") == ["tiny"]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_all_forms_hold_the_same_rows_in_the_same_order(folder: Path, split: str) -> None:
    rows = load(folder, "default", split)
    for config in CONFIGS:
        assert load(folder, config, split)["id"] == rows["id"]
    lines = {form: (folder / form / split).glob("*.jsonl") for form in ("original", "openai")}
    original, openai = ([json.loads(line) for path in lines[form] for line in path.open()] for form in lines)
    assert load(folder, "original", split).to_list() == original
    forms = zip(original, openai, *(load(folder, config, split) for config in CONFIGS), strict=True)
    for plain, upload, completion, chat, shared, alpaca, row in forms:
        instruction, given, output = row["instruction"], row["input"], row["output"]
        assert plain == {"instruction": instruction, "input": given, "output": output}
        assert upload == {"messages": chat["messages"]}
        assert (alpaca["instruction"], alpaca["input"], alpaca["output"]) == (instruction, given, output)
        user, assistant = chat["messages"]
        assert user == {"role": "user", "content": f"{instruction}\n\n{given}" if given else instruction}
        assert assistant == {"role": "assistant", "content": output}
        human, gpt = shared["conversations"]
        assert human == {"from": "human", "value": user["content"]}
        assert gpt == {"from": "gpt", "value": output}
        middle = f"\n\nInput: {given}" if given else ""
        assert completion["prompt"] == f"Task: {instruction}{middle}\n\nOutput:"
        assert completion["completion"] == f" {output}"


@pytest.mark.parametrize("config", [*CONFIGS, "original"])
def test_the_card_s_figures_of_each_config_are_those_of_what_is_loaded(folder: Path, config: str) -> None:
    front = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    assert [each["config_name"] for each in front["configs"]] == [*CONFIGS, "original"]
    told = next(each for each in front["dataset_info"] if each["config_name"] == config)
    lies = folder / ("default" if config == "original" else config)
    files = {split: list(map(str, (lies / split).iterdir())) for split in SPLITS}
    found, loaded = (datasets.load_dataset(*of) for of in (("parquet", None, None, files), (str(folder), config)))
    assert {each["name"]: each["num_examples"] for each in told["splits"]} == {s: len(found[s]) for s in SPLITS}
    for each in told["splits"]:
        rows = found[each["name"]].select_columns(loaded[each["name"]].column_names)
        assert rows.to_list() == loaded[each["name"]].to_list()
        assert datasets.Features._from_yaml_list(told["features"]) == rows.features == loaded[each["name"]].features
        assert each["num_bytes"] == pytest.approx(rows.flatten_indices().data.nbytes, rel=0.02)
    assert told["dataset_size"] == sum(each["num_bytes"] for each in told["splits"])
    assert told["download_size"] == sum(os.path.getsize(path) for split in SPLITS for path in files[split])


def test_the_hub_is_told_who_wrote_it_and_in_which_language(store: RunStore, folder: Path, tmp_path: Path) -> None:
    front = DatasetCard.load(folder / "README.md").data
    assert (front.annotations_creators, front.language_creators) == (["machine-generated"], ["machine-generated"])
    assert (front.source_datasets, front.language) == (["original"], ["en"])
    command = ["export", store.blobs.url, "--out", str(tmp_path / "set"), "--language"]
    assert main([*command, "de", "--origins", "model", "seed"]) == 0
    front = DatasetCard.load(tmp_path / "set/README.md").data
    assert (front.language_creators, front.language) == (["machine-generated", "expert-generated"], ["de"])
    assert main([*command, "German"]) == 2


def test_parquet_is_cut_by_content_and_has_an_index_of_its_pages(folder: Path) -> None:
    for config in CONFIGS:
        metadata = pq.read_metadata(next((folder / config / "train").iterdir()))
        column = metadata.row_group(0).column(0)
        assert column.has_offset_index
        assert column.has_column_index
        assert json.loads(metadata.metadata[b"content_defined_chunking"]) == datasets.config.DEFAULT_CDC_OPTIONS


TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"


@pytest.mark.parametrize("config", ["messages", "prompt_completion"])
def test_trl_prepares_it_for_training(folder: Path, tmp_path: Path, config: str) -> None:
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tokenizer.chat_template = TEMPLATE
    rows = load(folder, config)
    options = SFTConfig(output_dir=str(tmp_path), report_to=[], max_length=None, use_cpu=True, bf16=False)
    trainer = SFTTrainer(str(MODEL), options, train_dataset=rows, processing_class=tokenizer)
    prepared = trainer.train_dataset
    assert len(prepared) == len(rows)
    for row, ready in zip(rows, prepared, strict=True):
        text = tokenizer.decode(ready["input_ids"])
        if config == "messages":
            assert all(turn["content"] in text for turn in row["messages"])
        else:
            learnt = [label for label in ready["labels"] if label != -100]
            assert tokenizer.decode(learnt) == row["completion"] + tokenizer.eos_token
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["input_ids"].shape == batch["labels"].shape


def test_llama_factory_finds_files_and_columns(folder: Path) -> None:
    entries = json.loads((folder / "dataset_info.json").read_text())
    rows = load(folder, "default")
    assert set(entries) == {f"tasks_{form}{end}" for form in ("alpaca", "messages") for end in ("", "_validation")}
    for name, entry in entries.items():  # it lists the folder, and takes the loader by the files' ending
        files = [str(path) for path in (folder / entry["file_name"]).iterdir()]
        loaded = datasets.load_dataset("parquet", data_files=files, split="train")
        assert set(entry["columns"].values()) <= set(loaded.column_names)
        if not name.endswith("_validation"):
            assert loaded["id"] == rows["id"]


def test_axolotl_finds_the_config_and_the_splits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    lines = yaml.safe_load((folder / "axolotl.yaml").read_text())
    for entry in [*lines["datasets"], *lines["test_datasets"]]:
        with pytest.raises(FileNotFoundError):  # this is what it tries first on a local folder
            datasets.load_from_disk(entry["path"])
        loaded = datasets.load_dataset(entry["path"], name=entry["name"], split=entry["split"])
        assert set(entry["message_property_mappings"].values()) == set(loaded[0][entry["field_messages"]][0])


def test_the_lines_on_the_card_open_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trl import ScriptArguments
    from trl.scripts.utils import TrlParser

    monkeypatch.chdir(folder.parent)
    card = (folder / "README.md").read_text()
    python = card.split("```python\n")[1].split("```")[0]
    rows = []
    for line in python.splitlines()[2:]:
        found: dict[str, Any] = {"load_dataset": datasets.load_dataset}
        exec(line, found)
        rows.append(found["rows"])
    assert len(rows[0]) == len(rows[1]) > 50
    trl = next(line for line in card.splitlines() if line.startswith("trl sft "))
    words = [word for word in trl.split()[2:] if word not in ("--model_name_or_path", "MODEL", "--output_dir", "tuned")]
    (options,) = TrlParser(ScriptArguments).parse_args_and_config(words)
    loaded = datasets.load_dataset(options.dataset_name, name=options.dataset_config)
    assert set(loaded) == {"train", "validation"}


def test_two_exports_are_the_same_and_the_order_does_not_depend_on_buckets(
    store: RunStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["export", store.blobs.url, "--validation", "0.2", "--out"]
    assert main([*command, str(tmp_path / "tasks")]) == 0
    files = [str(path.relative_to(folder)) for path in folder.rglob("*.*")]
    assert filecmp.cmpfiles(folder, tmp_path / "tasks", files, shallow=False) == (files, [], [])
    monkeypatch.setattr(shuffle, "BUCKET", 7)
    assert main([*command, str(tmp_path / "small")]) == 0
    for config in CONFIGS:
        assert load(tmp_path / "small", config).to_list() == load(folder, config).to_list()
    assert main([*command, str(tmp_path / "other"), "--seed", "1"]) == 0
    assert load(tmp_path / "other", "default")["id"] != load(folder, "default")["id"]


def test_rows_stay_in_their_split_while_the_run_grows(store: RunStore, folder: Path, tmp_path: Path) -> None:
    smaller = make_run(tmp_path / "run", 40)
    (tmp_path / "set").mkdir()  # an empty folder is as good as none
    assert main(["export", smaller.blobs.url, "--out", str(tmp_path / "set"), "--validation", "0.2"]) == 0
    for split in ("train", "validation"):
        assert set(load(tmp_path / "set", "default", split)["id"]) < set(load(folder, "default", split)["id"])


def test_the_embedded_model_is_known_with_its_licence(tmp_path: Path) -> None:
    known = identify(EngineSettings())
    run = make_run(tmp_path / "run", 20, **{f"{stage}.{key}": known[key] for stage in STAGES for key in known})
    assert main(["export", run.blobs.url, "--out", str(tmp_path / "set")]) == 0
    assert load(tmp_path / "set", "default").unique("proposer") == ["selfinstruct-tiny"]
    assert load(tmp_path / "set", "default").unique("labeller_revision") == [known["weights"]]
    assert "- Model `selfinstruct-tiny`: apache-2.0." in (tmp_path / "set/README.md").read_text()


def test_large_sets_are_cut_into_files_of_one_size(store: RunStore, tmp_path: Path) -> None:
    settings = DatasetSettings(origins=(Origin.MODEL,), validation=0.0)
    export(store, tmp_path / "set", settings, shard_size=4000)
    for config in CONFIGS:
        files = sorted((tmp_path / "set" / config / "train").iterdir())
        assert len(files) > 2
        assert [file.name for file in files] == [
            f"train-{at:05d}-of-{len(files):05d}.parquet" for at in range(len(files))
        ]
        rows = [len(datasets.load_dataset("parquet", data_files=str(file), split="train")) for file in files]
        assert max(rows[:-1]) - min(rows[:-1]) == 0
        assert rows[-1] <= rows[0]
    assert sorted(load(tmp_path / "set", "default")["id"]) == sorted(accepted_rows(store))
    assert not (tmp_path / "set/default/validation").exists()


def test_seed_tasks_are_exported_when_asked_for(store: RunStore, tmp_path: Path) -> None:
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set"), "--origins", "seed"]) == 0
    rows = load(tmp_path / "set", "default")
    assert rows.unique("origin") == ["seed"]
    assert rows.unique("proposer") == [None]


def test_nothing_is_set_aside_unless_it_is_asked_for(store: RunStore, tmp_path: Path) -> None:
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set")]) == 0
    assert set(datasets.load_dataset(str(tmp_path / "set"))) == {"train"}
    assert "validation" not in (tmp_path / "set/README.md").read_text()


def test_a_card_without_licences_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"proposer.engine": "openai", "proposer.model": "owner/big", "seeds": "others"}
    labeller = {"labeller.engine": "transformers", "labeller.weights": "ab" * 32}
    run, out = make_run(tmp_path / "run", 20, **facts, **labeller).blobs.url, tmp_path / "set"
    command = ["export", run, "--out", str(out)]
    assert main(command) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert (
        '--model_name "abababababab=NAME" --model_license "owner/big=LICENCE" "abababababab=LICENCE"'
        ' --model_outputs "owner/big=WORDS" "abababababab=WORDS" --seeds_license LICENCE --license LICENCE;' in error
    )
    assert not out.exists()
    asked = error.partition("sources: ")[2].partition("; ")[0]
    for what, value in {"NAME": "small", "WORDS": "Says nothing.", "LICENCE": "other"}.items():
        asked = asked.replace(what, value)
    command += shlex.split(asked)
    assert main(command) == 0  # as it was asked for, so it is taken
    command += ["--seeds_license", "CC0", "--model_license", "owner/big=Big Community Licence", "small=MIT"]
    assert main(command) == 0
    card = (out / "README.md").read_text()
    assert "- Model `owner/big`: Big Community Licence. Of outputs: Says nothing." in card
    assert "- Model `small`: MIT. Of outputs: Says nothing." in card
    assert "- Seed tasks: CC0." in card
    assert yaml.safe_load(card.split("---")[1])["license"] == "other"
    assert load(out, "default").unique("labeller") == ["small"]


def test_an_engine_of_ones_own_goes_by_its_name_if_it_names_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {f"{stage}.engine": "mine:Echo" for stage in ("proposer", "labeller")}
    run = make_run(tmp_path / "run", 20, **own).blobs.url
    command = ["export", run, "--out", str(tmp_path / "set"), "--license", "other"]
    assert main(command) == 2
    assert "sources: --model_license LICENCE --model_outputs WORDS;" in capsys.readouterr().err
    command += ["--model_license", "mine:Echo=MIT", "--model_outputs", "Says nothing."]
    assert main(command) == 0
    assert "- Model `mine:Echo`: MIT. Of outputs: Says nothing." in (tmp_path / "set" / "README.md").read_text()


def test_a_folder_is_replaced_by_the_same_run_only(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", store.blobs.url, "--out", str(tmp_path / "set")]
    assert main(command) == 0
    before = load(tmp_path / "set", "default").num_rows
    assert main([*command, "--validation", "0.5"]) == 0
    assert before // 4 < load(tmp_path / "set", "default", "validation").num_rows < before
    assert os.listdir(tmp_path) == ["set"]
    other = make_run(tmp_path / "run", 10, seed=1).blobs.url
    capsys.readouterr()
    assert main(["export", other, "--out", str(tmp_path / "set")]) == 2
    assert "another run" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    assert main(["export", other, "--out", str(tmp_path / "mine")]) == 2
    assert "no export" in capsys.readouterr().err
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]


def test_what_fails_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_run(tmp_path / "run", 40)
    torn = tmp_path / "run/instances/000001.parquet"
    torn.write_bytes(torn.read_bytes()[:-100])
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set")]) == 6
    assert "instances/000001.parquet" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["run"]


def test_what_a_killed_export_left_is_removed_by_the_next(store: RunStore, tmp_path: Path) -> None:
    out = tmp_path / "set"
    code = f"""
import os, pathlib, sys
from selfinstruct.export.folder import replaced
with replaced(pathlib.Path({str(out)!r}), "run") as partial:
    (partial / "file").write_text("half")
    print(partial.name, flush=True)
    sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    killed, running = (subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(2))  # type: ignore[call-overload]
    names = [process.stdout.readline().strip() for process in (killed, running)]
    killed.kill()
    killed.wait()
    (tmp_path / ".set.mine").mkdir()
    assert main(["export", store.blobs.url, "--out", str(out)]) == 0
    assert sorted(os.listdir(tmp_path)) == sorted([names[1], ".set.mine", "set"])
    running.kill()
    running.wait()


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as an upload needs; keeps files in `server.files`."""

    def do_GET(self) -> None:
        if self.headers["Authorization"] != "Bearer secret":
            return self._answer({"error": "no"}, 401)
        files = self.server.files  # type: ignore[attr-defined]
        if "/tree/" in self.path:
            return self._answer(
                [{"type": "file", "path": name, "oid": "0" * 40, "size": len(data)} for name, data in files.items()]
            )
        return self._answer({"id": "me/tasks", "sha": "0" * 40, "siblings": [{"rfilename": name} for name in files]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers["Authorization"] != "Bearer secret":
            return self._answer({"error": "no"}, 401)
        if self.path == "/api/repos/create":
            return self._answer({"url": f"http://{self.headers['Host']}/datasets/me/tasks"})
        if self.path.endswith("/preupload/main"):
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            return self._answer({"files": files})
        if self.path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "deletedFile":
                    del self.server.files[line["value"]["path"]]  # type: ignore[attr-defined]
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.server.files[line["value"]["path"]] = content  # type: ignore[attr-defined]
            return self._answer(
                {"commitUrl": f"http://{self.headers['Host']}/datasets/me/tasks/commit/1", "commitOid": "1" * 40}
            )
        return self._answer({"errors": [], "warnings": []})

    def _answer(self, value: object, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files = {"messages/train/stale.parquet": b"", "LICENSE": b""}  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def push(run: str, out: Path, endpoint: str, token: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobs.main", "export", run, "--out", str(out), "--push_to_hub", "me/tasks"]
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_TOKEN": token, "HF_HUB_OFFLINE": "0"}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_push_to_hub(store: RunStore, tmp_path: Path, hub: ThreadingHTTPServer) -> None:
    out, endpoint = tmp_path / "set", f"http://127.0.0.1:{hub.server_address[1]}"
    refused = push(store.blobs.url, out, endpoint, "wrong")
    assert refused.returncode == 2, refused.stderr
    assert "--push_to_hub: me/tasks: " in refused.stderr.splitlines()[-1]
    done = push(store.blobs.url, out, endpoint, "secret")
    assert done.returncode == 0, done.stderr
    assert "datasets/me/tasks" in done.stdout
    files = hub.files  # type: ignore[attr-defined]
    assert files.pop("LICENSE") == b""
    here = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert files == here
    assert b'load_dataset("me/tasks", "prompt_completion"' in files["README.md"]


def test_a_hub_that_is_not_there_and_a_name_that_cannot_be(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = push(store.blobs.url, tmp_path / "set", "http://127.0.0.1:9", "secret")
    assert gone.returncode == 5, gone.stderr
    assert len(gone.stderr.splitlines()) == 1
    assert load(tmp_path / "set", "default").num_rows > 50
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "two"), "--push_to_hub", "a b/c"]) == 2
    assert "--push_to_hub" in capsys.readouterr().err
    assert not (tmp_path / "two").exists()
