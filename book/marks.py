"""The marks beside what came from a run: a line that opens to the files behind an output and what makes them again.

A notebook's cells cite the files (`report.provenance`); the build puts a mark behind each cell that has some.  A mark
is a `<details>` element: it opens by mouse, touch and keyboard, without a script.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from tqttfs_lite.experiments import (
    anytime,
    bit_widths,
    conventional,
    datasets,
    paths,
    random_settings,
    results,
    search,
    used_files,
)
from tqttfs_lite.experiments.anytime import Reference
from tqttfs_lite.experiments.config import TrainingConfig, training_command
from tqttfs_lite.experiments.results import Result, Trial
from tqttfs_lite.experiments.search import Scores
from tqttfs_lite.experiments.used_files import MIME
from tqttfs_lite.paper import benchmarks, ladder, random_search, reported

TODAY = "again, with the library as it is now:"  # the recipe at that commit may have been another one
FEW = 6  # results that are listed one by one; more of them by configuration
DATASETS = {name: data_set.title for name, data_set in datasets.DATASETS.items()}
FOLDERS = {
    *("results", "runs", "checkpoints", "dials", "answers", "fixed_point", "search", "benchmarks", "paper"),
    *(anytime.FOLDER, search.FOLDER, conventional.FOLDER),
    *DATASETS,
}
Files = dict[str, list[str]]  # the names of files by folder, the splits of data sets by data set


def add(notebook: NotebookNode) -> None:
    """Turn the records in the outputs of a notebook into marks, each a cell of its own behind the one it is about."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code" and (found := _take_record(cell)) and cell.outputs:
            cells.append(new_markdown_cell(mark(found), id=f"{cell.id}-made-by"))
    notebook.cells = cells


def _take_record(cell: NotebookNode) -> set[str]:
    """The files that a cell cites; its records of them are no longer among its outputs."""
    records = [output.data[MIME] for output in cell.outputs if MIME in output.get("data", {})]
    cell.outputs = [output for output in cell.outputs if MIME not in output.get("data", {})]
    return set().union(*records)


def mark(found: Iterable[str]) -> str:
    """The mark for something made from these files, named as in `used_files`, on a page one folder deep.

    Raises `ResultError` where a result is gone, `FileNotFoundError` for another file, and `ValueError` for a file of an
    unknown folder.

    >>> print(mark(["mnist/test"]))
    <details class="made-by">
    <summary aria-label="The output above is made from MNIST">made from MNIST</summary>
    <ul>
    <li><strong>MNIST</strong>, its test images, with these <a href="../data/checksums.sha256">SHA-256 checksums</a><br>
    <code class="again">tqttfs data mnist</code></li>
    </ul>
    </details>
    """
    files: Files = defaultdict(list)
    for file in sorted(found):
        folder, _, name = file.partition("/")
        if folder not in FOLDERS:
            raise ValueError(f"no mark knows what makes {file}")
        files[folder].append(name)
    what = f"made from {_summary(files)}"
    items = [
        *_results(files),
        *_beside(files),
        *_trials(files),
        *_references(files),
        *_conventional(files),
        *_rankings(files),
        *_benchmarks(files),
        *_tables(files),
        *_datasets(files),
    ]
    return "\n".join(
        [
            '<details class="made-by">',
            f'<summary aria-label="The output above is {what}">{what}</summary>',
            "<ul>",
            *(f"<li>{item}</li>" for item in items),
            "</ul>",
            "</details>",
        ]
    )


def part(text: str, *made_from: Any) -> str:
    """A part of a page that the build writes, in MyST Markdown: one element, and behind it the mark of its files.

    `made_from` is as for `used_files.names`; without any file there is no mark.
    """
    element = ["::::{container} findings", *text.splitlines(), "::::"]
    files = used_files.names(*made_from)
    return "\n".join([*element, "", mark(files)] if files else element)


