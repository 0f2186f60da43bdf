"""What a notebook's cells and the first page take their numbers from is what they cite."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import papermill
import pytest
import torch

from book import findings
from tqttfs_lite.experiments import checkpoints, datasets, dial, paths, sources
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.experiments.results import Result, Trial
from tqttfs_lite.experiments.sources import MIME
from tqttfs_lite.paper import comparisons, reported, speed, summary
from tqttfs_lite.report import notebook, provenance

NOTEBOOKS = sorted((paths.REPOSITORY / "notebooks").glob("*.ipynb"))
# What says which network is meant and holds no number that was measured.
DESCRIBES = {
    Result: {"config", "published", "folder"},
    Trial: {"config"},
    speed.Measurement: {"kind", "network", "quantization", "dtype", "threads"},
}
# What takes from the paper's tables only which network is meant, or what it is called.
LOOK_UP = (comparisons.paper_time_steps, comparisons.short)


class Watched:
    """The files out of which numbers are taken, and those that are cited."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.read: set[str] = set()
        self.cited: set[str] = set()
        for record, describes in DESCRIBES.items():
            self.watch_fields(record, {field.name for field in fields(record)} - describes)
        self.watch(reported._rows, lambda table: {table})
        self.watch(datasets.load, lambda name, split: {f"{name}/{split}"}, instead=few_images)
        self.watch(checkpoints.read, lambda network, path, *_: {sources.name(path)})
        self.watch(dial.read, lambda result: {f"dials/{result.config.name}.json"})
        for look_up in LOOK_UP:
            self.leave_out(look_up)
        self.replace(provenance.cite, lambda *made_from: self.cited.update(sources.names(*made_from)))

    def watch_fields(self, record: type, measured: set[str]) -> None:
        def get(self_: Any, name: str) -> Any:
            if name in measured:
                self.read.update(self_.sources)
            return object.__getattribute__(self_, name)

        self.monkeypatch.setattr(record, "__getattribute__", get)

    def watch(
        self, function: Callable[..., Any], files: Callable[..., set[str]], instead: Callable[..., Any] | None = None
    ) -> None:
        def watched(*arguments: Any) -> Any:
            self.read |= files(*arguments)
            return (instead or function)(*arguments)

        self.replace(function, watched)

    def leave_out(self, function: Callable[..., Any]) -> None:
        def unwatched(*arguments: Any) -> Any:
            before = set(self.read)
            value = function(*arguments)
            self.read &= before
            return value

        self.replace(function, unwatched)

    def replace(self, function: Callable[..., Any], other: Callable[..., Any]) -> None:
        """Wherever the library has imported it."""
        for name, module in list(sys.modules.items()):
            if name.startswith("tqttfs_lite") and vars(module).get(function.__name__) is function:
                self.monkeypatch.setattr(module, function.__name__, other)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    return Watched(monkeypatch)


def few_images(name: str, split: str) -> Images:
    """Enough to run a cell."""
    generator = torch.Generator().manual_seed(len(split))
    images = torch.randint(0, 256, (20, 28, 28), generator=generator, dtype=torch.uint8)
    return Images(images, torch.randint(0, 10, (20,), generator=generator))


def run(cells, watched):
    values: dict[str, object] = {}
    behind: defaultdict[str, set[str]] = defaultdict(set)
    for cell in cells:
        watched.read, watched.cited = set(), set()
        tree = ast.parse(cell.source)
        names = {node.id: type(node.ctx) for node in ast.walk(tree) if isinstance(node, ast.Name)}
        stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)} | {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        exec(compile(tree, cell.id, "exec", optimize=1), values)
        loaded = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - stored
        flow = set().union(*(behind[n] for n in loaded)) 
        for n in stored: behind[n] = flow | watched.read
        yield cell, set(watched.read), flow, set(watched.cited)
