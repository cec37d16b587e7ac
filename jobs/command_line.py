"""What all commands share: options from a dataclass and a config file, and one clear line for every error."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from io import StringIO
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import tyro

from jobs import terminal
from jobs.commands import Command, Outcome
from jobs.helping import GENERAL, HELP, HELP_ALL, Page, recipe_option, short_page, show, whole_page
from jobs.voice import STDOUT, Voice, speaking, tell, voice_of
from selfinstruct.errors import UNUSABLE, CorruptError, FailureError, InputError, SelfInstructError, out_of_memory
from selfinstruct.places import local_path
from selfinstruct.records import Table
from selfinstruct.settings import name_of, problems_of, with_options
from selfinstruct.sources.options import Kind, holds_names, kinds_of, read_options
from selfinstruct.sources.yaml_files import read_yaml, shortened

T = TypeVar("T")

EXTRAS = {
    **dict.fromkeys(("matplotlib", "nltk", "rouge_score", "sklearn"), "evaluate"),
    **dict.fromkeys(("accelerate", "peft", "trl"), "finetune"),
    **dict.fromkeys(("jinja2", "lemminflect", "textblob"), "report"),
}
"""Which extra of this package installs a package that only some commands need."""

GRACE = 15.0
"""Seconds after SIGTERM that a commit under way and the cluster have to come to an end; then the process just ends.
Nodes that are taken away give 30 seconds or more, and nothing is lost either way."""

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_NO_NUMBER = re.compile(
    r"Error parsing (?P<option>\S+): (invalid literal for (?P<whole>int)\(\).*?: |could not convert string to float: |"
    r"no type matching \{None\}\|(?P<whole_or_none>INT|FLOAT) could be instantiated from \[|(?P<long>Exceeds))"
    r"(?P<value>'[^']*')?"
)
"""What the parser says of a text in place of a number."""

UNPACKED = "working_dir_files"
"""Below a folder of this name Ray unpacks what `ray job submit --working-dir` takes along."""

_GOES_ON = "the same command goes on"


class Terminated(BaseException):
    """SIGTERM came. Like KeyboardInterrupt, nothing but the command line catches it."""


def run(command: Command[T], do: Callable[[T], Outcome], argv: Sequence[str] | None) -> int:
    """Parse the options of a command, do it, and turn errors into a line on stderr and an exit code.

    `--config FILE` reads options from a YAML file, and `--recipe NAME|FILE` of commands that take one those under it;
    what stands on the command line wins over both. `--help`, `--help-all` and what `voice` has are for every command.
    """
    with terminal.guarded():
        return _run(command, do, list(sys.argv[1:] if argv is None else argv))


def _run(command: Command[T], do: Callable[[T], Outcome], arguments: list[str]) -> int:
    told_to_end, line = threading.Event(), shlex.join(["selfinstruct", *command.name.split(), *arguments])
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: _terminate(command.name, told_to_end))
    voice = Voice(STDOUT if "--json" in arguments else None)  # should what follows be wrong
    settings: T | None = None
    try:
        if {*HELP, *HELP_ALL} & {*arguments}:
            everything = bool({*HELP_ALL} & {*arguments})
            show(whole_page(command) if everything else short_page(command), everything=everything)
            sys.stdout.flush()
            return 0
        voice, arguments = voice_of(arguments)
        with speaking(voice), _acknowledging(command.name):
            settings = _checked(_parse(command, arguments))
            outcome = do(settings)
        tell(voice, command.name, outcome)
        sys.stdout.flush()
        return outcome.exit_code
    except BaseException as error:
        if told_to_end.is_set():  # then it does not matter as what the end arrives here: Ray's own code turns it about
            code, problems = 128 + signal.SIGTERM, [_terminated(error)]
        else:
            code, problems = _explained(error, settings)
        for problem in problems:
            print(f"selfinstruct {command.name}: {problem}", file=sys.stderr, flush=True)
        if code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            print(f"  {line}", file=sys.stderr, flush=True)
        if voice.json == STDOUT and not isinstance(error, BrokenPipeError):
            tell(voice, command.name, Outcome({}, code), problems)
        return code


@contextmanager
def _acknowledging(name: str) -> Iterator[None]:
    """Answer Ctrl-C at once, as it may take a while to keep what is under way; a second one ends without that."""
    told = False

    def interrupt(*_: object) -> None:
        nonlocal told
        if told:
            os._exit(128 + signal.SIGINT)
        told = True
        print(f"selfinstruct {name}: ending; Ctrl-C again ends at once", file=sys.stderr, flush=True)
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _checked(settings: T) -> T:
    """The options, if all are within their bounds, and what is written stays. InputError otherwise."""
    if problems := [*problems_of(settings), *_goes_with_the_job(getattr(settings, "out", None))]:
        raise InputError(*problems)
    return settings


def _goes_with_the_job(out: str | Path | None) -> Iterator[str]:
    """That a relative place lies in the folder which Ray unpacks for a job, and removes with it."""
    if not out or Path(out).is_absolute() or UNPACKED not in Path.cwd().parts:
        return
    if (path := local_path(str(out))) is not None and not path.is_absolute():
        yield f"--out: {out} would lie in this job's own folder, which Ray removes; give a whole path, or a URL"


def _explained(error: BaseException, settings: object) -> tuple[int, list[str]]:
    """The exit code and the lines for errors that are the user's to know; all others go on."""
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt):
        return 128 + signal.SIGINT, [f"interrupted; {_what_stays(error)}"]
    if isinstance(error, BrokenPipeError):  # the reader of our output has gone, as `head` does
        return 0, []
    told = error if isinstance(error, SelfInstructError) else _as_ours(error) or _damage(error, settings)
    if told is None:
        raise error
    notes = _notes(error)
    goes_on = f"once that is mended, {_GOES_ON}" if told.exit_code == InputError.exit_code else _GOES_ON
    return told.exit_code, [*told.problems, *([f"{', '.join(notes)}; {goes_on}"] if notes else [])]


