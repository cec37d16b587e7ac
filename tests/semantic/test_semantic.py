"""Vectors of texts: exact, the same whatever stands beside them, and refused where they would be others."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from fractions import Fraction
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

import selfinstruct.semantic.table as table
from selfinstruct.errors import InputError
from selfinstruct.semantic.cells import CELLS, cells_of, centres, nearest
from selfinstruct.semantic.encoders import open_encoder
from selfinstruct.semantic.make_cells import make_cells
from selfinstruct.semantic.table import StaticTable, shipped_table
from selfinstruct.semantic.vectors import LENGTH, Vectors, dots, rounded, squares, whole

TEXTS = [
    "Write a poem about the sea.",
    "Compose a verse on the ocean.",
    "Convert 30 degrees Celsius to Fahrenheit.",
    "数え上げてください。",
    "Zähle die Wörter.",
]
DIGEST = "5c2f01fa3f86ee181434af45d932eff2dc685346665742d685030867f67ee931"
"""Of the vectors of `TEXTS` by the shipped table: the same on every machine."""


@pytest.fixture(scope="module")
def shipped() -> StaticTable:
    return shipped_table()


matrices = st.integers(1, 40).flatmap(
    lambda width: st.lists(st.lists(st.integers(-127, 127), min_size=width, max_size=width), min_size=1, max_size=6)
)


def tiny_folder(folder: Path, **tensors: np.ndarray) -> Path:
    """A folder as model2vec writes it, of four tokens in three dimensions."""
    folder.mkdir()
    found = Tokenizer(WordLevel({"<unk>": 0, "red": 1, "green": 2, "blue": 3}, unk_token="<unk>"))
    found.pre_tokenizer = Whitespace()
    found.save(str(folder / "tokenizer.json"))
    rows = np.array([[9, 9, 9], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    save_file({"embeddings": rows, **tensors}, folder / "model.safetensors")
    return folder


def test_vectors_are_the_same_bits_everywhere(shipped: StaticTable) -> None:
    assert hashlib.sha256(shipped.embed(TEXTS).tobytes()).hexdigest() == DIGEST


def test_a_vector_is_the_rounded_mean_of_the_rows_of_its_tokens(shipped: StaticTable) -> None:
    rows = load_file(distribution("wordllama").locate_file(table.WEIGHTS))["embedding.weight"].astype(np.float64)
    for text, vector in zip(TEXTS, shipped.embed(TEXTS), strict=True):
        ids = shipped.tokenizer.encode(text, add_special_tokens=False).ids
        mean = rows[ids].mean(axis=0)
        assert np.abs(mean / np.linalg.norm(mean) * LENGTH - vector).max() < 0.51


@settings(max_examples=20)
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_a_text_s_vector_does_not_depend_on_others(shipped: StaticTable, texts: list[str]) -> None:
    together = shipped.embed(texts)
    assert (together == np.concatenate([shipped.embed([text]) for text in texts])).all()
    for text, vector in zip(texts, together, strict=True):
        assert vector.any() == bool(text.split())


def test_white_space_says_nothing(shipped: StaticTable) -> None:
    one, other, empty, blank = shipped.embed(["two words", "  two\n\twords ", "", " \n"])
    assert (one == other).all()
    assert not empty.any()
    assert not blank.any()
    assert shipped.embed([]).shape == (0, 256)


def test_what_means_the_same_is_nearer_than_what_does_not(shipped: StaticTable) -> None:
    poem, verse, sum, *_ = shipped.embed(TEXTS)
    assert dots(poem[None], verse[None]) > 2 * dots(poem[None], sum[None])


@given(matrices)
def test_dot_products_are_exact(rows: list[list[int]]) -> None:
    vectors = np.array(rows, np.int8)
    exact = vectors.astype(np.int64) @ vectors.astype(np.int64).T
    assert (dots(vectors, vectors) == exact).all()
    assert (squares(vectors) == np.diag(exact)).all()


def test_the_largest_dot_products_are_exact() -> None:
    vectors = np.full((3, 1024), 127, np.int8)
    vectors[1] = -127
    vectors[2, 0] = 126
    assert dots(vectors, vectors).tolist() == (vectors.astype(int) @ vectors.T.astype(int)).tolist()


@given(st.lists(st.integers(-(2**26) + 1, 2**26 - 1), min_size=1, max_size=50))
def test_rounding_is_that_of_the_exact_numbers(numbers: list[int]) -> None:
    (vector,) = rounded(np.array([numbers], np.int64))
    square = sum(number**2 for number in numbers)
    for number, found in zip(numbers, vector.tolist(), strict=True):
        exact = Fraction(number**2 * LENGTH**2, square or 1)  # the square of the component, without rounding
        if exact <= Fraction(253, 2) ** 2:
            assert (max(abs(found) - Fraction(1001, 2000), 0)) ** 2 <= exact <= (abs(found) + Fraction(1001, 2000)) ** 2
            assert found * number >= 0
        else:
            assert abs(found) == 127


def test_any_numbers_become_whole_ones_of_the_same_proportions() -> None:
    for scale in (2.0**-100, 1.0, 2.0**100):
        found = whole(np.array([[1.0, -0.5, 0.25]]) * scale)
        assert (found * [1, -2, 4] == found[0, 0]).all()
        assert 2**25 <= np.abs(found).max() <= 2**26 - 1
    assert not whole(np.zeros((2, 2))).any()


def test_a_table_of_other_bytes_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "wordllama-9.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: wordllama\nVersion: 9\n")
    for name in table.DIGESTS:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"another")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="is not the table that is known here; pip install"):
        shipped_table()


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(InputError, match=r"pip install 'selfinstruct\[semantic\]'"):
        shipped_table()


def test_the_package_is_read_and_not_imported() -> None:
    program = "import sys; from selfinstruct.semantic.table import shipped_table; shipped_table().embed(['a'])\n"
    program += "assert not {'wordllama', 'torch', 'transformers', 'requests'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_folder_of_model2vec_is_a_table(tmp_path: Path) -> None:
    encoder = open_encoder(tiny_folder(tmp_path / "colours"))
    assert encoder.name == "colours"
    assert encoder.embed(["red", "green red", "mauve", "red mauve"]).tolist() == [
        [127, 0, 0],
        [127, 127, 0],
        [0, 0, 0],
        [127, 0, 0],
    ]


def test_a_folder_of_model2vec_may_share_rows_and_weigh_tokens(tmp_path: Path) -> None:
    tensors = {"mapping": np.array([0, 1, 2, 1]), "weights": np.array([1, 1, 3, 2], np.float32)}
    encoder = open_encoder(tiny_folder(tmp_path / "colours", **tensors))
    (vector,) = encoder.embed(["blue green"])
    assert vector.tolist() == [127, 127, 0]  # 2 : 3, both above what a byte holds
    (vector,) = encoder.embed(["blue blue blue blue green"])
    assert vector.tolist() == [127, 90, 0]  # 8 : 3


@pytest.mark.parametrize("broken", ["model.safetensors", "tokenizer.json"])
def test_a_folder_that_is_no_encoder_is_named(tmp_path: Path, broken: str) -> None:
    folder = tiny_folder(tmp_path / "colours")
    (folder / broken).write_bytes(b"{}")
    with pytest.raises(InputError, match=r"--embedding: .*colours: is no table"):
        open_encoder(folder)
    (folder / broken).unlink()
    with pytest.raises(InputError, match=f"--embedding: .*{broken}: No such file"):
        open_encoder(folder)
    with pytest.raises(InputError, match="there is no folder"):
        open_encoder(tmp_path / "nowhere")


def test_a_model_of_sentence_transformers_is_asked_through_that_package(tmp_path: Path, modules: Path) -> None:
    """A package of that name stands in its place: it is large, and installed by those who want it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Transformer"}]))
    if "sentence_transformers" not in sys.modules:
        with pytest.raises(InputError, match="pip install sentence-transformers"):
            open_encoder(folder)
    (modules / "sentence_transformers.py").write_text(
        "import numpy as np\n"
        "class SentenceTransformer:\n"
        "    def __init__(self, folder, local_files_only): assert local_files_only\n"
        "    def encode(self, texts, **_): return np.array([[len(text), 1.0] for text in texts], np.float32)\n"
    )
    found = open_encoder(folder).embed(["abc", "", "de"])
    assert found.tolist() == [[127, 81], [0, 0], [127, 114]]


def test_a_cell_is_that_of_the_nearest_centre(shipped: StaticTable) -> None:
    assert centres().shape == (CELLS, 256)
    vectors = shipped.embed([*TEXTS, ""])
    wide, others = vectors.astype(np.int64), centres().astype(np.int64)
    distances = ((wide[:, None, :] - others[None]) ** 2).sum(axis=2)
    assert cells_of(vectors).tolist() == distances.argmin(axis=1).tolist()
    assert cells_of(centres()).tolist() == list(range(CELLS))


def test_of_equally_near_centres_the_first_is_taken() -> None:
    others: Vectors = np.array([[0, 5], [3, 0], [3, 0], [0, -3]], np.int8)
    assert nearest(np.array([[4, 0], [0, 0]], np.int8), others).tolist() == [1, 1]


def test_centres_are_made_alike_each_time(shipped: StaticTable) -> None:
    one, other = (make_cells(shipped, TEXTS, texts=60, cells=8, turns=3) for _ in range(2))
    assert (one == other).all()
    assert len(np.unique(one, axis=0)) == 8
