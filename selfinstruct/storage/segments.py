"""Answers of rounds under way, kept beside the tables: `pending/<driver>-000003.parquet`, some answers a file.

A segment is put once, whole or not at all, and removed when all rounds that it has answers of are committed. It is
never the truth: one that is missing, torn, of other facts, or no segment at all costs its answers, which are asked for
again, and nothing in here raises for what lies in the folder. An answer names, beside its request's id, a key of all
that was asked (`key_of`): where a run was cut back and other requests came to have the same ids, it is of no use.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from selfinstruct import draws
from selfinstruct.errors import SelfInstructError
from selfinstruct.records import Completion, Finish, Request
from selfinstruct.storage.blobs import Blobs
from selfinstruct.storage.store import KEY, PENDING, encode
from selfinstruct.storage.tables import content_digest

FORMAT = 1
NAME = re.compile(r"[\w-]+-\d{6}\.parquet")

SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("request", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("finish", pa.string(), nullable=False),
        pa.field("prompt_tokens", pa.int32(), nullable=False),
        pa.field("completion_tokens", pa.int32(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion that is no failure, and the key of the request that it answers."""

    request: str
    completion: Completion


@dataclass(frozen=True, slots=True)
class Segment:
    """Some answers, and where they lie."""

    name: str  # in the folder
    answers: tuple[Answer, ...]


def key_of(request: Request) -> str:
    """A digest (hex) of all that a request asks, beside what the run's facts say."""
    return draws.key_of(request.id, request.kind, request.suffix, request.seed).hex()


def segment_name(driver: str, number: int) -> str:
    """`<driver>-000003.parquet`; `driver` is an id of letters and digits that no other process has."""
    return f"{driver}-{number:06d}.parquet"


def path_of(name: str) -> str:
    """The name with its folder."""
    return f"{PENDING}/{name}"


def encode_segment(answers: Sequence[Answer], fingerprint: str) -> bytes:
    """The bytes of a segment.

    Args:
        fingerprint: Fingerprint of the facts under which they were given.
    """
    columns = [
        [each.completion.request_id for each in answers],
        [each.request for each in answers],
        [each.completion.text for each in answers],
        [str(each.completion.finish) for each in answers],
        [each.completion.prompt_tokens for each in answers],
        [each.completion.completion_tokens for each in answers],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    rows = pa.Table.from_arrays(arrays, schema=SCHEMA)
    head = {"format": FORMAT, "fingerprint": fingerprint, "content": content_digest(rows)}
    return encode(rows, json.dumps(head, sort_keys=True).encode())


def decode_segment(data: bytes, fingerprint: str | None = None) -> tuple[Answer, ...]:
    """The answers of a segment, of these facts if a fingerprint is given.

    Raises:
        ValueError, or whatever pyarrow raises: it is torn, of other facts, or no segment.
    """
    with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        head = json.loads((file.metadata.metadata or {})[KEY])
        rows = file.read().replace_schema_metadata(None)
    if head["format"] != FORMAT or not rows.schema.equals(SCHEMA) or head["content"] != content_digest(rows):
        raise ValueError("it is not what was written")
    if fingerprint is not None and head["fingerprint"] != fingerprint:
        raise ValueError("it was written under other facts")
    return tuple(
        Answer(request, Completion(id, text, Finish(finish), prompt_tokens, completion_tokens))
        for id, request, text, finish, prompt_tokens, completion_tokens in zip(
            *(column.to_pylist() for column in rows.columns), strict=True
        )
    )


def names(blobs: Blobs) -> list[str]:
    """What lies in the folder and may be a segment by its name; nothing if the store does not tell."""
    with contextlib.suppress(SelfInstructError):
        return [name for name in blobs.names(PENDING) if NAME.fullmatch(name)]
    return []


def read_segments(blobs: Blobs, fingerprint: str | None = None) -> Iterator[Segment]:
    """The segments that can be read, and are of these facts if a fingerprint is given."""
    for name in names(blobs):
        with contextlib.suppress(Exception):  # damaged bytes make pyarrow raise nearly anything
            yield Segment(name, decode_segment(blobs.get(path_of(name)), fingerprint))


def write_segment(blobs: Blobs, segment: Segment, fingerprint: str) -> bool:
    """Whether it is there now. The store may refuse, be full or not answer: a run goes on without."""
    data = encode_segment(segment.answers, fingerprint)
    with contextlib.suppress(SelfInstructError):
        return blobs.put(path_of(segment.name), data, patient=False)
    return False


def remove_segment(blobs: Blobs, name: str) -> None:
    """Remove one, if the store lets it go."""
    with contextlib.suppress(SelfInstructError):
        blobs.remove(path_of(name))