def _as_ours(error: BaseException) -> SelfInstructError | None:
    """What packages, the system or the machine lack, as one of our errors; None for what nobody foresaw."""
    if isinstance(error, ModuleNotFoundError) and (extra := EXTRAS.get((error.name or "").partition(".")[0])):
        return InputError(f"needs {error.name}, which is not installed; pip install 'selfinstruct[{extra}]'")
    if (exhausted := out_of_memory(error)) is not None:
        return exhausted
    if not isinstance(error, OSError) or error.errno is None:
        return None
    where = f"{error.filename}: " if error.filename is not None else ""
    if where and error.errno in {*UNUSABLE, errno.ENOENT, errno.EEXIST}:
        return InputError(f"{where}{error.strerror}; name another")
    remedy = "; name another by TMPDIR" if "temporary directory" in str(error.strerror) else ""
    return FailureError(f"{where}{error.strerror or error}{remedy}")


def _damage(error: BaseException, settings: object) -> CorruptError | None:
    """The damage of the first run among the options that has any: what no command reckons with follows from that."""
    from selfinstruct.storage.store import RunStore
    from selfinstruct.storage.verify import verify

    for run in _runs(settings) if isinstance(error, Exception) else ():
        with suppress(InputError):
            if problems := verify(RunStore(run)):
                return CorruptError(f"{run}/{problems[0]}; `selfinstruct verify {run}` names all that is wrong with it")
    return None


def _runs(settings: object) -> Iterator[str]:
    """What options name that may be a run."""
    for value in vars(settings).values() if settings is not None else ():
        for place in value if isinstance(value, tuple) else (value,):
            if isinstance(place, str):
                with suppress(InputError, OSError):
                    path = local_path(place)
                    if path is None or (path / Table.CANDIDATES).is_dir():
                        yield place


def _terminate(name: str, told_to_end: threading.Event) -> None:
    """Begin to end, once: unwind, and if that takes too long, end without it."""
    if told_to_end.is_set():
        return
    told_to_end.set()

    def give_up() -> None:
        print(f"selfinstruct {name}: {_terminated(None)}", file=sys.stderr, flush=True)
        os._exit(128 + signal.SIGTERM)

    watchdog = threading.Timer(GRACE, give_up)
    watchdog.daemon = True
    watchdog.start()
    raise Terminated


def _terminated(error: BaseException | None) -> str:
    return f"told to end (SIGTERM); {_what_stays(error)}"


def _what_stays(error: BaseException | None) -> str:
    """What the next life of a run finds: `run.loop` says in a note what of the rounds under way is kept."""
    notes = _notes(error)
    return f"{', '.join(['what is committed stays', *notes])}{';' if notes else ','} {_GOES_ON}"


def _notes(error: BaseException | None) -> list[str]:
    """Of an error, or of the one in whose midst it came."""
    while error is not None and not hasattr(error, "__notes__"):
        error = error.__cause__ or error.__context__
    return list(error.__notes__) if error is not None else []


