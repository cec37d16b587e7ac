"""The one reader of YAML under any bytes: what comes is a value or an `InputError` of single lines, nothing else."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.settings import GenerateSettings
from selfinstruct.errors import InputError
from selfinstruct.recipes import read_recipe
from selfinstruct.settings import with_options
from selfinstruct.sources.options import kinds_of, named_values, read_options
from selfinstruct.sources.yaml_files import parse_yaml, read_yaml

KINDS = kinds_of(GenerateSettings)
PIECES = [
    *(
        "target",
        "rounds",
        "lag",
        "screen.banned",
        "seed",
        "model",
        "vllm",
        "args",
        "check_pool",
        "version",
        "<<",
        "=",
        "?",
    ),
    *(
        "010",
        "1:30",
        "0x1F",
        "1_000",
        "1e999",
        "-.inf",
        ".nan",
        "~",
        "null",
        "yes",
        "Off",
        "true",
        "2024-01-01",
        "-0",
        ".",
    ),
    *(
        ": ",
        ":",
        ", ",
        "\n",
        "\n  ",
        "\n\t",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "? ",
        "|\n  ",
        ">-\n",
        "#",
        "--- ",
        "\n---\n",
        "...\n",
    ),
    *(
        "&a ",
        "*a",
        "!!binary ",
        "!!python/name:os.system ",
        "!<%ff> ",
        "! ",
        "%YAML 1.99\n",
        "%TAG ! tag:x\n",
        "@",
        "`",
    ),
    *(
        "'",
        '"',
        '"\\ud83d"',
        '"\\UFFFFFFFF"',
        '"\\0"',
        "\0",
        "\x85",
        "\u2028",
        "\ufeff",
        "\ud83d",
        "\N{GRINNING FACE}",
        "9" * 99,
    ),
]
SOUP = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
ANY_BYTES = st.one_of(st.binary(max_size=200), SOUP.map(lambda text: text.encode("utf-8", "surrogatepass")))


def problems_of(do: Callable[[], object]) -> Sequence[str]:
    """The lines with which something is refused, if it is."""
    try:
        do()
    except InputError as error:
        return error.problems
    return ()


@given(ANY_BYTES)
def test_whatever_bytes_a_file_holds(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "options.yaml"
        path.write_bytes(data)
        problems = problems_of(lambda: with_options(GenerateSettings(), read_options(read_yaml(path), KINDS)))
        for problem in (*problems, *problems_of(lambda: read_recipe(path))):
            assert problem.startswith(str(path))
            assert "\n" not in problem
            assert len(problem) < 400 + len(folder)


@given(SOUP)
def test_whatever_text_a_value_has(text: str) -> None:
    given = [f"name={text}"]
    for problem in problems_of(lambda: json.dumps(named_values("vllm.args", given), allow_nan=False)):
        assert problem.startswith("--vllm.args: ")
        assert "\n" not in problem


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**38), 10**38)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(SCALARS, lambda below: st.lists(below) | st.dictionaries(TEXTS.filter(len), below), max_leaves=10)


@given(VALUES, st.booleans())
def test_json_is_read_as_json_has_it(value: Any, escaped: bool) -> None:
    text = json.dumps(value)
    assert parse_yaml(text, str).plain == json.loads(text)
    if all(char.isprintable() for char in json.dumps(value, ensure_ascii=False)):  # YAML takes no others unescaped
        assert parse_yaml(json.dumps(value, ensure_ascii=False), str).plain == value


@given(
    st.dictionaries(
        st.sampled_from(sorted(KINDS)), st.none() | st.booleans() | st.integers(0, 9) | TEXTS | st.lists(TEXTS)
    )
)
def test_options_are_of_their_kind_or_refused(values: dict[str, Any]) -> None:
    node = parse_yaml(json.dumps(values), str)
    if problems := problems_of(lambda: read_options(node, KINDS)):
        assert all(problem.count("takes") + problem.count("must be") == 1 for problem in problems)
        return
    options = read_options(node, KINDS)
    assert options.keys() == {key for key, value in values.items() if value is not None}
    for key, value in options.items():
        if KINDS[key].type in (bool, int, float, str, Path):
            assert isinstance(value, KINDS[key].type)
            assert isinstance(value, bool) == (KINDS[key].type is bool)


def test_lines_are_those_of_the_keys() -> None:
    node = parse_yaml("a: 1\n\nb:\n  c:\n    - x\n    - y\n  d: |\n    text\n", lambda line: f"line {line}")
    assert isinstance(node.value, dict)
    b = node.value["b"].value
    assert isinstance(b, dict)
    assert [each.place for each in (*node.value.values(), *b.values())] == ["line 1", "line 3", "line 4", "line 7"]
    assert [each.key for each in b.values()] == ["b.c", "b.d"]
    assert node.plain == {"a": 1, "b": {"c": ["x", "y"], "d": "text\n"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("12", 12), ("-0", 0), ("+7", 7), ("1_000", 1000), ("0", 0), ("1e3", 1000.0), (".5", 0.5), ("-2.", -2.0)),
        *(("true", True), ("False", False), ("NULL", None), ("~", None), ("", None), ("nUll", "nUll"), ("y", "y")),
        *(
            ("2024-01-01", "2024-01-01"),
            ("=", "="),
            ("a b", "a b"),
            ("'010'", "010"),
            ('"no"', "no"),
            ("1.2.3", "1.2.3"),
        ),
        *(("12:34:99", "12:34:99"), ("0xyz", "0xyz"), ("_1", "_1"), ("1_", "1_"), ("> \n a\n b\n", "a b\n")),
    ],
)
def test_what_a_plain_text_is(text: str, value: object) -> None:
    read = parse_yaml(text, str).plain
    assert (read, type(read)) == (value, type(value))
