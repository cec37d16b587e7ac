"""What a model's folder may hold, looked over before anything heavy opens it; and whose fault it is if opening fails.

A folder of somebody else's is input like any other: whatever a library raises over it is said in one line that names
the file (`blamed`). What libraries do not notice, or notice by filling the memory, is looked for here: files that are
no JSON objects, counts that no model has, weights that lie elsewhere, and code that would be fetched from a hub.

Needs neither torch nor transformers; of weights it reads what they say of themselves.
"""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from safetensors import safe_open

from selfinstruct.errors import InputError, SelfInstructError
from selfinstruct.sources.json_values import RowError, value_of

CONFIG = "config.json"
GENERATION = "generation_config.json"
TOKENIZER = "tokenizer.json"
TEMPLATE = "chat_template.jinja"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

OBJECTS = (CONFIG, GENERATION, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""Files that hold a JSON object, as far as they are there."""

LARGEST = 64 * 2**20
"""Bytes of such a file, or of the index; libraries read them whole."""

LARGEST_TEMPLATE = 2**20
"""Bytes of a chat template; the longest have some tens of thousands."""

MOST = 100_000
"""Layers, heads, experts, labels and the like: libraries count up to them in Python before any weight is read."""

_COUNT = re.compile(r"(^|_)(num|n)_|layers?$|depth$|blocks$|experts$|heads$|labels$")
_SIZE = re.compile(
    r"position|ctx|vocab|embd|embed|inner|param|token|sample|frame"
)  # of tensors, which cost nothing yet
_ELSEWHERE = re.compile(r"\babove\b|\breport\b|\bbelow\b|see (the )?(log|stack|root cause)", re.IGNORECASE)
_SHOWN = 300  # characters of a library's own words


# ---- blame


@contextmanager
def blamed(
    model: str,
    file: str | Callable[[], str],
    fails: str = "cannot be loaded",
    mend: str = "mend it, or take another model",
) -> Iterator[None]:
    """Say of whatever is raised within that this file of the model's folder is the cause.

    Args:
        model: What the user calls the model, or its folder.
        file: Its name, or what finds it.

    Raises:
        InputError: in place of any exception that may be the folder's fault.
    """
    try:
        yield
    except BaseException as error:
        if not may_be_its_fault(error):
            raise
        said = file if isinstance(file, str) else file()
        raise InputError(f"--model: {model}: {said}: {fails}: {told(error)}; {mend}") from error


def may_be_its_fault(error: BaseException) -> bool:
    """Whether an exception is neither ours, nor for want of a GPU's memory, nor to end the process.

    Panics of Rust's count, which Python does not have among its exceptions.
    """
    if isinstance(error, SelfInstructError) or type(error).__name__ == "OutOfMemoryError":
        return False
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def told(error: BaseException) -> str:
    """An exception's text in one line; where it sends the reader elsewhere, that of the one it came from."""
    text = " ".join(str(error).split())
    if "trust_remote_code" in text:
        return "it comes with code of its own, which trust_remote_code would run if you trust whoever made it"
    if _ELSEWHERE.search(text):
        cause = error.__cause__ or error.__context__
        return told(cause) if cause is not None else "the weights are not those that the configuration describes"
    kind = "" if text and isinstance(error, (ValueError, OSError)) else type(error).__name__ + ": " * bool(text)
    return kind + (text if len(text) <= _SHOWN else text[:_SHOWN] + " ...")


# ---- reading


def read_object(path: Path, model: str, largest: int = LARGEST) -> dict[str, Any]:
    """A JSON object of the model's folder, of so many bytes at most.

    Raises:
        InputError: it cannot be read, is too large, is none, or holds NaN or an infinite number.
    """
    said = f"--model: {model}: {path.name}"
    try:
        if not path.is_file():
            raise InputError(f"{said}: is no file; save the model anew")
        if path.stat().st_size > largest:
            raise InputError(f"{said}: is larger than {largest >> 20} MiB, which no such file is; save the model anew")
        value = value_of(path.read_bytes())
    except OSError as error:
        raise InputError(f"{said}: cannot be read: {error.strerror or error}; make it readable") from error
    except RowError as error:
        raise InputError(f"{said}: {error}; save the model anew") from error
    if not isinstance(value, dict):
        raise InputError(f"{said}: holds a {type(value).__name__}, must hold an object; save the model anew")
    if not _is_finite(value):
        raise InputError(f"{said}: holds NaN or an infinite number, which is no JSON; save the model anew")
    return value


def _is_finite(value: object) -> bool:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, float) and not math.isfinite(each):
            return False
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return True


