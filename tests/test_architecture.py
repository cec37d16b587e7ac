"""The rules of the house that a reader cannot see from one file.

An import counts wherever it stands: at a file's top, late in a function, for types only, or by `import_module` with
the name written out.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LAYERS = 12
"""The longest chain of modules that import each other at their tops."""

HOUSES = ("selfinstruct", "cluster", "jobs")
"""From the ground up; a house imports itself and those below."""

FLOORS: tuple[tuple[str, ...], ...] = (
    ("records", "errors", "settings", "draws", "protocols", "pool", "version", "loading", "places", "wording"),
    ("novelty", "prompts", "semantic"),
    ("constraints",),
    ("sources", "steps", "storage"),
    ("tiny",),
    ("engines",),
    ("run",),
    ("quality",),
    ("reuse", "export", "report", "evaluation", "finetune", "recipes", "selection"),
    ("face", "__main__"),
)
"""The floors of `selfinstruct`, from the ground up: a module imports its own part and the floors below, and none beside
it but on the ground."""

UPWARDS = {"selfinstruct.face", "selfinstruct.__main__"}
"""What may import upwards, late and in functions: the Python face and the console script run what the commands run."""


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text())


TREES = {name: tree for package in HOUSES for name, tree in modules(package)}


def imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names of modules; of `from package import name` what is a module, the package or the name."""
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for name in (f"{module}.{alias.name}" for alias in names):
                    yield name if name in TREES else module
            case ast.ImportFrom():
                raise AssertionError(f"a relative import in line {node.lineno}")
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                yield module


def ours(nodes: Iterable[ast.AST]) -> set[str]:
    return {module for module in imports(nodes) if module in TREES}


ALL = {name: ours(ast.walk(tree)) - {name} for name, tree in TREES.items()}
AT_TOP = {name: ours(tree.body) - {name} for name, tree in TREES.items()}


def floor(module: str) -> int:
    """Of a module of `selfinstruct`."""
    if module == "selfinstruct":  # the door to the face
        return len(FLOORS)
    return next(number for number, parts in enumerate(FLOORS) if module.split(".")[1] in parts)


def test_nothing_imports_upwards() -> None:
    for name, needs in ALL.items():
        house = HOUSES.index(name.split(".")[0])
        for other in needs:
            if HOUSES.index(other.split(".")[0]) > house:
                assert ".".join(name.split(".")[:2]) in UPWARDS, f"{name} imports {other}"
                assert other not in AT_TOP[name], f"{name} imports {other} at its top"


def test_every_part_of_the_algorithm_has_its_floor() -> None:
    parts = [part for parts in FLOORS for part in parts]
    assert sorted(parts) == sorted({name.split(".")[1] for name in TREES if name.startswith("selfinstruct.")})


def test_the_floors_of_the_algorithm_are_kept() -> None:
    for name, needs in ALL.items():
        for other in needs:
            if {name.split(".")[0], other.split(".")[0]} == {"selfinstruct"}:
                beside = name.split(".")[:2] != other.split(".")[:2] and floor(name) > 0
                assert floor(other) + beside <= floor(name), f"{name} imports {other}"


def test_there_is_no_circle_of_any_kind() -> None:
    list(TopologicalSorter(ALL).static_order())


def test_the_chain_of_imports_is_short() -> None:
    layers: dict[str, int] = {}
    for name in TopologicalSorter(AT_TOP).static_order():
        layers[name] = 1 + max((layers[other] for other in AT_TOP[name]), default=0)
    assert max(layers.values()) <= LAYERS, chain(layers)


def chain(layers: Mapping[str, int]) -> str:
    found = [max(layers, key=layers.__getitem__)]
    while needs := AT_TOP[found[-1]]:
        found.append(max(needs, key=layers.__getitem__))
    return " <- ".join(found)


def test_only_the_cluster_knows_ray() -> None:
    for name, tree in modules("selfinstruct"):
        assert "ray" not in {module.split(".")[0] for module in imports(ast.walk(tree))}, name


def test_what_decides_has_no_clock_and_calls_nobody() -> None:
    """The run, the roster, and what the roster is made of."""
    machines = [
        "selfinstruct.run.rounds",
        "selfinstruct.run.checking",
        "selfinstruct.run.keeping",
        *(f"cluster.{name}" for name in ("roster", "blame", "seats", "news", "events")),
    ]
    outside = {
        "ray",
        "time",
        "datetime",
        "threading",
        "concurrent",
        "asyncio",
        "queue",
        "os",
        "pathlib",
        "socket",
        "random",
    }
    for name in machines:
        assert outside.isdisjoint(module.split(".")[0] for module in imports(ast.walk(TREES[name]))), name
        house = {module for module in ALL[name] if module.startswith("cluster.")}
        assert house <= {*machines, "cluster.settings"}, name


def test_no_test_imports_another() -> None:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for module in imports(ast.walk(ast.parse(path.read_text()))):
            assert not module.split(".")[-1].startswith("test_"), path
            if module.startswith("tests"):
                assert module.startswith("tests.tools"), path


@pytest.mark.parametrize(
    ("wrong", "seen"),
    [
        ("import cluster.driver", {"cluster.driver"}),
        ("def late():\n    from cluster.driver import generate", {"cluster.driver"}),
        ("if TYPE_CHECKING:\n    from cluster import driver", {"cluster.driver"}),
        ("importlib.import_module('cluster.driver')", {"cluster.driver"}),
    ],
)
def test_imports_are_seen_wherever_they_stand(wrong: str, seen: set[str]) -> None:
    assert ours(ast.walk(ast.parse(wrong))) == seen


def test_documents_name_files_that_are_there() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")):
        text = document.read_text()
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"
        for path in re.findall(r"`([a-z_]+(?:/[a-z_]+)*/(?:[a-z_]+\.py)?)`", text):
            assert any((base / path).exists() for base in (ROOT, ROOT / "selfinstruct")), f"{document.name}: {path}"


def test_looking_at_a_run_needs_neither_ray_nor_torch() -> None:
    program = "import jobs.status, jobs.sample, jobs.show, jobs.verify, sys\n"
    program += "import selfinstruct.storage.lineage, selfinstruct.storage.store, selfinstruct.storage.verify\n"
    program += (
        "heavy = {'ray', 'torch', 'transformers', 'datasketch', 'numba'} & set(sys.modules)\nassert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
