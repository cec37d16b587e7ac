"""Options in YAML files and in `name=value`: what is read, and the one line and exit code 2 for all that is bad."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.dedup import DedupSettings
from jobs.export import ExportSettings
from jobs.main import main
from jobs.reparse import parse_changes
from selfinstruct.errors import InputError
from selfinstruct.records import Origin
from selfinstruct.sources.options import named_values


def parsed(settings: type, *arguments: str) -> object:
    """The settings that a command with these arguments would work with."""
    seen: list[object] = []
    assert run(Command("command", settings), lambda given: seen.append(given) or Outcome({}), arguments) == 0
    return seen[0]


def test_options_from_config_files_and_the_command_line(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(
        "out: verdicts\nfiles: [a.jsonl, b.jsonl]\nnovelty:\n  bands: 20\n  threshold: 1\n"
        "limits: {banned: [cat, 'no'], ascii_start: no}\nlimits.longest: 1_000\nfield: 2024-01-01\nray.address:\n"
    )
    second.write_bytes(b"\xef\xbb\xbfnovelty.bands: 30\nlimits:\nshards: 2\n")
    given = parsed(DedupSettings, "--config", str(first), f"--config={second}", "--shards", "3")
    assert isinstance(given, DedupSettings)
    assert (given.files, given.out, given.shards, given.field) == (("a.jsonl", "b.jsonl"), "verdicts", 3, "2024-01-01")
    assert (given.novelty.bands, given.novelty.threshold, type(given.novelty.threshold)) == (30, 1.0, float)
    assert given.limits.banned == ("cat", "no")
    assert (given.limits.ascii_start, given.limits.longest) == (False, 1000)
    assert given.ray.address is None


def test_options_with_a_few_values_and_lists_of_one(tmp_path: Path) -> None:
    config = tmp_path / "export.yaml"
    config.write_text("run: a\nout: tasks\norigins: seed\n")
    given = parsed(ExportSettings, "--config", str(config))
    assert isinstance(given, ExportSettings)
    assert (given.origins, given.out) == ((Origin.SEED,), Path("tasks"))


def test_a_file_without_options_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "empty.yaml"
    plain = parsed(DedupSettings, "a", "--out", "o")
    for text in ("", "# nothing yet\n", "---\n", "novelty:\n"):
        config.write_text(text)
        assert parsed(DedupSettings, "a", "--out", "o", "--config", str(config)) == plain


def test_help_names_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    for command, expected in {"generate": ["--config FILE", "--recipe NAME|FILE"], "sample": ["--config FILE"]}.items():
        assert main([command, "--help-all"]) == 0
        shown = capsys.readouterr().out
        assert all(option in shown for option in expected)
        assert ("--recipe" in shown) == ("--recipe NAME|FILE" in expected)


BOMB = "a: &a [x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

BAD = {
    "a name in two spellings": (
        "sampling: {propose.top_p: 1}\nseed: 1\nsampling.propose.top_p: 0.5",
        ":3: 'sampling.propose.top_p' is there already, at ",
        "run.yaml:1;",
    ),
    "a name in two spellings, nested": (
        "sampling:\n  propose:\n    top_p: 1\n  propose.top_p: 0.5",
        ":4: 'sampling.propose.top_p' is there already, at ",
        "run.yaml:3;",
    ),
    "doubled key": ("target: 10\nseed: 1\ntarget: 20000", ":3: 'target' is there already, at ", "run.yaml:1;"),
    "doubled key in a group": ("rounds:\n  lag: 1\n  lag: 2", ":3: 'rounds.lag' is there already"),
    "doubled group": ("rounds: {lag: 3}\nrounds: {most: 4}", ":2: 'rounds' is there already"),
    "two spellings": ("rounds: {lag: 3}\nrounds.lag: 3", ":2: 'rounds.lag' is there already, at ", "run.yaml:1;"),
    "a hyphen": ("in_flight: 3\nin-flight: 4", ":2: 'in-flight' is no option here; did you mean 'in_flight'?"),
    "unknown key": ("novelty: {treshold: 0.8}", ":1: 'novelty.treshold' is no option here; did you mean 'novelty.th"),
    "unknown group": ("novelti: {threshold: 0.8}", ":1: 'novelti' is no option here; did you mean 'novelty'?"),
    "a value for a group": ("rounds: 5", ":1: 'rounds' must hold options as 'key: value', not 5"),
    "octal": ("target: 010", ":1: 'target' is 010, which YAML's readers take differently"),
    "base of 60": ("seed: 1:30", ":1: 'seed' is 1:30, which"),
    "hexadecimal": ("seed: 0x1F", ":1: 'seed' is 0x1F, which"),
    "not a number": ("novelty: {threshold: .nan}", ":1: 'novelty.threshold' is .nan, must be a finite number"),
    "infinite": ("budget: {hours: 1e999}", ":1: 'budget.hours' is 1e999, must be a finite number"),
    "huge": ("seed: " + "9" * 5000, ":1: 'seed' is a number of 5,000 digits; 40 are the most"),
    "truth for a text": ("model: no", ":1: 'model' takes a text, not false; put it in quotes"),
    "truth in a list": (
        "screen:\n  banned:\n  - cat\n  - on",
        ":4: 'screen.banned' takes a text, not true; put it in q",
    ),
    "truth for a number": ("target: yes", ":1: 'target' takes one whole number, not true"),
    "text for truth": ("check_pool: maybe", ":1: 'check_pool' takes true or false, not the text 'maybe'"),
    "number for truth": ("check_pool: 1", ":1: 'check_pool' takes true or false, not 1"),
    "text for a number": ("target: '5'", ":1: 'target' takes one whole number, not the text '5'"),
    "fraction for a whole": ("target: 2.5", ":1: 'target' takes one whole number, not 2.5"),
    "list for a number": ("target: [1, 2]", ":1: 'target' takes one whole number, not a list"),
    "mapping for a text": ("model: {a: 1}", ":1: 'model' takes a text, not a mapping"),
    "mapping for texts": ("screen: {banned: {cat: 1}}", ":1: 'screen.banned' takes a text, not a mapping"),
    "none of a few": ("novelty: {index: lsh}", ":1: 'novelty.index' takes one of minhash, prefix, not the text 'lsh'"),
    "out of bounds": (
        "target: 5\nnovelty: {threshold: 1.5}",
        ":2: 'novelty.threshold' is 1.5, must be at least 0 and ",
    ),
    "null in a list": ("screen: {banned: [cat, ~]}", ":1: 'screen.banned' takes a text, not null"),
    "binary": ("model: !!binary aGk=", ":1: 'model' has the tag '!!binary'; values are plain"),
    "an object": (
        "model: !!python/object/apply:os.getcwd []",
        ":1: 'model' has the tag '!!python/object/apply:os.getcw",
    ),
    "inside itself": ("rounds: &r\n  lag: *r", ":1: 'rounds' has the anchor &r; aliases are not read"),
    "alias": ("model: *r", ":1: 'model' is the alias *r; write the value itself"),
    "aliases of aliases": (BOMB, ":1: 'a' has the anchor &a"),
    "merge key": ("<<: {target: 5}", ":1: '<<' is no option here"),
    "deep list": ("a: " + "[" * 50_000, ":1: 'a' is nested more than 32 levels deep"),
    "deep mapping": ("{a: " * 30_000, ":1: 'a.a.", "is nested more than 32 levels deep"),
    "a key that is a list": ("? [a]\n: 1", ":1: has a key that is no plain text"),
    "no key": ("rounds: {'': 1}", ":1: 'rounds' has a key that is no plain text"),
    "a long key": ("? " + "x" * 50_000 + "\n: {a: 1}", ":1: has a key that has 50,000 characters; 100 are the most"),
    "a long tag": ("model: !" + "x" * 50_000 + "!y a", ":1: is not YAML: found undefined tag handle '!xxx"),
    "list": ("- target", ":1: must hold options as 'key: value', not a list"),
    "text": ("target", ":1: must hold options as 'key: value', not the text 'target'"),
    "two documents": ("target: 5\n---\nseed: 1", ":2: has a second document from here on"),
    "open bracket": ("target: 5\nseed: [", ":2: is not YAML: expected the node content"),
    "two colons": ("target: 5: 6", ":1: is not YAML: mapping values are not allowed here"),
    "a tab": ("rounds:\n\tlag: 3", ":2: is not YAML: a tab where blanks must be"),
    "NUL": ("target: 5\nmodel: a\0b", ":2: holds the character U+0000"),
    "escaped NUL": ('model: "a\\0b"', ":1: 'model' holds a NUL character"),
    "half a surrogate pair": ('model: "\\ud83d"', ":1: 'model' holds half of a surrogate pair"),
    "an escape for no character": ('model: "\\UFFFFFFFF"', ":1: is not YAML: a number out of range"),
    "a version for no number": ("%YAML 1." + "9" * 5000 + "\n--- {}", ":1: is not YAML: a number out of range"),
    "invalid UTF-8": (b"target: 5\nmodel: \xff\xfeo", ":2: is not UTF-8; save it as UTF-8"),
    "UTF-16": ("target: 5".encode("utf-16"), ": is UTF-16; save it as UTF-8"),
    "200 kB": ("# " + "x" * 200_000, ": is larger than 131,072 bytes"),
    "one word of 100 kB": ("x" * 100_000 + ": 5", ":1: is not YAML"),
    "a mapping with yes": (
        "chat_template_kwargs: {enable_thinking: yes}",
        ":1: 'chat_template_kwargs.enable_thinking' is ye",
    ),
}


@pytest.mark.parametrize(("text", "said"), [(text, said) for text, *said in BAD.values()], ids=list(BAD))
def test_a_bad_config_file_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | bytes, said: list[str]
) -> None:
    config, out = tmp_path / "run.yaml", tmp_path / "run"
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["generate", "--engine", "template", "--config", str(config), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"selfinstruct generate: {config}{said[0]}")
    assert all(part in error for part in said)
    assert len(error) < 500
    assert not out.exists()


def test_all_bad_options_of_a_file_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("tagret: 5\nmodel: off\ntarget: [1]\n")
    assert main(["generate", "--config", str(config), "--out", "x"]) == 2
    assert [line.partition("run.yaml")[2][:10] for line in capsys.readouterr().err.splitlines()] == [
        ":1: 'tagre",
        ":2: 'model",
        ":3: 'targe",
    ]


def test_what_is_no_file_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe, loop = tmp_path / "pipe", tmp_path / "loop"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    cases = {
        str(tmp_path): "is a folder; name a file",
        str(pipe): "is a named pipe; name a file",
        "/dev/zero": "is a device; name a file",
        str(loop): "cannot be read: Too many levels of symbolic links",
        str(tmp_path / "absent.yaml"): "cannot be read: No such file or directory",
        "x" * 300: "cannot be read: File name too long",
    }
    for path, said in cases.items():
        assert main(["generate", "--config", path, "--out", "x"]) == 2
        assert capsys.readouterr().err == f"selfinstruct generate: {path}: {said}\n"
    assert main(["generate", "--out", "x", "--config"]) == 2
    assert capsys.readouterr().err == "selfinstruct generate: --config: is without a value; name a file\n"


def test_a_pipe_of_a_shell_is_read() -> None:
    """`--config <(...)` names a pipe, and so does /dev/stdin after `|`."""
    command = f"{sys.executable} -m jobs.main generate --engine template --config"
    for line in (f"{command} <(echo 'target: no')", f"echo 'target: no' | {command} /dev/stdin"):
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=600)
        assert done.returncode == 2
        assert ":1: 'target' takes one whole number, not false" in done.stderr


def test_values_of_names() -> None:
    given = ["a=5", "b=[1, {c: no data}]", 'd={"e": "\\ud83d\\ude00", "f": 1e-07}', "g=", "h='no'", "i=x=y"]
    assert named_values("openai.body", given) == {
        "a": 5,
        "b": [1, {"c": "no data"}],
        "d": {"e": "\N{GRINNING FACE}", "f": 1e-07},
        "g": None,
        "h": "no",
        "i": "x=y",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["seed"], "--vllm.args: 'seed' is not of the form name=value"),
        (["=5"], "--vllm.args: '=5' is not of the form name=value"),
        (["a=1", "a=2"], "--vllm.args: 'a' is there twice"),
        (["a=010"], "--vllm.args: 'a' is 010, which"),
        (["a={b: [1, off]}"], "--vllm.args: 'a.b' is off; write true or false, or put it in quotes if it is a text"),
        (["a={b: 1, b: 2}"], "--vllm.args: 'a.b' is there already"),
        (["a=&x 1"], "--vllm.args: 'a' has the anchor &x"),
        (["a=!!set {b}"], "--vllm.args: 'a' has the tag '!!set'"),
        (["a=["], "--vllm.args: 'a' is not YAML: expected"),
        (["a=" + "[" * 50_000], "--vllm.args: 'a' is nested more than 32 levels deep"),
    ],
)
def test_bad_values_of_names_are_one_clear_line(given: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        named_values("vllm.args", given)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


FACTS = {"novelty.threshold": 0.7, "novelty.bands": 79, "screen.banned": ["cat"], "proposer.grammar": "x"}


def test_changes_of_options() -> None:
    changes = ["novelty.threshold=1", "screen.banned=[a, b]"]
    assert parse_changes(changes, FACTS) == {"novelty.threshold": 1.0, "screen.banned": ["a", "b"]}
    bad = ["novelty.bands=010", "novelty.bands=2.5", "proposer.grammar=y", "novelty.threshold=1", "novelty.threshold=2"]
    with pytest.raises(InputError) as caught:
        parse_changes(bad, FACTS)
    assert [problem[:45] for problem in caught.value.problems] == [
        "--change: 'novelty.bands' is 010, which YAML'",
        "--change: 'novelty.bands' takes one whole num",
        "--change: 'proposer.grammar=y' is no option=v",
        "--change: 'novelty.threshold' is there twice;",
    ]
