"""The rows in the forms that tools are trained with: one form, one config of the dataset. Arrow in, Arrow out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from selfinstruct.export.rows import PROVENANCE

ORIGINAL = "original"
"""The form of the original release: JSON lines with instruction, input and output, and nothing else."""


def default(rows: Any) -> Any:
    """All columns as they are."""
    return rows


def messages(rows: Any) -> Any:
    """A conversation of a user, whose words are instruction and input, and an assistant."""
    asked = _asked(rows, "", "\n\n", "")
    count = len(rows)
    turns = pa.StructArray.from_arrays(
        [
            pa.array(["user", "assistant"] * count, pa.string()),
            pc.take(pa.concat_arrays([asked, _whole(rows["output"])]), _alternating(count)),
        ],
        names=["role", "content"],
    )
    conversations = pa.ListArray.from_arrays(pa.array(range(0, 2 * count + 1, 2), pa.int32()), turns)
    return pa.table({"messages": conversations, **_provenance(rows)})


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


FORMS: Mapping[str, Callable[[Any], Any]] = {
    "default": default,
    "messages": messages,
    "prompt_completion": prompt_completion,
    "alpaca": alpaca,
    ORIGINAL: original,
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
    return {name: rows[name] for name in PROVENANCE}
