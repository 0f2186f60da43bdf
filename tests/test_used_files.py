"""Records know the names of their files, and reading them notes nothing anywhere."""

from pathlib import Path

import pytest

from tqttfs_lite.experiments import paths, results, used_files
from tqttfs_lite.experiments.results import DIALS
from tqttfs_lite.paper import benchmarks, comparisons, reported, seed_statistics


def test_a_record_names_the_file_that_it_was_read_from() -> None:
    for records, folder in (
        (results.read_all(), paths.results_directory()),
        (results.read_trials(), paths.search_directory()),
        (benchmarks.read_all(), paths.benchmarks_directory()),
    ):
        assert used_files.names(records) == {f"{folder.name}/{path.name}" for path in folder.glob("*.json")}


def test_a_result_of_ones_own_is_among_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = results.read_all()[0]
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    file = results.write(stored, results.result_file(stored.config, released=False))
    name = f"runs/{stored.config.name}"
    assert results.read(file).run_on("test") == (f"{name}.json", f"{name}.safetensors", f"{stored.config.dataset}/test")


def test_weights_that_run_are_behind_a_number() -> None:
    result = results.read_all()[0]
    name, dataset = result.config.name, result.config.dataset
    assert result.run_on("train") == (f"results/{name}.json", f"checkpoints/{name}.safetensors", f"{dataset}/train")


def test_a_group_has_the_files_of_its_seeds_and_of_their_dials() -> None:
    group = max(seed_statistics.released().values(), key=lambda group: len(group.dials))
    assert set(group.used_files) == {f"results/{result.config.name}.json" for result in group.results}
    stored = {result.config.name for result in group.results if results.beside(result, *DIALS).exists()}
    assert set(group.dials) == {f"dials/{name}.json" for name in stored} != set()


def test_a_comparison_has_the_claim_and_both_networks() -> None:
    claim, quantized, baseline = comparisons.of_claims(seed_statistics.released())[0]
    comparison = comparisons.Comparison(claim, quantized, None)
    assert quantized and baseline
    assert set(comparison.used_files) == {reported.CLAIMS, *quantized.used_files}
    assert set(comparison._replace(baseline=baseline).used_files) == {*comparison.used_files, *baseline.used_files}


def test_every_table_of_the_paper_has_a_name() -> None:
    tables = (
        reported.ACCURACY,
        reported.LAYERS,
        reported.ENERGY,
        reported.CLAIMS,
        reported.CODING,
        reported.LITERATURE,
        reported.SINCE_2024,
        reported.STATEMENTS,
        reported.BREAK_EVEN,
        reported.CHIPS,
        reported.AIMS,
    )
    assert used_files.names(tables) == {f"paper/{path.name}" for path in paths.paper_directory().glob("*.csv")}


@pytest.mark.parametrize("file", ["results/gone.json", "paper/gone.csv", "benchmarks/gone.json"])
def test_a_file_that_is_gone_has_no_sum(file: str) -> None:
    with pytest.raises(FileNotFoundError):
        used_files.digest(file)


def test_a_data_set_has_its_sums_elsewhere() -> None:
    assert used_files.digest("mnist/test") == ""


def test_a_file_outside_of_the_data_folder_has_no_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not in the subpath"):
        used_files.name(tmp_path / "result.json")
