"""What `tqttfs verify` confirms, and that it finds and names whatever was changed afterwards."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tqttfs_lite.cli import main
from tqttfs_lite.experiments import answers, config, experiment, paths, results, used_files
from tqttfs_lite.experiments.config import recipe
from tqttfs_lite.experiments.used_files import MIME
from tqttfs_lite.paper import energy_claims, reported, seed_statistics, verification

SMALL = {"epochs": 1, "averaging": 0.0}


@pytest.fixture
def study(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two released seeds of one small network, which is its family's recipe; the weights of the first are kept.

    Of both there are answers and dials.
    """
    monkeypatch.setitem(config.RECIPES, ("mnist", "SMLP"), {**config.RECIPES["mnist", "SMLP"], **SMALL})
    for seed in (0, 1):
        made = experiment.run(recipe("784-12(1)-10(2)", "mnist", 4, seed=seed), release=True, progress=False)
    made.checkpoint.unlink()
    return home


def differing(level: str = "checkpoints") -> list[str]:
    return [f"{entry.file}: {entry.what}" for entry in verification.verify(level) if not entry.agrees]


def test_what_was_released_is_confirmed_count_by_count(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = list(verification.verify("checkpoints"))
    assert all(entry.agrees for entry in entries)
    # The slides, data sums, a checkpoint's sum, its counts, answers and dial; the other seed's answers; both dials.
    assert len(entries) == len(energy_claims.arithmetic()) + 2 + 1 + 9 + 1 + 1 + 1 + 2
    assert main(["verify"]) == 0
    assert f"{len(entries)} of {len(entries)} numbers confirmed" in capsys.readouterr().out
    assert main(["verify", "--json"]) == 0
    assert [verification.Entry(**entry) for entry in json.loads(capsys.readouterr().out)] == entries


def test_each_level_includes_those_above_it(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "is_quick", lambda config: True)
    found = [list(verification.verify(level)) for level in verification.LEVELS]
    assert found[1][: len(found[0])] == found[0]
    assert [entry.level for entry in found[2][len(found[1]) :]] == ["retrain"] * 3  # seed 0
    assert [entry.level for entry in found[3][len(found[1]) :]] == ["full"] * 6  # both seeds
    with pytest.raises(ValueError, match="choose one of arithmetic, checkpoints, retrain, full"):
        next(verification.verify("twice"))


def test_a_retraining_has_to_fall_where_one_more_seed_would(study: Path) -> None:
    config = recipe("784-12(1)-10(2)", "mnist", 4)
    groups = seed_statistics.released()
    allowed = verification.intervals(config, groups)
    again = list(verification.retrained(groups[config].results[0], allowed, "retrain"))
    assert [(entry.found, entry.agrees) for entry in again] == [(entry.expected, True) for entry in again]
    assert json.dumps([entry._asdict() for entry in again])  # NumPy's truth values are not JSON's
    elsewhere = {name: (low + 1e4, high + 1e4) for name, (low, high) in allowed.items()}
    assert not any(entry.agrees for entry in verification.retrained(groups[config].results[0], elsewhere, "retrain"))
    assert not list(paths.runs_directory().glob("*.safetensors")), "a retraining leaves nothing behind"


def test_a_family_says_together_how_far_seeds_spread(study: Path) -> None:
    config = recipe("784-12(1)-10(2)", "mnist", 4)
    group = seed_statistics.released()[config]
    alone = replace(config, architecture="784-12(2)-10(2)")
    groups = {config: group, alone: group._replace(config=alone, results=group.results[1:])}
    both, borrowed = verification.intervals(config, groups), verification.intervals(alone, groups)
    for name in verification.QUANTITIES:
        first, second = (verification.quantities(result.test)[name] for result in group.results)
        # One degree of freedom: a standard deviation of |a - b| / sqrt(2), and 636.619 of Student's table.
        assert sum(both[name]) / 2 == pytest.approx((first + second) / 2)
        assert both[name][1] - both[name][0] == pytest.approx(
            2 * 636.619 * abs(first - second) / 2**0.5 * 1.5**0.5, rel=1e-5
        )
        assert sum(borrowed[name]) / 2 == pytest.approx(second)
        assert borrowed[name][1] - borrowed[name][0] == pytest.approx(
            (both[name][1] - both[name][0]) * (2 / 1.5) ** 0.5
        )


def test_the_pooled_spread_is_that_of_all_seeds_about_their_own_means(study: Path) -> None:
    config = recipe("784-12(1)-10(2)", "mnist", 4)
    group = seed_statistics.released()[config]
    shifted = [replace(r, test=replace(r.test, correct=r.test.correct - 50)) for r in group.results]
    other = replace(config, architecture="784-12(2)-10(2)")
    two = verification.intervals(config, {config: group, other: group._replace(config=other, results=tuple(shifted))})
    one = verification.intervals(config, {config: group})
    # The same deviation twice: two degrees of freedom, 31.599 for 636.619; the other mean does not matter.
    widths = [found["accuracy, %"][1] - found["accuracy, %"][0] for found in (one, two)]
    assert widths[1] / widths[0] == pytest.approx(31.599 / 636.619, rel=1e-4)


def test_eight_seeds_spread_by_themselves_and_the_width_is_said(study: Path) -> None:
    config = recipe("784-12(1)-10(2)", "mnist", 4)
    group = seed_statistics.released()[config]
    (result, _), other = group.results, replace(config, architecture="784-12(2)-10(2)")
    eight = [replace(result, test=replace(result.test, correct=result.test.correct + n % 2)) for n in range(8)]
    groups = {config: group._replace(results=tuple(eight)), other: group._replace(config=other)}
    low, high = verification.intervals(config, groups)["accuracy, %"]
    # Four and four, one image of 300 apart: a deviation of sqrt(8 / 28) images; with seven degrees of freedom 5.408.
    assert high - low == pytest.approx(2 * 5.408 * (8 / 28) ** 0.5 / 3 * (1 + 1 / 8) ** 0.5, rel=1e-3)
    accuracy, *_ = verification.retrained(result, verification.intervals(config, groups), "full")
    assert accuracy.allowed.endswith(f"{high - low:.2f} wide")


def test_where_no_network_of_a_family_has_two_seeds_nothing_can_be_checked(study: Path) -> None:
    config = recipe("784-12(1)-10(2)", "mnist", 4)
    group = seed_statistics.released()[config]
    alone = {config: group._replace(results=group.results[:1])}
    assert verification.intervals(config, alone) == {}
    (entry,) = verification.retrained(group.results[0], {}, "full")
    assert (entry.agrees, entry.what, entry.level) == (False, "its interval", "full")


def test_the_quick_level_trains_the_mnist_perceptrons_of_the_slides() -> None:
    quick = [
        config for config in seed_statistics.released() if config.time_steps == 8 and verification.is_quick(config)
    ]
    assert {c.architecture for c in quick if config.follows_recipe(c)} == set(reported.own_accuracy("mnist"))


def test_verify_needs_something_to_verify(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 1
    assert "nothing to verify" in capsys.readouterr().err


# What somebody may change: one digit, one byte, one file.


def result_files(study: Path) -> list[Path]:
    return sorted((study / "results").glob("*.json"))


def in_result(*keys: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Changes one value of the result whose weights are kept."""

    def mutate(study: Path) -> None:
        path = next(path for path in result_files(study) if "seed0" in path.name)
        content = json.loads(path.read_text())
        place = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = change(place[keys[-1]])
        path.write_text(json.dumps(content))

    return mutate


def count(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Changes a count of that result, and takes out the metrics, which would give it away when the file is read."""

    def mutate(study: Path) -> None:
        in_result("neurobench", change=lambda _: {})(study)
        in_result("test", name, change=change)(study)

    return mutate


def first_plus_one(values: list[int]) -> list[int]:
    return [values[0] + 1, *values[1:]]


def other_digit(text: str) -> str:
    return ("1" if text[0] == "0" else "0") + text[1:]


def checkpoint_byte(study: Path) -> None:
    (path,) = (study / "checkpoints").glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def no_checkpoint(study: Path) -> None:
    next((study / "checkpoints").glob("*.safetensors")).unlink()


def stray_checkpoint(study: Path) -> None:
    (path,) = (study / "checkpoints").glob("*.safetensors")
    shutil.copy(path, path.with_name("stray.safetensors"))


def stray_answers(study: Path) -> None:
    path = next((study / "answers").glob("*.npz"))
    shutil.copy(path, path.with_name("stray.npz"))


def stray_file(folder: str) -> Callable[[Path], None]:
    def mutate(study: Path) -> None:
        (study / folder).mkdir()
        (study / folder / "stray.json").write_text("{}")

    return mutate


def renamed(study: Path) -> None:
    path = result_files(study)[0]
    path.rename(path.with_name(path.name.replace("seed0", "seed7")))


def cut_off(study: Path) -> None:
    path = result_files(study)[1]
    path.write_text(path.read_text()[:-20])


def first_error(seed: int, becomes: Callable[[int, int], int]) -> Callable[[Path], None]:
    """Changes the first wrong answer of a seed, to what `becomes` makes of it and of the label."""

    def mutate(study: Path) -> None:
        result = next(result for result in results.read_all() if result.config.seed == seed)
        labels = experiment.load("mnist", "test").labels
        found = answers.read(result, labels)
        wrong = (found.answer != labels).nonzero()[0, 0]
        found.answer[wrong] = becomes(int(found.answer[wrong]), int(labels[wrong]))
        answers.write(found, result)

    return mutate


def another_error(answer: int, label: int) -> int:
    return next(other for other in range(10) if other not in (answer, label))


def no_answers(study: Path) -> None:
    for path in (study / "answers").iterdir():
        path.unlink()


def dial_count(threshold: float, split: str) -> Callable[[Path], None]:
    def mutate(study: Path) -> None:
        path = next((study / "dials").glob("*seed0*.json"))
        content = json.loads(path.read_text())
        content[split]["silent"][content["thresholds"].index(threshold)] += 1
        path.write_text(json.dumps(content))

    return mutate


MUTATIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    **{name: (count(name, lambda n: n + 1), name) for name in ("images", "correct_if_tied", "silent", "steps")},
    **{name: (count(name, first_plus_one), name) for name in ("spikes", "arriving")},
    "additions": (count("additions", lambda counts: [counts[0] - 1, *counts[1:]]), "additions"),
    "a count beside its metrics": (in_result("test", "spikes", change=first_plus_one), "the file"),
    "correct": (in_result("test", "correct", change=lambda n: n - 1), "correct"),
    "the share of weights that are 0": (
        in_result("neurobench", "connection_sparsity", change=lambda share: share / 2 + 0.25),
        "connection_sparsity",
    ),
    "a search file that no search wrote": (stray_file("rankings"), "the file"),
    "a conventional network that no training wrote": (stray_file("conventional"), "the file"),
    "a setting": (in_result("config", "learning_rate", change=lambda rate: rate / 2), "the file"),
    "the seed": (in_result("config", "seed", change=lambda seed: seed + 1), "the file"),
    "the configuration's hash": (in_result("config_sha256", change=other_digit), "the file"),
    "the checkpoint's hash": (in_result("checkpoint_sha256", change=other_digit), "SHA-256 of the checkpoint"),
    "a data set's sum": (
        in_result("data_sha256", change=lambda sums: {name: other_digit(text) for name, text in sums.items()}),
        "SHA-256 of the data",
    ),
    "a byte of a checkpoint": (checkpoint_byte, "SHA-256 of the checkpoint"),
    "a checkpoint is gone": (no_checkpoint, "the checkpoint"),
    "a checkpoint without a result": (stray_checkpoint, "its result file"),
    "a renamed result": (renamed, "the file"),
    "half a result": (cut_off, "the file"),
    "an answer, to another wrong one": (first_error(0, another_error), "differences from the network's answers"),
    "an answer of a network without weights": (
        first_error(1, lambda answer, label: label),
        "the file",
    ),
    "the answers are gone": (no_answers, "the file"),
    "a count of a dial": (dial_count(1.0, "test"), "the file"),
    "a count of a dial elsewhere": (dial_count(0.65, "validation"), "its counts equal the network's"),
    "answers without a result": (stray_answers, "its result file"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_change_after_publication_is_named(study: Path, name: str) -> None:
    mutate, what = MUTATIONS[name]
    mutate(study)
    level = "arithmetic" if name == "a checkpoint is gone" else "checkpoints"
    assert any(found.endswith(f": {what}") for found in differing(level))


# What the pages show


def test_the_outputs_of_the_committed_notebooks_are_of_the_files_that_are_there() -> None:
    entries = list(verification.pages())
    assert {entry.file for entry in entries} >= {"notebooks/07_accuracy.ipynb", "notebooks/09_audit.ipynb"}
    assert [entry for entry in entries if not entry.agrees] == []


@pytest.mark.parametrize("change", [lambda text: text.replace("1", "2", 1), lambda text: None])
def test_a_page_is_named_whose_file_has_changed_or_is_gone(
    change: Callable[[str], str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("notebooks", "data/results", "tqttfs_lite"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tqttfs_lite" / "__init__.py").touch()
    file = tmp_path / "data/results/one.json"
    file.write_text("{1: 1}")
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    record = nbformat.v4.new_output("display_data", {MIME: {"results/one.json": used_files.digest("results/one.json")}})
    cell = nbformat.v4.new_code_cell(outputs=[record])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks/page.ipynb")
    (entry,) = verification.pages()
    assert entry.agrees
    if (text := change(file.read_text())) is None:
        file.unlink()
    else:
        file.write_text(text)
    (entry,) = verification.pages()
    assert (entry.agrees, entry.file, entry.what) == (False, "notebooks/page.ipynb", "SHA-256 of results/one.json")


@pytest.mark.parametrize(
    ("table", "change", "what"),
    [
        ("energy", {"alpha": "1.491"}, "alpha, 1-2-2-4-4, Layer1"),
        ("layers", {"flops": 10_035_201}, "FLOPs, Layer2"),
        ("layers", {"neurons": 801}, "neurons, Layer3"),
    ],
)
def test_a_changed_digit_in_the_papers_tables_is_named(
    table: str, change: dict[str, Any], what: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    rows = getattr(reported, table)()
    index = next(i for i, r in enumerate(rows) if what.endswith(r.layer) and getattr(r, "configuration", "") in what)
    rows[index] = rows[index]._replace(**change)
    monkeypatch.setattr(reported, table, lambda: rows)
    assert main(["verify", "--level", "arithmetic"]) == 1
    captured = capsys.readouterr()
    assert f"DIFFERS     paper, {what}: expected" in captured.err
