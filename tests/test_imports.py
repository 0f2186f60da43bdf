"""One direction of imports: a module may use only those listed before it."""

import ast

import pytest

from tqttfs_lite.experiments import paths

PACKAGE = paths.REPOSITORY / "tqttfs_lite"
BASICS = ["paths", "sources", "neuron", "notation", "fused", "firing", "coding", "network", "rate", "losses"]
EXPERIMENTS = [
    "energy",
    "paper",
    "datasets",
    "config",
    "checkpoints",
    "inference",
    "operations",
    "evaluation",
    "training",
    "results",
    "answers",
    "dial",
    "summary",
    "study",
    "audit",
    "experiment",
    "provenance",
    "ledger",
    "speed",
]
ORDER = [*BASICS, *EXPERIMENTS, "figures", "charts", "analysis", "notebook", "cli"]


def test_every_module_has_its_place() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == set(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_from_those_before_it(module: str) -> None:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "tqttfs_lite":
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tqttfs_lite."):
            imported.add((node.module or "").split(".")[1])
    assert imported <= set(ORDER[: ORDER.index(module)])
