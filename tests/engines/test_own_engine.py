"""An engine of the user's own: found by its name, known by its identity, held to the protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.main import main
from selfinstruct.engines import EngineSettings, checked, identify, identity_of, open_engine, pinned, traits
from selfinstruct.errors import FailureError, InputError
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Completion, Finish, Kind, Request
from selfinstruct.run.inputs import prompt_set_for

PROMPTS = load_prompts("base")
REQUESTS = [Request(f"r{n}", Kind.PROPOSE, f"suffix {n}", n) for n in range(3)]

ECHO = """
from selfinstruct.records import Completion, Finish

class Echo:
    identity = {"version": "1"}

    def __init__(self, model, prompts):
        self.model, self.prompts, self.queue = model, prompts, []

    def add(self, requests):
        self.queue += requests

    def step(self):
        requests, self.queue = self.queue[:2], self.queue[2:]
        return [Completion(each.id, self.model + each.suffix, Finish.STOP, 1, 1) for each in requests]
"""

BIG = """
from echo import Echo

class Big(Echo):
    devices = 2
    prompt_set = "chat"

    @classmethod
    def identity(cls, model):
        return {"model": model.upper(), "weights": "ab12"}
"""


def write(folder: Path, text: str, name: str = "echo") -> None:
    (folder / f"{name}.py").write_text(text)


def test_a_class_by_its_name(modules: Path) -> None:
    write(modules, ECHO)
    settings = EngineSettings("echo:Echo", "my/model")
    assert identify(settings) == {"engine": "echo:Echo", "model": "my/model", "version": "1"}
    assert pinned(settings, identify(settings)) == settings
    engine = open_engine(settings, PROMPTS)
    assert engine.step() == []
    engine.add(REQUESTS)
    texts = {done.request_id: done.text for _ in range(2) for done in engine.step()}
    assert texts == {f"r{n}": f"my/modelsuffix {n}" for n in range(3)}


def test_what_the_class_says_of_itself(modules: Path) -> None:
    write(modules, ECHO)
    plain = EngineSettings("echo:Echo")
    assert (traits(plain).devices, traits(plain).checkpoint, prompt_set_for("auto", plain)) == (0, False, "base")
    assert identify(plain) == {"engine": "echo:Echo", "version": "1"}  # the embedded model is not its affair
    write(modules, BIG, "bad")
    big = EngineSettings("bad:Big", "m")
    assert (traits(big).devices, prompt_set_for("auto", big)) == (2, "chat")
    assert identify(big) == {"engine": "bad:Big", "model": "M", "weights": "ab12"}


def test_a_name_that_a_package_offers(modules: Path) -> None:
    write(modules, ECHO)
    about = modules / "echoes-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: echoes\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[selfinstruct.engines]\nechoing = echo:Echo\n")
    by_name = identify(EngineSettings("echoing"))
    assert by_name == identify(EngineSettings("echo:Echo"))  # a run goes on under either name
    engine = open_engine(EngineSettings("echoing"), PROMPTS)
    engine.add(REQUESTS[:1])
    assert engine.step()[0].text == "suffix 0"
    with pytest.raises(InputError, match=r"no engine 'eching' \(there are: .*, template, echoing\)"):
        identify(EngineSettings("eching"))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "no.such:Engine",
            "",
            "no.such:Engine: there is no module 'no' to import; install it, or put its folder on PYTH",
        ),
        ("bad:Engine:x", "", "'bad:Engine:x' is not of the form package.module:Name"),
        ("bad:Engine", "x = 1", "bad:Engine: the module bad has no 'Engine'"),
        ("bad:Engine", "1 / 0", "bad:Engine: bad cannot be imported: ZeroDivisionError: 'division by zero'"),
        ("bad:Engine", "import no_such_thing", "bad:Engine: bad cannot be imported: No module named 'no_such_thing'"),
        ("bad:Engine", "raise SystemExit('bye')", "bad:Engine: bad cannot be imported: SystemExit: 'bye'"),
        ("bad:Engine", "def Engine(model, prompts): ...", "bad:Engine: is a function; name a class with add and step"),
        ("bad:Engine", "class Engine:\n  def add(self, requests): ...", "bad:Engine: has no step; an engine has add("),
        ("bad:Engine", "class Engine:\n  pass", "bad:Engine: has no add and no step; an engine has add(requests) and"),
    ],
)
def test_what_is_no_engine(modules: Path, name: str, text: str, problem: str) -> None:
    write(modules, text, "bad")
    for asked in (traits, identify, lambda settings: open_engine(settings, PROMPTS)):
        with pytest.raises(InputError) as caught:
            asked(EngineSettings(name))
        assert str(caught.value).startswith(f"--engine: {problem}")
        assert "\n" not in str(caught.value)


NAMELESS = (
    "names no identity, by which a run is known to go on with the same engine; give the class an attribute such as"
    ' identity = {"version": "1"}, or a classmethod that takes the model\'s name'
)
WRONG = "identity must hold texts by names other than 'engine', not "


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", NAMELESS),
        ("identity = {}", NAMELESS),
        ("identity = 'version 1'", NAMELESS),
        ("identity = property(lambda self: {'version': '1'})", NAMELESS),
        ("identity = {'version': 1}", f"{WRONG}'version': 1"),
        ("identity = {1: 'version'}", f"{WRONG}1: 'version'"),
        ("identity = {'engine': 'template'}", f"{WRONG}'engine': 'template'"),
        (
            "identity = classmethod(lambda cls, model: 1 / 0)",
            "its identity cannot be told: ZeroDivisionError: 'division",
        ),
        ("identity = classmethod(lambda cls: {})", "its identity cannot be told: TypeError: "),
    ],
)
def test_an_engine_that_names_no_identity_is_told_what_to_add(modules: Path, said: str, problem: str) -> None:
    write(modules, f"class Engine:\n  add = step = print\n  {said}", "bad")
    with pytest.raises(InputError) as caught:
        identify(EngineSettings("bad:Engine"))
    assert str(caught.value).startswith(f"--engine: bad:Engine: {problem}")


@pytest.mark.parametrize("said", ["devices = -1", "devices = True", "devices = 'all'", "prompt_set = None"])
def test_wrong_traits(modules: Path, said: str) -> None:
    write(modules, f"class Engine:\n  add = step = print\n  {said}", "bad")
    with pytest.raises(InputError, match=f"--engine: bad:Engine: {said.split()[0]} must"):
        traits(EngineSettings("bad:Engine"))


def test_an_engine_that_cannot_be_opened(modules: Path) -> None:
    raises = "class Engine:\n  add = step = print\n  def __init__(self, model, prompts):\n    raise {}\n"
    write(modules, "from selfinstruct.errors import FailureError\n" + raises.format("ValueError('no\\nmemory')"), "bad")
    with pytest.raises(InputError, match=r"^--engine: bad:Engine: cannot be opened: ValueError: 'no\\nmemory'$"):
        open_engine(EngineSettings("bad:Engine"), PROMPTS)
    write(modules, "from selfinstruct.errors import FailureError\n" + raises.format("FailureError('gone')"), "echo")
    with pytest.raises(FailureError, match="gone"):  # a server that may come back
        open_engine(EngineSettings("echo:Engine"), PROMPTS)


class Saying:
    """An engine that answers what it was made with."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @property
    def identity(self) -> dict[str, str]:
        return {"answer": repr(self.answer)}

    def add(self, requests: Any) -> None:
        pass

    def step(self) -> Any:
        return self.answer