def _summary(files: Files) -> str:
    """What there is, in a few words."""
    counts = {
        "result": len(_stems(files, "results", ".json")) + len(_stems(files, "runs", ".json")),
        "dial": len(files["dials"]),
        "answer file": len(files["answers"]),
        "fixed-point file": len(files["fixed_point"]),
        "trial": len(files["search"]),
        "reference": len(files[anytime.FOLDER]),
        "conventional network": len(files[conventional.FOLDER]),
        "search file": len(files[search.FOLDER]),
        "benchmark": len(files["benchmarks"]),
        "paper table": len(files["paper"]),
    }
    words = [f"{count} {what}{'s' if count > 1 else ''}" for what, count in counts.items() if count]
    return ", ".join(words + [title for name, title in DATASETS.items() if files[name]])


def _stems(files: Files, folder: str, suffix: str) -> list[str]:
    return [name.removesuffix(suffix) for name in files[folder] if name.endswith(suffix) and "/" not in name]


def _results(files: Files) -> list[str]:
    names = {folder: _stems(files, folder, ".json") for folder in ("results", "runs")}
    stored = [
        results.read(paths.data_directory() / folder / f"{name}.json") for folder in names for name in names[folder]
    ]
    used_weights = {*_stems(files, "checkpoints", ".safetensors"), *_stems(files, "runs", ".safetensors")}
    groups: defaultdict[tuple[TrainingConfig, bool], list[Result]] = defaultdict(list)
    for result in stored:
        config = result.config if len(stored) <= FEW else replace(result.config, seed=0)
        groups[config, result.released].append(result)
    items = []
    for (config, released), group in groups.items():
        group.sort(key=lambda result: result.config.seed)
        seeds = [result.config.seed for result in group]
        run_here = ["its weights were run for this output"] if {r.config.name for r in group} & used_weights else []
        again = training_command(config, *(["--release"] if released else []), seeds=seeds)
        files_of_group = ", ".join(_stored(result, f"seed {result.config.seed}") for result in group)
        items.append(
            _item(_title(config), files_of_group, *_made(r.made for r in group), *run_here, TODAY, again=again)
        )
    return items


def _beside(files: Files) -> list[str]:
    """What else is kept of the networks: their scores otherwise, their answers to each image."""
    kinds = {
        "dials": ("Scores at other output thresholds", "tqttfs verify"),
        "fixed_point": ("Scores with weights of few bits", bit_widths.COMMAND),
        "answers": ("The answers to each test image", "tqttfs verify"),
    }
    return [
        _item(
            title,
            ", ".join(_link(f"{folder}/{name}", name.split(".")[0]) for name in files[folder]),
            again=command,
        )
        for folder, (title, command) in kinds.items()
        if files[folder]
    ]


def _trials(files: Files) -> list[str]:
    """Trials one by one, and all random settings of a network together."""
    groups: defaultdict[tuple[str, str], list[Trial]] = defaultdict(list)
    for name in files["search"]:
        trial = results.read_trial(paths.search_directory() / name)
        title, again = _title(trial.config), training_command(trial.config, "--validation-only")
        if random_settings.is_drawn(trial.config):
            title, again = f"{title}, random settings", random_search.COMMAND
        groups[title, again].append(trial)
    return [
        _item(
            f"{title}, on the validation images",
            ", ".join(_stored(trial, f"seed {trial.config.seed}") for trial in group),
            *_made(trial.made for trial in group),
            TODAY,
            again=again,
        )
        for (title, again), group in groups.items()
    ]


def _references(files: Files) -> list[str]:
    """Conventional networks that are told the step."""
    found = [anytime.read(paths.data_directory() / anytime.FOLDER / name) for name in files[anytime.FOLDER]]
    links = ", ".join(
        _stored(reference, f"{_title(reference.config)}, seed {reference.config.seed}") for reference in found
    )
    return [_item("References", links, *_made(r.made for r in found), again=anytime.COMMAND)] if found else []


