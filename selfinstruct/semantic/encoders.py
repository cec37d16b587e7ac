"""The encoder of a name: the shipped table, a folder in model2vec's form, or a model of sentence-transformers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from selfinstruct.errors import InputError
from selfinstruct.semantic.table import read_table, shipped_table
from selfinstruct.semantic.vectors import Vectors, rounded, whole

PARTS = "modules.json"
"""Stands in every folder of sentence-transformers."""


class Encoder(Protocol):
    """Makes vectors of texts."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def digest(self) -> str:
        """Of what its vectors depend on."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A vector for each text."""
        ...


def open_encoder(folder: Path | None = None) -> Encoder:
    """The shipped table, or the encoder of a folder.

    Raises:
        InputError: it cannot be read, or needs a package that is not installed.
    """
    if folder is None:
        return shipped_table()
    if not folder.is_dir():
        raise InputError(
            f"--embedding: there is no folder {folder}; name one of sentence-transformers or model2vec, or leave it out"
        )
    return _sentence_model(folder) if _computes(folder) else read_table(folder)


@dataclass(frozen=True, slots=True)
class SentenceModel:
    """A model of sentence-transformers. Its last bits may differ from machine to machine."""

    name: str
    digest: str
    model: Any

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A vector for each text; of one that is empty but for white space, zeros."""
        plain = [" ".join(text.split()) for text in texts]
        found = np.asarray(self.model.encode(plain, convert_to_numpy=True, show_progress_bar=False), np.float64)
        says = np.array([bool(text) for text in plain])
        rows = [rounded(whole(row)[None, :]) * says[at] for at, row in enumerate(found)]
        return np.concatenate(rows) if rows else np.zeros((0, 1), np.int8)


def _computes(folder: Path) -> bool:
    """Whether a folder is a model; one of model2vec's may have the list of parts, too, for sentence-transformers."""
    parts = folder / PARTS
    return parts.exists() and "StaticEmbedding" not in parts.read_text(encoding="utf-8", errors="replace")


def _sentence_model(folder: Path) -> SentenceModel:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise InputError(
            f"--embedding: {folder} needs sentence-transformers, which is not installed ({error}); pip install"
            " sentence-transformers"
        ) from error
    model = SentenceTransformer(str(folder), local_files_only=True)
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return SentenceModel(folder.resolve().name, digest.hexdigest(), model)
