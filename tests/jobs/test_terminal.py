"""What commands write: on full, closed and ASCII outputs, with hostile names and keys in it; and without memory."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.main import main
from jobs.terminal import guarded
from selfinstruct.errors import CorruptError, FailureError, InputError, out_of_memory, printable

SECRETS = ("sk-proj-4f9a8b7c6d5e4f3a2b1c", "hf_AbCdEfGhIjKlMnOpQrSt", "AKIAIOSFODNN7EXAMPLE", "9f8e7d6c5b4a39281706")
HOSTILE = "a\x1b]52;c;QQ==\x07\nb\u202e\x9b2J"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("runs") / "one")
    assert main(["generate", "--engine", "template", "--replicas", "0", "--target", "10", "--out", out]) == 0
    return out


PRINTING = ["", "--help", "--version", "evaluate --help", "status --help", "status RUN", "status RUN --json"]
PRINTING += ["verify RUN", "verify RUN --digest", "sample RUN", "sample RUN --rejected", "show RUN 000001/00000/00"]
PRINTING += ["recipes", "recipes paper", "repair RUN", "try --engine template --number 3", "export RUN --out OUT"]


@pytest.mark.parametrize("command", PRINTING)
def test_a_full_device(
    command: str, run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = command.replace("RUN", run).replace("OUT", str(tmp_path / "out")).split()
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(arguments) == (5 if arguments else 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("standard output: No space left on device; write it elsewhere")


def test_standard_error_that_is_full_costs_its_lines_alone(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert main(["status", run]) == 0
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert main(["status", f"{run}x"]) == 2


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams(run: str, closed: str) -> None:
    """The next file to be opened, a run's say, would be written to as if it were the output."""
    command = f'"{sys.executable}" -m jobs.main verify "{run}" {closed}'
    assert subprocess.run(["sh", "-c", command], capture_output=True).returncode == 0
    assert main(["verify", run]) == 0


def test_an_output_in_ascii(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    with guarded():
        print("caf\u00e9 \u2713 \U0001f600")
    output.seek(0)
    assert output.read() == "caf\\xe9 \\u2713 \\U0001f600\n"


@pytest.mark.parametrize("command", ["status NAME", "verify NAME", "export NAME --out x", "dedup NAME --out x"])
def test_a_name_that_steers_is_shown(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([part.replace("NAME", HOSTILE) for part in command.split()]) == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    assert "a\\x1b]52;c;QQ==\\x07\\nb\\u202e\\x9b2J" in output.err
    assert output.err[:-1].isprintable()


def test_whatever_is_printed_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        print(HOSTILE)
        print(HOSTILE, file=sys.stderr)
    assert capsys.readouterr() == ("a\\x1b]52;c;QQ==\\x07\nb\\u202e\\x9b2J\n",) * 2


def test_errors_are_lines_wherever_they_are_read() -> None:
    error = CorruptError(f"{HOSTILE}: is torn", "b: is missing")
    assert str(error).split("\n") == list(error.problems) == [printable(f"{HOSTILE}: is torn"), "b: is missing"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "options",
    [
        ["--api_key", "SECRET"],
        ["--openai.key=SECRET"],
        ["--openai.key_env", "SECRET"],
        ["--openai.key_file", "SECRET"],
        ["--openai.url", "https://SECRET@example.org/v1"],
        ["--openai.url", "https://me:SECRET@example.org/v1"],
        ["--seeds", "https://me:SECRET@127.0.0.1:1/seeds.jsonl"],
        ["--config", "FILE"],
    ],
)
def test_a_key_in_the_wrong_place_is_not_repeated(
    options: list[str], secret: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "options.yaml"
    file.write_text(f"openai:\n  key_env: {secret}\n  url: http://127.0.0.1:1/v1\n")
    server = ["--engine", "openai", "--model", "m", "--replicas", "0", "--openai.url", "http://127.0.0.1:1/v1"]
    given = [part.replace("SECRET", secret).replace("FILE", str(file)) for part in options]
    assert main(["generate", *server, "--out", str(tmp_path / "run"), *given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert secret not in line


@pytest.mark.parametrize("argument", ["a\udcffb", "a\0b"])
def test_an_argument_that_is_no_text(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", argument]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("is no text in this locale; set PYTHONUTF8=1, or give it another name")


def test_too_little_memory(run: str) -> None:
    command = f'ulimit -v 500000; "{sys.executable}" -m jobs.main verify "{run}"'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 5
    assert done.stderr == "selfinstruct verify: may take 488 MiB of memory (ulimit -v); allow 1024, or more\n"


@pytest.mark.parametrize(
    "error",
    [MemoryError(), OSError(12, "Cannot allocate memory"), RuntimeError("can't start new thread")],
)
def test_exhausted_memory_is_an_error_of_ours(error: Exception) -> None:
    assert isinstance(out_of_memory(error), FailureError)
    assert out_of_memory(ValueError("no")) is None
    assert not isinstance(out_of_memory(error), InputError)