def _conventional(files: Files) -> list[str]:
    """Networks that do not spike, and those that are tried for their learning rate."""
    found = [conventional.read(conventional.directory() / name) for name in files[conventional.FOLDER]]
    links = ", ".join(
        _stored(
            result,
            f"{_title(result.settings)}, {ladder.WORDS[result.activations]}, learning rate"
            f" {result.settings.learning_rate:g}, seed {result.settings.seed}",
        )
        for result in found
    )
    again = conventional.COMMAND
    return [_item("Conventional networks", links, *_made(r.made for r in found), again=again)] if found else []


def _rankings(files: Files) -> list[str]:
    """What a search for degrees counted on the validation images."""
    found = [search.read(paths.data_directory() / search.FOLDER / name) for name in files[search.FOLDER]]
    return [
        _item(
            _title(scores.config) + (", weights that all degrees share" if scores.degrees else ", by output threshold"),
            _stored(scores, f"seed {scores.config.seed}"),
            *_made([scores.made]),
            again=scores.command,
        )
        for scores in found
    ]


def _benchmarks(files: Files) -> list[str]:
    wanted = [
        measured for measured in benchmarks.read_all() if Path(measured.used_files[0]).name in files["benchmarks"]
    ]
    if not wanted:
        return []
    links = ", ".join(
        _link(m.used_files[0], f"{m.kind} {m.network} {m.quantization} {m.dtype}, {m.threads} threads") for m in wanted
    )
    return [_item("Benchmarks", links, *_made(m.made for m in wanted), again="make bench")]


def _tables(files: Files) -> list[str]:
    """Each table of the paper with what the first line of its file says of it."""
    items = []
    for name in files["paper"]:
        says = (paths.paper_directory() / name).read_text("utf-8").splitlines()[0].lstrip("# ")
        items.append(f"{_link(f'paper/{name}', name)}: {escape(says)}")
    return items


def _datasets(files: Files) -> list[str]:
    sums = f"with these {_link('checksums.sha256', 'SHA-256 checksums')}"  # the file has those of the paper's data sets
    return [
        _item(
            title,
            f"its {' and '.join(files[name])} images",
            *[sums] * (name in reported.ACCURACY),
            again=f"tqttfs data {name}",
        )
        for name, title in DATASETS.items()
        if files[name]
    ]


def _item(title: str, *facts: str, again: str) -> str:
    return f'<strong>{escape(title)}</strong>, {", ".join(facts)}<br>\n<code class="again">{escape(again)}</code>'


def _title(config: TrainingConfig) -> str:
    coding = "" if config.coding == "ttfs" else f", {config.coding} coding"
    return f"{DATASETS[config.dataset]} {config.architecture}, T = {config.time_steps}{coding}"


def _stored(record: Result | Trial | Reference | Scores | conventional.Result, label: str) -> str:
    """A link to the file, where git keeps it, and the start of its configuration's hash."""
    (file,) = record.used_files
    linked = label if file.startswith("runs/") else _link(file, label)
    settings = record.settings if isinstance(record, conventional.Result) else record.config
    return f"{linked} (<code>{settings.hash[:8]}</code>)"


def _link(file: str, label: str) -> str:
    return f'<a href="../data/{escape(file)}">{escape(label)}</a>'


def _made(origins: Iterable[dict[str, Any]]) -> list[str]:
    """Commits, dates and versions, each once."""
    known = list(origins)
    commits = dict.fromkeys(_commit(str(made["commit"])) for made in known)
    dates = sorted({str(made["date"])[:10] for made in known})
    versions = dict.fromkeys(f"Python {made['python']} and PyTorch {made['torch']}" for made in known)
    return [f"commit {' and '.join(commits)}", " to ".join(dict.fromkeys([dates[0], dates[-1]])), *versions]


def _commit(text: str) -> str:
    commit, _, changes = text.partition(" ")
    return f"<code>{escape(commit[:12])}</code> {escape(changes)}".strip()
