"""The rows in the forms that tools are trained with: one form, one config of the dataset. Arrow in, Arrow out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from selfinstruct.export.rows import CONSTRAINT, DOCUMENT, PASS_RATE, POLISHER, PROVENANCE, THOUGHT

ORIGINAL = "original"
"""The form of the original release: instruction, input and output, and nothing else."""

OPENAI = "openai"
"""The form that OpenAI's fine-tuning takes: messages, and nothing else."""

LINES = (ORIGINAL, OPENAI)
"""The forms that are written as JSON lines; all others are Parquet."""

REASONING = "reasoning_content"
"""Where chat templates look for what an assistant thought."""


def default(rows: Any) -> Any:
    """All columns as they are."""
    return rows


def messages(rows: Any) -> Any:
    """A conversation of a user, whose words are instruction and input, and an assistant, with its thoughts if the rows
    have a column of them."""
    columns = _both(rows, "role", "content", ("user", "assistant"))
    if THOUGHT in rows.column_names:
        both = pa.concat_arrays([pa.nulls(len(rows), pa.string()), _whole(rows[THOUGHT])])
        columns[REASONING] = pc.take(both, _alternating(len(rows)))
    return pa.table({"messages": _turns(columns, 2), **_provenance(rows)})


def conversations(rows: Any) -> Any:
    """The same as ShareGPT's files have it, without thoughts."""
    return pa.table({"conversations": _turns(_both(rows, "from", "value", ("human", "gpt")), 2), **_provenance(rows)})


def openai(rows: Any) -> Any:
    """The messages alone, without thoughts."""
    return pa.table({"messages": _turns(_both(rows, "role", "content", ("user", "assistant")), 2)})


def _both(rows: Any, role: str, content: str, names: tuple[str, str]) -> dict[str, Any]:
    """Who says something, and what, of a turn each of a user and an assistant."""
    said = pa.concat_arrays([asked(rows), _whole(rows["output"])])
    return {role: pa.array(names * len(rows), pa.string()), content: pc.take(said, _alternating(len(rows)))}


def asked(rows: Any) -> Any:
    """What a user says: the instruction, and after an empty line the input where there is one."""
    return _asked(rows, "", "\n\n", "")


def user(words: Any) -> Any:
    """Conversations of one turn of a user."""
    return _turns({"role": pa.array(["user"] * len(words), pa.string()), "content": words}, 1)


def assistant(rows: Any) -> Any:
    """Conversations of one turn of an assistant: the rows' outputs, with thoughts as in `messages`."""
    columns = {"role": pa.array(["assistant"] * len(rows), pa.string()), "content": _whole(rows["output"])}
    if THOUGHT in rows.column_names:
        columns[REASONING] = _whole(rows[THOUGHT])
    return _turns(columns, 1)


def _turns(columns: Mapping[str, Any], each: int) -> Any:
    """Messages, so many a row, as a list column."""
    messages = pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
    return pa.ListArray.from_arrays(pa.array(range(0, len(messages) + 1, each), pa.int32()), messages)


def prompt_completion(rows: Any) -> Any:
    """A text to go on from and how it goes on, in one of the paper's templates (section 2.3)."""
    prompt = _asked(rows, "Task: ", "\n\nInput: ", "\n\nOutput:")
    completion = pc.binary_join_element_wise("", _whole(rows["output"]), " ")
    return pa.table({"prompt": prompt, "completion": completion, **_provenance(rows)})


def alpaca(rows: Any) -> Any:
    """Instruction, input and output, as Stanford Alpaca's file names them."""
    return pa.table({name: rows[name] for name in ("instruction", "input", "output")} | _provenance(rows))


def original(rows: Any) -> Any:
    """The three columns of the original release's `all_instances_82K.jsonl`."""
    return rows.select(["instruction", "input", "output"])


PREFERENCE = "preference"
"""The form of pairs (`samples.Pairs`): other rows than those of all other forms."""

FORMS: Mapping[str, Callable[[Any], Any]] = {
    "prompt_completion": prompt_completion,
    "messages": messages,
    "conversations": conversations,
    "alpaca": alpaca,
    "default": default,
    ORIGINAL: original,
    OPENAI: openai,
}


def _asked(rows: Any, before: str, between: str, after: str) -> Any:
    """The instruction, and the input where there is one."""
    instruction, given = _whole(rows["instruction"]), _whole(rows["input"])
    both = pc.binary_join_element_wise(instruction, given, between)
    text = pc.if_else(pc.equal(given, ""), instruction, both)
    return pc.binary_join_element_wise(before, text, after, "")


def _whole(column: Any) -> Any:
    """A column as one array of strings."""
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def _alternating(count: int) -> Any:
    """0, count, 1, count + 1, ..."""
    return pa.array(np.arange(2 * count).reshape(2, count).T.ravel())


def _provenance(rows: Any) -> dict[str, Any]:
    return {
        name: rows[name]
        for name in (*PROVENANCE, *POLISHER, CONSTRAINT, *DOCUMENT, PASS_RATE)
        if name in rows.column_names
    }