def choose(
    name: str, commands: Mapping[str, tuple[Callable[[Sequence[str]], int], str]], argv: Sequence[str] | None
) -> int:
    """Run one of the commands below a command, each with its function and what it does; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in commands:
        return commands[arguments[0]][0](arguments[1:])
    asked = bool({*arguments[:1]} & {*HELP, *HELP_ALL})
    lines = [f"  {command:<13}{what}" for command, (_, what) in commands.items()]
    text = "\n".join([f"usage: selfinstruct {name} NAME [options]", "", *lines])
    return terminal.show(text, is_error=not asked)


def _parse(command: Command[T], arguments: list[str]) -> T:
    """The settings: what a field has for itself, a recipe over it, then config files, then options."""
    settings: type[T] = command.settings
    for argument in arguments:
        if "\0" in argument or (not argument.isascii() and any("\ud800" <= char <= "\udfff" for char in argument)):
            raise InputError(f"{argument}: is no text in this locale; set PYTHONUTF8=1, or give it another name")
    rest, files = _files(arguments, ("config", "recipe") if command.recipe else ("config",))
    rest, by_name = _by_name(rest, kinds_of(settings))
    _refuse_off_line(rest, settings)
    parser = parser_of(command)
    begun: Any = _shaped(parser, with_options(_blank(parser), _given(settings, files, command.recipe)))
    with _in_one_line(command):
        parsed = tyro.cli(
            parser,
            prog=f"selfinstruct {command.name}",
            args=rest,
            default=begun,
            use_underscores=True,
            config=(tyro.conf.EnumChoicesFromValues,),
        )
    parsed = with_options(
        parsed, {option: _over(attrgetter(option)(parsed), given) for option, given in by_name.items()}
    )
    return _shaped(settings, parsed)


@contextmanager
def _in_one_line(command: Command[Any]) -> Iterator[None]:
    """What the parser says of options in boxes of many lines, as an InputError of one."""
    with redirect_stderr(StringIO()) as said:
        try:
            yield
        except SystemExit:
            raise InputError(_told(said.getvalue(), whole_page(command))) from None


def _told(box: str, page: Page) -> str:
    """The problem in a box of the parser's, and the options that may have been meant."""
    lines = [line.strip("\u2502\u2570\u256f ") for line in _COLOUR.sub("", box).splitlines()]
    parts = [" ".join(part) for is_rule, part in groupby(lines[1:], _is_rule) if not is_rule]
    problem, rest = parts[0], parts[1:]
    if found := _NO_NUMBER.match(problem):
        is_whole = found["whole"] or found["long"] or found["whole_or_none"] == "INT"
        value = shortened(found["value"]) if found["value"] else "too long"
        problem = f"{found['option']}: is {value}, must be a {'whole ' if is_whole else ''}number"
    if problem.startswith("Missing from"):
        missing = [each for each in page.needed if each.text[:20] in problem] or page.needed
        *others, last = [each.takes if each.positional else f"--{each.key}" for each in missing]
        named = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        return f"{named} missing; usage: {page.usage}"
    unknown = problem.startswith("Unrecognized")
    if unknown and (options := re.findall(r"--[^\s=,]+", problem)):
        problem = f"Unrecognized options: {', '.join(options)}"  # without values, one of which may be a key
    meant = re.findall(r"--\S+", rest[0]) if rest and unknown else []
    near = f"; did you mean {meant[0]}?" if meant and "mean" in rest[0] else ""
    return problem.rstrip(".") + (near or "; --help-all names all options and what they take")


def _is_rule(line: str) -> bool:
    """Whether a line of a box only divides it."""
    return not line.strip("\u2500-")


