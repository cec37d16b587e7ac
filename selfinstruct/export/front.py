"""The card's front matter: what the hub and `datasets` read of it. Values in, YAML out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from selfinstruct.export.contents import Contents, Written
from selfinstruct.export.forms import FORMS, LINES, ORIGINAL, PREFERENCE
from selfinstruct.export.rows import TEXTS
from selfinstruct.records import Origin

_CREATORS = {Origin.MODEL: "machine-generated", Origin.IMPORTED: "found", Origin.SEED: "expert-generated"}
_SOURCES = {Origin.MODEL: "original", Origin.IMPORTED: "extended", Origin.SEED: "original"}

_COLUMNS = {ORIGINAL: ("default", [name for name in TEXTS if name != "is_classification"])}
"""Configs that are some columns of another's files."""


def front_matter(contents: Contents) -> str:
    """The YAML between the two lines of dashes.

    `datasets` takes all configs to have one file format, so a form that is written as JSON lines is either some columns
    of another one's Parquet or no config at all. It caches what it has read of a local folder under the folder's name
    and the configs as they stand here, whatever the files hold: without the edition in them it would give old rows
    after a newer export. It holds what it reads to the numbers of rows that stand here.
    """
    from huggingface_hub import DatasetCardData

    creators = [_CREATORS[origin] for origin in contents.origins]
    found = ["found"] if contents.licences.documents and "found" not in creators else []
    data = DatasetCardData(
        language=list(contents.languages) or None,
        license=contents.licences.dataset,
        annotations_creators=creators,
        language_creators=creators + found,
        size_categories=[_size(sum(contents.rows.values()))],
        source_datasets=list(dict.fromkeys(_SOURCES[origin] for origin in contents.origins)),
        task_categories=["text-generation"],
        pretty_name=contents.short,
        tags=["self-instruct", "instruction-tuning", "synthetic"],
        configs=[_config(form, splits, contents.edition) for form, splits in _configs(contents)],
        dataset_info=[_info(form, splits, contents.written) for form, splits in _configs(contents)],
    )
    return data.to_yaml()


def _configs(contents: Contents) -> Iterator[tuple[str, Sequence[str]]]:
    """Names and splits."""
    yield from ((form, list(contents.rows)) for form in FORMS if form not in LINES or form in _COLUMNS)
    if contents.pairs:
        yield PREFERENCE, list(contents.pairs.rows)


def _config(form: str, splits: Sequence[str], edition: str) -> dict[str, Any]:
    files, columns = _COLUMNS.get(form, (form, None))
    return {
        "config_name": form,
        "description": f"edition {edition}",
        "data_files": [{"split": split, "path": f"{files}/{split}/*.parquet"} for split in splits],
        **({"columns": columns} if columns else {}),
        **({"default": True} if form == "default" else {}),
    }


def _info(form: str, splits: Sequence[str], written: Mapping[str, Mapping[str, Written]]) -> dict[str, Any]:
    files, _ = _COLUMNS.get(form, (form, None))
    of = written[form]
    return {
        "config_name": form,
        "features": features(of[splits[0]].schema),
        "splits": [{"name": split, "num_bytes": of[split].memory, "num_examples": of[split].rows} for split in splits],
        "download_size": sum(written[files][split].files for split in splits),
        "dataset_size": sum(of[split].memory for split in splits),
    }


def features(schema: Any) -> list[dict[str, Any]]:
    """The columns of an Arrow schema, or the fields of a struct, as `datasets` writes them on cards."""
    return [{"name": field.name, **_feature(field.type)} for field in schema]


def _feature(kind: Any) -> dict[str, Any]:
    if not pa.types.is_list(kind):
        return {"dtype": {"double": "float64"}.get(str(kind), str(kind))}
    of = kind.value_type
    return {"list": features(of) if pa.types.is_struct(of) else _feature(of)["dtype"]}


def _size(rows: int) -> str:
    steps = ["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B"]
    return steps[min(max(0, len(str(rows)) - 3), len(steps) - 1)]
