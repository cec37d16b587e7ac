"""The rules of the house that a reader cannot see from one file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
BELOW = {"selfinstruct": {"selfinstruct"}, "cluster": {"cluster", "selfinstruct"}}


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text())


def imports(nodes: Iterator[ast.AST] | list[ast.stmt]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_run_one_way() -> None:
    for package, allowed in BELOW.items():
        for name, tree in modules(package):
            ours = {module.split(".")[0] for module in imports(ast.walk(tree))} & {"selfinstruct", "cluster", "jobs"}
            assert ours <= allowed, name


def test_only_the_cluster_knows_ray() -> None:
    for name, tree in modules("selfinstruct"):
        assert "ray" not in {module.split(".")[0] for module in imports(ast.walk(tree))}, name


def test_there_is_no_circle_of_imports() -> None:
    everything = {name: tree for package in ("selfinstruct", "cluster", "jobs") for name, tree in modules(package)}
    graph = {
        name: {module for module in imports(tree.body) if module in everything} for name, tree in everything.items()
    }
    list(TopologicalSorter({name: needs - {name} for name, needs in graph.items()}).static_order())


def test_looking_at_a_run_needs_neither_ray_nor_torch() -> None:
    program = "import jobs.status, jobs.sample, jobs.show, jobs.verify, sys\n"
    program += "import selfinstruct.storage.lineage, selfinstruct.storage.store, selfinstruct.storage.verify\n"
    program += (
        "heavy = {'ray', 'torch', 'transformers', 'datasketch', 'numba'} & set(sys.modules)\nassert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