def _files(arguments: list[str], names: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The arguments without `--NAME FILE` and `--NAME=FILE`, and the files of each name.

    Raises:
        InputError: no file follows one of the names.
    """
    rest: list[str] = []
    files: dict[str, list[str]] = {name: [] for name in names}
    remaining = iter(arguments)
    for argument in remaining:
        option, equals, value = argument.partition("=")
        if (name := option.removeprefix("--")) not in names or not option.startswith("--"):
            rest.append(argument)
            continue
        files[name].append(value if equals else next(remaining, ""))
        if not files[name][-1]:
            raise InputError(f"{option}: is without a value; name a file")
    return rest, files


def _by_name(arguments: list[str], kinds: Mapping[str, Kind]) -> tuple[list[str], dict[str, list[str]]]:
    """The arguments without `--OPTION.NAME VALUE` of options that hold values by name, and `NAME=VALUE` for each.

    Raises:
        InputError: no value follows.
    """
    options = [option for option, kind in kinds.items() if holds_names(kind)]
    rest: list[str] = []
    given: dict[str, list[str]] = {}
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, value = argument.removeprefix("--").partition("=")
        option = next((each for each in options if name.startswith(f"{each}.")), "")
        if not option or not argument.startswith("--"):
            rest.append(argument)
            continue
        value = value if equals else next(remaining, "--")
        if not equals and value.startswith("--"):
            raise InputError(f"--{name}: is without a value")
        given.setdefault(option, []).append(f"{name.removeprefix(f'{option}.')}={value}")
    return rest, given


def _off_line(settings: type, prefix: str = "") -> Iterator[str]:
    """The options that are not on the command line, by dotted key; of a whole group its key and a dot."""
    hints = get_type_hints(settings)
    for each in dataclasses.fields(settings):
        is_group, key = dataclasses.is_dataclass(hints[each.name]), prefix + name_of(each)
        if not each.metadata.get("on_command_line", True):
            yield f"{key}." if is_group else key
        elif is_group:
            yield from _off_line(hints[each.name], f"{key}.")


def _refuse_off_line(arguments: Sequence[str], settings: type) -> None:
    """InputError for an option that is not on the command line."""
    for key in _off_line(settings):
        for argument in arguments:
            name = argument.partition("=")[0]
            if name in (f"--{key}", f"--no_{key}") or (
                key.endswith(".") and name.startswith((f"--{key}", f"--no_{key}"))
            ):
                raise InputError(f"{argument}: is no option here; it stands in a recipe or a --config file")


def _over(values: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """Values by name with those over them that were given one by one."""
    names = {piece.partition("=")[0] for piece in given}
    return (*(piece for piece in values if piece.partition("=")[0].strip() not in names), *given)


def _given(settings: type, files: Mapping[str, Sequence[str]], recipe: str | None) -> dict[str, Any]:
    """The options that the files give, by dotted key. A config file may name the recipe, too."""
    kinds = kinds_of(settings) | ({"recipe": Kind(str)} if recipe else {})
    options: dict[str, Any] = {}
    for path in files["config"]:
        options |= read_options(read_yaml(Path(path)), kinds)
    if recipe is None:
        return options
    from selfinstruct.recipes import read_recipe

    named = options.pop("recipe", recipe)
    return {**read_recipe([named, *files["recipe"]][-1]), **options}


def parser_of(command: Command[Any]) -> type:
    """The settings as the parser takes them, with what is read before all others: there for its hints alone."""
    read_before = [*GENERAL, *([recipe_option(command.recipe)] if command.recipe else [])]
    fields = [
        (
            each.key,
            Annotated[str, tyro.conf.arg(metavar=each.takes, help=each.text, help_behavior_hint="")],
            dataclasses.field(default="", kw_only=True),
        )
        for each in read_before
    ]
    return _derived(command.settings, [*fields, *_on_line(command.settings)])


def _on_line(settings: type) -> Iterator[tuple[str, Any, Any]]:
    """The fields of which the parser is told more: what it leaves alone, what has another name, and groups of those."""
    hints = get_type_hints(settings, include_extras=True)
    for each in dataclasses.fields(settings):
        hint = hints[each.name]
        marks: tuple[Any, ...] = ()
        if not each.metadata.get("on_command_line", True):
            marks = (tyro.conf.Fixed, tyro.conf.Suppress)
        elif name_of(each) != each.name:
            marks = (tyro.conf.arg(name=name_of(each)),)
        elif dataclasses.is_dataclass(hint) and (inner := list(_on_line(hint))):  # type: ignore[arg-type]
            hint = _derived(hint, inner)  # type: ignore[arg-type]
            yield each.name, hint, dataclasses.field(default_factory=hint, kw_only=True)
        if marks:
            if each.default_factory is not dataclasses.MISSING:
                default = dataclasses.field(default_factory=each.default_factory, kw_only=True)
            else:
                default = dataclasses.field(default=each.default, kw_only=True)
            yield each.name, Annotated[(hint, *marks)], default


def _derived(settings: type, fields: Sequence[tuple[str, Any, Any]]) -> type:
    """The dataclass with these fields besides, or in place of its own of the same names."""
    return dataclasses.make_dataclass(
        settings.__name__, fields, bases=(settings,), frozen=True, namespace={"__doc__": settings.__doc__}
    )


def _shaped(settings: type[T], value: Any) -> T:
    """The values of one settings dataclass as another has them that is derived from it, or that it is derived from."""
    hints = get_type_hints(settings)
    given = {each.name: getattr(value, each.name) for each in dataclasses.fields(settings)}  # type: ignore[arg-type]
    groups = {name: _shaped(hints[name], each) for name, each in given.items() if dataclasses.is_dataclass(hints[name])}
    return settings(**{**given, **groups})


def _blank(settings: type) -> Any:
    """The settings as they are without any option, those that must be given still missing."""
    required = [
        each.name
        for each in dataclasses.fields(settings)
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    ]
    return settings(**dict.fromkeys(required, tyro.MISSING))