DONE = Completion("r0", "text", Finish.STOP, 1, 1)


def but(**changes: Any) -> list[Completion]:
    return [Completion(**{**{name: getattr(DONE, name) for name in DONE.__slots__}, **changes})]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "step() must return a list, not None"),
        ((DONE,), "step() must return a list, not (Completion("),
        (["text"], "step() must return completions, not 'text'"),
        (but(request_id="r9"), "step() completed 'r9', which it does not have, or no more"),
        ([DONE, DONE], "step() completed 'r0', which it does not have, or no more"),
        (but(request_id=None), "a completion's request_id must be str, not None"),
        (but(text=b"text"), "a completion's text must be str, not b'text'"),
        (but(finish="stop"), "a completion's finish must be Finish, not 'stop'"),
        (but(prompt_tokens=1.5), "a completion's prompt_tokens must be int, not 1.5"),
        (but(error=ValueError("x")), "a completion's error must be str | None, not ValueError('x')"),
    ],
)
def test_completions_that_are_none(answer: Any, problem: str) -> None:
    engine = checked(Saying(answer))
    engine.add(REQUESTS)
    with pytest.raises(InputError) as caught:
        engine.step()
    assert str(caught.value).startswith(f"engine: {Saying.__module__}:Saying: {problem}")


def test_an_engine_that_is_open_already() -> None:
    assert identity_of(Saying([])) == {"engine": f"{Saying.__module__}:Saying", "answer": "[]"}
    engine = checked(Saying([DONE]))
    engine.add(REQUESTS)
    assert engine.step() == [DONE]
    with pytest.raises(InputError, match="engine: builtins:int: has no add and no step"):
        identity_of(5)  # type: ignore[arg-type]


def test_a_command_refuses_a_bad_engine_before_anything_is_begun(
    modules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(modules, ECHO.replace("identity", "_identity"))
    out = modules / "run"
    assert main(["generate", "--out", str(out), "--engine", "echo:Echo", "--target", "10"]) == 2
    assert capsys.readouterr().err == f"selfinstruct generate: --engine: echo:Echo: {NAMELESS}\n"
    assert not out.exists()
    assert main(["try", "--engine", "echo:Ehco"]) == 2
    assert capsys.readouterr().err == "selfinstruct try: --engine: echo:Ehco: the module echo has no 'Ehco'\n"
    write(modules, f"{ECHO.replace('Echo', 'Bad')}".replace("return [", "return 5 or ["), "bad")
    assert main(["try", "--engine", "bad:Bad"]) == 2
    assert capsys.readouterr().err == "selfinstruct try: --engine: bad:Bad: step() must return a list, not 5\n"
