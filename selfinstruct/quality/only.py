"""Rows by an expression over their columns and a check's judgements: `checks.all == yes and len(output) < 500`.

A file of ids may stand before it, or alone: `chosen.parquet and checks.all == yes`. Its rows name instances, or
instructions, all of whose instances are meant (`selfinstruct select` writes one).

Expressions are evaluated by simpleeval, which knows comparisons, arithmetic, `and`, `or`, `not` and `in`, and reaches
nothing but the names below. What people wrote (round 0) is not asked: it comes or goes by options of its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

from selfinstruct.errors import InputError
from selfinstruct.records import CHECKS, Judgement, Table
from selfinstruct.sources.texts import optional_text, read_rows, required_text
from selfinstruct.steps.judging import overall
from selfinstruct.steps.rubric import ALL
from selfinstruct.storage.checks import the_check
from selfinstruct.storage.store import RunStore

COLUMNS = ("id", "round", "instruction_id", "instruction", "is_classification", "input", "output", "origin")
"""What an expression may name of a row, beside `checks.<question>` and `checks.all`."""

LONGEST = 2_000
"""Characters of an expression."""

_WORDS = {each.value: each.value for each in Judgement} | {"true": True, "false": False, "null": None}
_FUNCTIONS = {"len": len}
_SHOWN = "checks.all == yes"
_FILE = re.compile(r"""([^'"]+?\.(?:parquet|jsonl|json)(?:\.(?:gz|zst|bz2))?)(?:\s+and\s+(.+))?""", re.DOTALL)


class Only:
    """Says which rows of a run a file of ids, an expression, or both let pass.

    Args:
        text: The expression, the file, or `FILE and EXPRESSION`.
        store: The run.
        check: Name of the check that `checks` means, where there are several.

    Attributes:
        expression: What was given, without the file's folder.
        check: That check; None where the expression names none.

    Raises:
        InputError: the expression cannot be read or names what there is not, or there is no such check, or no such
            file of ids.
    """

    def __init__(self, text: str, store: RunStore, check: str | None = None) -> None:
        self._store = store
        file, expression = _parts(text)
        self.expression = text if file is None else text.replace(file, PurePath(file).name)
        self._file = file
        self._chosen = read_ids(file) if file is not None else None
        self._rest = expression
        self._parsed = _parsed(expression)
        names, keys = _names(self._parsed)
        self.check = the_check(store, check) if CHECKS in names else None
        known = {*COLUMNS, *_WORDS, *_FUNCTIONS, CHECKS}
        if unknown := sorted(names - known):
            raise InputError(
                f"--only: there is no {unknown[0]!r}; there are {', '.join(COLUMNS)} and checks.<question>"
            )
        asked = (*self.check.questions, ALL) if self.check else ()
        if self.check and (unknown := sorted(keys - {*asked})):
            raise InputError(
                f"--only: the check {self.check.name} asks no {unknown[0]!r}; give one of"
                f" {', '.join(f'checks.{key}' for key in asked)}"
            )

    def ids(self, number: int) -> set[str]:
        """Ids of the accepted instances of a round that pass; of round 0 all.

        Raises:
            InputError: the expression cannot be computed of a row, or an id of the file is another instruction's here.
            CorruptError: a file is damaged.
        """
        rows = self._store.read_columns(Table.INSTANCES, number, COLUMNS, accepted_only=True).to_pylist()
        if number == 0:
            return {row["id"] for row in rows}
        if self._chosen is not None:
            rows = [row for row in rows if self._is_chosen(row, self._chosen)]
        judged = self._judged(number)
        evaluator = SimpleEval(functions=_FUNCTIONS)
        return {row["id"] for row in rows if self._passes(evaluator, row, judged.get(row["id"]))}

    def _is_chosen(self, row: Mapping[str, Any], chosen: Mapping[str, str]) -> bool:
        id = row["instruction_id"]
        if chosen.get(id, "") not in ("", row["instruction"]):
            raise InputError(
                f"--only: {self._file} has another text for {id} than {self._store.blobs.url}; it was chosen from"
                " another run"
            )
        return id in chosen or row["id"] in chosen

    def _judged(self, number: int) -> dict[str, tuple[Judgement, ...]]:
        if self.check is None or number not in self.check.rounds():
            return {}
        return {row.id: row.judgements for row in self.check.read(number)}

    def _passes(self, evaluator: SimpleEval, row: Mapping[str, Any], said: tuple[Judgement, ...] | None) -> bool:
        names: dict[str, Any] = {**_WORDS, **row}
        if self.check:
            judgements = map(str, (*said, overall([Judgement(each) for each in said]))) if said else ()
            keys = (*self.check.questions, ALL)
            names[CHECKS] = dict(zip(keys, judgements, strict=True)) if said else dict.fromkeys(keys)
        evaluator.names = names
        try:
            return bool(evaluator.eval(self._rest, self._parsed))
        except (InvalidExpression, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise InputError(f"--only: {self._rest!r} cannot be computed of row {row['id']}: {error}") from error


def _parts(text: str) -> tuple[str | None, str]:
    """The file of ids in an option's text, and its expression; without one, one that everything passes."""
    found = _FILE.fullmatch(text.strip())
    return (found[1], found[2] or "true") if found else (None, text)


def read_ids(file: str) -> dict[str, str]:
    """The ids of a file (.parquet, .jsonl, .json), with the texts that it has for them, empty where it has none.

    Raises:
        InputError: it cannot be read or holds no ids.
    """

    def entry(values: Mapping[str, Any]) -> tuple[str, str]:
        return required_text(values, "id"), optional_text(values, "text")

    return dict(entry(row.values) for row in read_rows([file], "id", ["id", "text"]))


def _parsed(expression: str) -> ast.AST:
    try:
        if len(expression) > LONGEST:
            raise ValueError(f"it has more than {LONGEST:,} characters")
        parsed: ast.AST = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problem = error.msg if isinstance(error, SyntaxError) else str(error)
        raise InputError(f"--only: {expression[:60]!r} is no expression ({problem}); an example: {_SHOWN}") from error
    return parsed


def _names(parsed: ast.AST) -> tuple[set[str], set[str]]:
    """The names of an expression, and those after `checks.`."""
    names = {node.id for node in ast.walk(parsed) if isinstance(node, ast.Name)}
    keys = {
        node.attr
        for node in ast.walk(parsed)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == CHECKS
    }
    return names, keys


def only_where(expression: str | None, store: RunStore, check: str | None = None) -> Only | None:
    """The choice that the options `--only` and `--check` ask for (`settings.OnlySettings`). Raises as `Only`."""
    return Only(expression, store, check) if expression is not None else None