# ---- looking over


def check_contents(folder: Path, model: str) -> None:
    """Look over the files of a model's folder.

    Raises:
        InputError: all that is wrong with them, a line each.
    """
    if found := [f"--model: {model}: {problem}" for problem in _no_files(folder)]:
        raise InputError(*found)
    problems: list[str] = []
    read: dict[str, dict[str, Any]] = {}
    for name in OBJECTS:
        try:
            if (folder / name).exists():
                read[name] = read_object(folder / name, model)
        except InputError as error:
            problems += error.problems
    said = f"--model: {model}: "
    problems += [said + problem for problem in _wrong_config(read.get(CONFIG, {}))]
    problems += [said + problem for problem in _wrong_generation(read.get(GENERATION, {}))]
    if (folder / "adapter_config.json").exists():  # read where peft is installed, and then by another name at that
        problems.append(
            f"{said}adapter_config.json: adapters beside the weights are not read; merge them into the model "
            "(merge_and_unload), or remove the file"
        )
    if not problems:
        problems += [said + problem for problem in _wrong_weights(folder, model)]
    if problems:
        raise InputError(*problems)


def context(config: Mapping[str, Any]) -> int | None:
    """The most tokens, prompt and completion, that a configuration names; None where it names none."""
    return next((length for _, length in _contexts(config) if isinstance(length, int)), None)


def weights(folder: Path, model: str) -> list[str]:
    """The names, in the folder, of the files with the weights that transformers reads.

    Raises:
        InputError: the index of the shards is none, or names what is no safetensors file of this folder.
    """
    first = read_object(folder / CONFIG, model).get("transformers_weights", WEIGHTS)  # how a model names them itself
    if first == WEIGHTS and not (folder / WEIGHTS).exists() and (folder / INDEX).exists():
        first = INDEX
    if not _within(first, (".safetensors", ".safetensors.index.json")):
        raise InputError(
            f"--model: {model}: {CONFIG}: transformers_weights is {_short(first)}, must name a safetensors file of the "
            "folder; put the file into it"
        )
    return _shards(folder, first, model) if first.endswith(".json") else [first]


def _shards(folder: Path, name: str, model: str) -> list[str]:
    index = read_object(folder / name, model)
    said = f"--model: {model}: {name}: "
    if not isinstance(index.get("metadata"), dict):
        raise InputError(f"{said}'metadata' must be an object; save the model anew with save_pretrained")
    shards = index.get("weight_map")
    if not isinstance(shards, dict) or not shards or not all(isinstance(shard, str) for shard in shards.values()):
        raise InputError(f"{said}'weight_map' must name a file for each weight; save the model anew")
    names = sorted(set(shards.values()))
    if outside := [shard for shard in names if not _within(shard, (".safetensors",))]:
        raise InputError(
            f"{said}names {_short(outside[0])}, which is no safetensors file of this folder; put the file into it, "
            "and name it relative to the folder"
        )
    return names


def _within(name: object, endings: tuple[str, ...]) -> bool:
    """Whether a name stays in the folder. What it is a link to does not matter: hub caches link elsewhere."""
    if not isinstance(name, str) or not name.endswith(endings) or "\\" in name or "\0" in name or ":" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and str(path) == name


