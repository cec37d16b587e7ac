"""A novelty index as a file: ids and texts in their order, as Parquet, with the settings in its footer.

The index itself is made again from the texts, so a file outlives changes of how an index is built. It is written whole
or not at all, and a digest over settings, ids and texts tells whether it is what was written.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args, get_type_hints

from selfinstruct.errors import CorruptError, InputError
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.run.facts import ANY_SCRIPT
from selfinstruct.storage.blobs import Blobs, open_blobs

FORMAT = 1
KEY = b"selfinstruct.index"


@dataclass(frozen=True, slots=True)
class SavedIndex:
    """What a file holds."""

    settings: NoveltySettings
    offered: int  # texts that were judged until then, the rejected ones too
    held: Sequence[tuple[str, str]]  # ids and texts in the order of their ordinals


def write_index(path: str, saved: SavedIndex) -> None:
    """Write a file, in place of an older one of an index with the same settings.

    Raises:
        InputError: something else is there under this name, or the place cannot be written.
        FailureError: the disk or the store failed.
    """
    blobs, name = _place(path)
    if blobs.exists(name):
        try:
            with blobs.open(name) as source:
                head = _head(path, source)
        except (CorruptError, KeyError):
            raise InputError(f"{path}: is there already, and is no saved index; name another file") from None
        check_settings(path, asdict(saved.settings), _settings(path, head))
    blobs.replace(name, _encode(saved))


def read_index(path: str) -> SavedIndex:
    """Read a file.

    Raises:
        InputError: there is none, or a newer version wrote it.
        CorruptError: it is damaged, or something else.
    """
    import pyarrow as pa

    blobs, name = _place(path)
    try:
        data = blobs.get(name)
    except KeyError:
        raise InputError(f"{path}: there is no saved index; `NoveltyIndex.save` writes one") from None
    head = _head(path, pa.BufferReader(data))
    with _damaged(path):
        held = _rows(data)
        if _digest(head, held) != head["digest"]:
            raise ValueError("its content is not what was written")
    return SavedIndex(_settings(path, head), head["offered"], held)


def check_settings(path: str, wanted: Mapping[str, Any], settings: NoveltySettings) -> None:
    """InputError, naming them, for wanted values that are not those of the file's index."""
    there = asdict(settings)
    if different := [key for key, value in wanted.items() if there[key] != value]:
        raise InputError(
            *(f"{path}: the index was saved with {key} {there[key]!r}, not {wanted[key]!r}" for key in different)
        )


def _place(path: str) -> tuple[Blobs, str]:
    folder, slash, name = path.rpartition("/")
    if not name:
        raise InputError(f"{path or 'NoveltyIndex'}: must be the name of a file, for example novelty.index")
    return open_blobs(folder or slash or "."), name


def _encode(saved: SavedIndex) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    head: dict[str, Any] = {"format": FORMAT, "settings": asdict(saved.settings), "offered": saved.offered}
    if saved.settings.any_script:
        head["tokeniser"] = ANY_SCRIPT
    columns = (pa.array((pair[at] for pair in saved.held), pa.string()) for at in (0, 1))
    rows = pa.table(dict(zip(("id", "text"), columns, strict=True)))
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, rows.schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({KEY: json.dumps(head | {"digest": _digest(head, saved.held)}).encode()})
    return sink.getvalue()


def _head(path: str, source: Any) -> dict[str, Any]:
    """What an open file's footer says."""
    import pyarrow.parquet as pq

    with _damaged(path):
        head: dict[str, Any] = json.loads(pq.read_metadata(source).metadata[KEY])
        newer = head["format"] > FORMAT
    if newer:
        raise _newer(path)
    return head


def _settings(path: str, head: Mapping[str, Any]) -> NoveltySettings:
    given, hints = head["settings"], get_type_hints(NoveltySettings)
    allowed = {field.name: get_args(hints[field.name]) for field in fields(NoveltySettings)}
    if any(key not in allowed or (allowed[key] and value not in allowed[key]) for key, value in given.items()):
        raise _newer(path)
    settings = NoveltySettings(**given)
    if settings.any_script and (tokeniser := head.get("tokeniser", 1)) != ANY_SCRIPT:
        if tokeniser > ANY_SCRIPT:
            raise _newer(path)
        raise InputError(
            f"{path}: was saved when words were told otherwise; give its texts (Parquet, column 'text') to a new index"
        )
    return settings


def _newer(path: str) -> InputError:
    return InputError(f"{path}: was saved by a newer version of selfinstruct; open it with that one")


def _rows(data: bytes) -> list[tuple[str, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        rows = file.read()
    return list(zip(*(rows[name].to_pylist() for name in ("id", "text")), strict=True))


def _digest(head: Mapping[str, Any], held: Sequence[tuple[str, str]]) -> str:
    digest = hashlib.sha256(json.dumps({**head, "digest": None}, sort_keys=True).encode())
    for pair in held:
        for value in pair:
            data = value.encode()
            digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


@contextmanager
def _damaged(path: str) -> Iterator[None]:
    """Damaged bytes make pyarrow raise nearly anything; all of it is a CorruptError that names the file."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CorruptError(f"{path}: is damaged, or no saved index: {reason}") from error
