"""Texts as vectors by a table: the mean of the rows of a text's tokens.

A pure function of the table's two files, bit by bit. A table's numbers become whole ones (float16, which the shipped
one has, loses at most its last bit), and sums of whole numbers are the same in any order. A model that computes
in floating point gives other last bits on another machine; that is why only the shipped table may have a say in what
enters a run, and any other encoder measures and selects.

The shipped table is that of the package wordllama (MIT licence): 32,000 tokens, 256 dimensions. Its two files are read
where pip has put them; the package itself is not imported, and nothing is fetched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from selfinstruct.errors import InputError
from selfinstruct.semantic.vectors import BITS, Vectors, rounded, whole

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACKAGE = "wordllama"
WEIGHTS = "wordllama/weights/l2_supercat_256.safetensors"
TOKENIZER = "wordllama/tokenizers/l2_supercat_tokenizer_config.json"
DIGESTS = {
    WEIGHTS: "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
    TOKENIZER: "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
}
"""SHA-256 of the files of the shipped table; other files would be another table."""

INSTALL = "pip install 'selfinstruct[semantic]'"

_AT_ONCE = 1024  # texts
_LONGEST = 2**20  # tokens of a text: sums of their rows stay far below 2^63


@dataclass(frozen=True, slots=True)
class StaticTable:
    """A row of whole numbers for each token.

    Implements `encoders.Encoder`.
    """

    name: str
    digest: str  # of its files
    rows: NDArray[np.int32]  # below 2^26 in size
    tokenizer: Tokenizer
    unknown: int | None  # the token for what the tokenizer does not know; it says nothing

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A vector for each text, whatever other texts there are. White space counts as one space.

        A text of which no token is known (an empty one, say) is a vector of zeros.
        """
        found = np.zeros((len(texts), self.rows.shape[1]), np.int8)
        for at in range(0, len(texts), _AT_ONCE):
            found[at : at + _AT_ONCE] = rounded(self._means(texts[at : at + _AT_ONCE]))
        return found

    def _means(self, texts: Sequence[str]) -> NDArray[np.int64]:
        plain = [" ".join(text.split()) for text in texts]
        encoded = self.tokenizer.encode_batch_fast(plain, add_special_tokens=False)
        ids = [[id for id in each.ids if id != self.unknown][:_LONGEST] for each in encoded]
        means = np.zeros((len(texts), self.rows.shape[1]), np.int64)
        for at, known in enumerate(ids):
            if known:
                means[at] = self.rows[known].sum(axis=0, dtype=np.int64) // len(known)
        return means


def shipped_table() -> StaticTable:
    """The table of the package wordllama.

    Raises:
        InputError: the package is not installed, or its files are others.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise InputError(f"embedding: needs the table of {PACKAGE}, which is not installed; {INSTALL}") from None
    weights, tokenizer = (_read(Path(str(package.locate_file(name))), name) for name in DIGESTS)
    return _table(PACKAGE, weights, "embedding.weight", tokenizer)


def read_table(folder: Path) -> StaticTable:
    """The table of a folder in model2vec's form: model.safetensors and tokenizer.json.

    Its `embeddings` are one row a token; where there are `weights`, each row is times its own, and where there is a
    `mapping`, it says which row is a token's.

    Raises:
        InputError: a file is missing, or holds something else.
    """
    files = [folder / "model.safetensors", folder / "tokenizer.json"]
    try:
        weights, tokenizer = (path.read_bytes() for path in files)
        return _table(folder.resolve().name, weights, "embeddings", tokenizer)
    except OSError as error:
        raise InputError(f"--embedding: {error.filename}: {error.strerror}") from error
    except Exception as error:  # what is no such file makes the two libraries raise anything
        text = " ".join(str(error).split())
        raise InputError(f"--embedding: {folder}: is no table of model2vec's form: {text}") from error


def _read(path: Path, name: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"embedding: {path}: {error.strerror}; {INSTALL}") from error
    if hashlib.sha256(data).hexdigest() != DIGESTS[name]:
        raise InputError(f"embedding: {path}: is not the table that is known here; {INSTALL}")
    return data


def _table(name: str, weights: bytes, key: str, tokenizer: bytes) -> StaticTable:
    from safetensors.numpy import load
    from tokenizers import Tokenizer

    tensors = load(weights)
    rows = tensors[key]
    if rows.ndim != 2 or rows.shape[1] > 2 ** (62 - 2 * BITS + 1) or not np.isfinite(rows).all():
        raise ValueError(f"{key} is no matrix of finite numbers with up to 2,048 columns")
    if "mapping" in tensors:
        rows = rows[tensors["mapping"]]
    if "weights" in tensors:
        rows = rows.astype(np.float64) * tensors["weights"].astype(np.float64)[:, None]
    found = Tokenizer.from_str(tokenizer.decode())
    if found.get_vocab_size() > len(rows):
        raise ValueError(f"{found.get_vocab_size():,} tokens and {len(rows):,} rows")
    found.no_padding()
    found.no_truncation()
    digest = hashlib.sha256(weights + tokenizer).hexdigest()
    return StaticTable(name, digest, whole(rows).astype(np.int32), found, _unknown(tokenizer, found))


def _unknown(tokenizer: bytes, found: Tokenizer) -> int | None:
    model: dict[str, Any] = json.loads(tokenizer)["model"]
    token = model.get("unk_token")
    return found.token_to_id(token) if token is not None else model.get("unk_id")