def _no_files(folder: Path) -> Iterator[str]:
    """What nobody may open: pipes wait for ever, devices never end; and templates that are none for their size."""
    for path in sorted([*folder.iterdir(), *folder.glob("*/*.jinja")]):
        try:
            found = path.stat()
        except OSError as error:
            if path.name in (*OBJECTS, TOKENIZER, TEMPLATE, WEIGHTS, INDEX):
                yield f"{path.name}: cannot be read: {error.strerror or error}; copy all of the model's files"
            continue
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            yield f"{path.name}: is no file but a pipe or a device; copy all of the model's files"
        elif path.suffix == ".jinja" and found.st_size > LARGEST_TEMPLATE:
            yield f"{path.name}: is larger than {LARGEST_TEMPLATE >> 20} MiB, which no template is; save the model anew"
        elif path.suffix == ".jinja" and stat.S_ISREG(found.st_mode):
            try:
                path.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                yield f"{path.name}: cannot be read: {told(error)}; save it as UTF-8"


def _wrong_weights(folder: Path, model: str) -> Iterator[str]:
    """Files that are missing, none, or torn: what each holds must be as much as its header says."""
    names = weights(folder, model)
    there = [name for name in names if (folder / name).exists() or (folder / name).is_symlink()]
    missing = [name for name in names if name not in there]
    if missing and (len(names) > 1 or missing != [WEIGHTS]):
        yield f"{missing[0]}: is named as a file with weights, and is not there; copy all of the model's files"
    for name in there:
        if not (folder / name).is_file():
            yield f"{name}: is no file; copy all of the model's files"
            continue
        try:
            with safe_open(folder / name, "np"):
                pass
        except Exception as error:
            yield f"{name}: cannot be loaded: {told(error)}; copy it anew"


def _wrong_config(config: Mapping[str, Any]) -> Iterator[str]:
    for key, value in _values(config):
        name = key.rpartition(".")[2]
        if "implementation" in name and any("/" in text for text in _texts(value)):
            yield f"{CONFIG}: {key} is {_short(value)}: code from a hub is not fetched, attention is ours; remove it"
        counted = isinstance(value, (int, float)) and _COUNT.search(name) and not _SIZE.search(name)
        if counted and abs(value) > MOST:
            yield f"{CONFIG}: {key} is {_short(value)}, no model has more than {MOST:,}; put the right number there"
    if "configuration_files" in config:  # of other versions, which nothing else knows of
        yield f"{CONFIG}: names other 'configuration_files', which are not read; remove it"
    for key, value in _contexts(config):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            yield f"{CONFIG}: {key} is {_short(value)}, must be a whole number of tokens, 1 at least"


def _contexts(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Where a configuration may say how long a text may be, and what it says there."""
    nested = config.get("text_config")
    for part, front in ((config, ""), (nested if isinstance(nested, dict) else {}, "text_config.")):
        for key in ("max_position_embeddings", "n_positions"):
            yield front + key, part.get(key)


def _wrong_generation(config: Mapping[str, Any]) -> Iterator[str]:
    ends = config.get("eos_token_id")
    for end in ends if isinstance(ends, list) else [ends]:
        if end is not None and (not isinstance(end, int) or isinstance(end, bool) or end < 0):
            yield f"{GENERATION}: eos_token_id is {_short(ends)}, must be a token's number, or a list of them"
            return


def _values(value: object, key: str = "") -> Iterator[tuple[str, Any]]:
    """All values that lie in mappings, and what mappings there are in lists, with their dotted keys."""
    waiting = [(key, value)]
    while waiting:
        at, each = waiting.pop()
        if isinstance(each, dict):
            waiting += [(f"{at}.{name}" if at else name, inner) for name, inner in each.items()]
        elif isinstance(each, list):
            waiting += [(at, inner) for inner in each if isinstance(inner, (dict, list))]
        if at:
            yield at, each


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + " ..."


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)


# ---- which file


def tokenizer_file(folder: Path) -> str:
    """The file that a tokenizer is made from first of all."""
    names = (TOKENIZER, "tokenizer.model", "tekken.json", "vocab.json", "vocab.txt")
    return next((name for name in names if (folder / name).exists()), "its tokenizer")


def template_file(folder: Path) -> str:
    """The file with the chat template."""
    return TEMPLATE if (folder / TEMPLATE).exists() else "tokenizer_config.json"
