"""A study file is read into configurations, and every bad input is one sentence that names the key."""

import re
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

from tqttfs_lite import commands
from tqttfs_lite.cli import main
from tqttfs_lite.errors import StudyError
from tqttfs_lite.experiments import experiment, paths, results, study
from tqttfs_lite.experiments.config import TrainingConfig, follows_recipe, recipe
from tqttfs_lite.paper import attempts, comparisons, seed_statistics

PART = {"dataset": "mnist", "time_steps": 4, "architectures": ["784-16-10"], "degrees": ["1-1", "1-2"], "seeds": [0, 3]}
EXAMPLE = paths.REPOSITORY / "data" / "example_study.yml"


def test_a_part_asks_for_every_combination_in_its_order() -> None:
    assert study.configurations([PART]) == [
        recipe(network, "mnist", 4, seed=seed) for network in ("784-16(1)-10(1)", "784-16(1)-10(2)") for seed in (0, 3)
    ]


def test_degrees_may_stand_in_brackets_and_settings_change_the_recipe() -> None:
    part = {key: value for key, value in PART.items() if key != "degrees"}
    part |= {"architectures": ["784-16(1)-10(4)", "784-8-10"], "seeds": [1], "settings": {"epochs": 2, "flip": True}}
    assert study.configurations([part]) == [
        recipe(network, "mnist", 4, seed=1, epochs=2, flip=True) for network in ("784-16(1)-10(4)", "784-8(1)-10(1)")
    ]


def test_numbers_may_be_written_as_people_write_them(tmp_path: Path) -> None:
    file = tmp_path / "study.yml"
    head = "- {dataset: mnist, time_steps: 4, architectures: [784-16-10], seeds: [0], settings: "
    found = set()
    for settings in ("{learning_rate: 1e-3, theta: 2}", "{learning_rate: 0.001, theta: 2.0}"):
        file.write_text(f"{head}{settings}}}\n")
        found |= {(config, config.hash) for config in study.read(file)}
    assert len(found) == 1


def test_the_released_study_is_what_the_released_results_are() -> None:
    """A result that nobody can train again from the study, or one that is promised and not there, fails.

    The recipe with another loss, rate coding, and chapter 7's attempts and controls are part of it; its other
    variations are not.
    """

    def as_in_the_recipe(config: TrainingConfig) -> TrainingConfig:
        price = recipe(config.architecture, config.dataset, config.time_steps).step_cost
        if config.loss == "tick-corrected" and config.step_cost == 0.0:  # a rung of chapter 9's ladder
            config = replace(config, step_cost=price)
        if config.loss in ("first-spike-time", "temporal-weighting"):  # which have settings of their own
            config = replace(config, loss="temporal-weighting", half_life=TrainingConfig.half_life)
            config = replace(config, sharpness=TrainingConfig.sharpness, step_cost=price)
        if {"earliest_output": config.earliest_output} in comparisons.CONTROLS.values():
            config = replace(config, earliest_output=TrainingConfig.earliest_output)
        return replace(config, loss="tick-corrected")

    known = [result.config for result in results.read_all()]
    attempted = {
        c for n in attempts.stored({}) for c in attempts.configurations(n.dataset, n.network, n.degrees).values()
    }
    stored = {c for c in known if c.coding == "rate" or follows_recipe(as_in_the_recipe(c))}
    stored |= {c for c in known if replace(c, seed=0) in attempted}
    assert set(study.read(study.released_file())) == stored


def test_the_example_is_a_study() -> None:
    configs = study.read(EXAMPLE)
    assert len(configs) == 4
    assert not any(map(follows_recipe, configs))  # it trains something of its own
    page = (paths.REPOSITORY / "book" / "reproduce.md").read_text("utf-8")
    shown, *_ = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert study.configurations(yaml.safe_load(shown)) == configs


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ([], "list of parts"),
        ({"dataset": "mnist"}, "list of parts"),
        (["mnist"], "part 1: it must be a valid dictionary, not 'mnist'"),
        ([PART, {**PART, "sedes": [0]}], "part 2: unknown key sedes: allowed are dataset, time_steps"),
        ([{**PART, 3: [0]}], "the key 3 must be a text"),
        ([{k: v for k, v in PART.items() if k not in ("seeds", "dataset")}], "missing key dataset, seeds"),
        ([{**PART, "dataset": "mnits"}], "unknown data set 'mnits': choose one of mnist, fashion-mnist"),
        ([{**PART, "dataset": ["mnist"]}], "dataset must be a valid string, not ['mnist']"),
        ([{**PART, "time_steps": "8"}], "time_steps must be a valid integer, not '8'"),
        ([{**PART, "time_steps": 0}], "time_steps must be greater than or equal to 1, not 0"),
        ([{**PART, "seeds": 3}], "seeds must be a valid list, not 3"),
        ([{**PART, "seeds": []}], "seeds must have at least 1 item, not []"),
        ([{**PART, "seeds": [True]}], "seeds.0 must be a valid integer, not True"),
        ([{**PART, "seeds": [-1]}], "seeds.0 must be greater than or equal to 0, not -1"),
        ([{**PART, "architectures": "784-16-10"}], "architectures must be a valid list"),
        ([{**PART, "architectures": ["784-4O0-10"]}], "expected '-' and a layer"),
        ([{**PART, "architectures": ["100-16-10"]}], "does not fit mnist"),
        ([{**PART, "degrees": [1, 2]}], "degrees.0 must be a valid string, not 1"),
        ([{**PART, "degrees": ["1-2-4"]}], "1-2-4"),
        ([{**PART, "settings": ["epochs"]}], "settings must be a valid dictionary"),
        ([{**PART, "settings": {1: 2}}], "the key settings.1 must be a text"),
        ([{**PART, "settings": {"epoch": 2}}], "unknown key settings.epoch: allowed are coding, epochs"),
        ([{**PART, "settings": {"epochs": 0}}], "settings.epochs must be greater than or equal to 1, not 0"),
        (
            [{**PART, "settings": {"learning_rate": "fast"}}],
            "settings.learning_rate must be a valid number, not 'fast'",
        ),
        (
            [{**PART, "architectures": ["784-16(2)-10"]}],
            "'784-16(2)-10' has degrees in parentheses, and",
        ),
        ([{**PART, "settings": {"seed": 1}}], "unknown key settings.seed: allowed are coding"),
        ([{**PART, "degrees": []}], "degrees must have at least 1 item, not []"),
        ([{**PART, "time_steps": 1}], "too few for the first layer"),
        (
            [PART, {**PART, "seeds": [3]}],
            "part 2: 784-16(1)-10(1) with seed 3 is listed twice",
        ),
    ],
)
def test_a_bad_part_is_named_with_its_key_and_what_is_allowed(part: object, words: str) -> None:
    with pytest.raises(StudyError) as refused:
        study.configurations(part)
    assert words in str(refused.value) and str(refused.value).startswith("part ")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"- dataset: [", "is not valid YAML"),
        (b"\xff\xfe\xfd", "is not valid YAML"),
        (b"- 2024-13-01", "is not valid YAML"),
        (b"- {seeds: [0], dataset: mnist, seeds: [1]}", "the key 'seeds' appears twice, line 1"),
        (b"- {settings: {epochs: 1, epochs: 2}}", "the key 'epochs' appears twice"),
        (b"- {seeds: [0], <<: {seeds: [1]}}", "the key 'seeds' appears twice"),
        (b"- " + b"[" * 20_000, "is not valid YAML: maximum recursion depth exceeded"),
        (b"- &a [1]\n- *a", "aliases are not allowed, line 2"),
        (b"- !" + b"a" * 10**5 + b" 1", "could not determine a constructor for the tag '!aaa"),
        (b"- [" + b"[" * 50 + b"1" * 4000 + b"]" * 50 + b"]", "it must be a valid dictionary, not [["),
        (b"- 0x" + b"f" * 9999, "not a number of thousands of digits"),
        (b"- !!python/object/apply:os.getcwd []", "is not valid YAML"),
        (b"", "mine.yml, part 1: a study is a list of parts"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_bad_file_ends_the_command_with_one_sentence(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yml"
    if content is not None:
        file.write_bytes(content)
    assert main(["study", str(file)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tqttfs: ") and words in error and "Traceback" not in error
    assert error.count("\n") == 1 and len(error) < 500


@pytest.mark.usefixtures("home")
def test_the_summary_has_a_row_for_each_configuration() -> None:
    configs = study.configurations([{**PART, "settings": {"epochs": 1}}])
    scores = [experiment.run(config, progress=False) for config in configs]
    table = seed_statistics.table(scores).set_index("network")
    assert list(table.index) == ["784-16(1)-10(1)", "784-16(1)-10(2)"]
    mean = (scores[2].test.accuracy + scores[3].test.accuracy) / 2
    assert table.loc["784-16(1)-10(2)", "accuracy, %"].startswith(f"{mean:.2f} ± ")
    assert list(table["seeds"]) == [2, 2]


SMALL = "- {dataset: mnist, time_steps: 4, architectures: [784-16-10], seeds: [0, 1], settings: {epochs: 1}}\n"


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_a_study_ends_with_its_table_in_whatever_folder_its_data_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Snakemake runs in the checkout, and the data folder may be named relative to another one."""
    (tmp_path / "mine.yml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQTTFS_DATA", "data")
    for config in study.read("mine.yml"):
        experiment.run(config, progress=False)
    assert main(["study", "mine.yml", "--cores", "1"]) == 0
    heads, row = capfd.readouterr().out.strip().splitlines()[-2:]
    assert "accuracy, %" in heads and row.split()[:2] == ["mnist", "784-16(1)-10(1)"]


def test_a_study_without_its_results_ends_with_an_error(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yml").write_text(SMALL)
    ran = CompletedProcess([], returncode=0)
    monkeypatch.setattr(commands.subprocess, "run", lambda *_, **__: ran)
    assert main(["study", str(tmp_path / "mine.yml"), "--dry-run"]) == 0
    assert main(["study", str(tmp_path / "mine.yml")]) == 1
    assert capsys.readouterr().err == "tqttfs: 2 of 2 results are missing: nothing to summarise\n"


@pytest.mark.parametrize("own", [["--device", "cpu"], ["--at-once", "2"]])
@pytest.mark.usefixtures("home")
def test_options_may_follow_the_file_and_snakemake_gets_only_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: list[str]
) -> None:
    (tmp_path / "mine.yml").write_text(SMALL)
    calls: list[list[str]] = []

    def run(command: list[str], **_: object) -> CompletedProcess[str]:
        calls.append(command)
        return CompletedProcess(command, returncode=0)

    monkeypatch.setattr(commands.subprocess, "run", run)
    assert main(["study", str(tmp_path / "mine.yml"), *own, "--cores", "1", "--dry-run"]) == 0
    assert calls[0][3:7] == ["study", "--cores", "1", "--dry-run"]


def test_the_committed_schema_is_the_one_of_the_code() -> None:
    """Editors complete and check a study by it; where this fails, write it again as `study.schema` says."""
    for file in (study.released_file(), EXAMPLE):
        assert file.read_text("utf-8").startswith("# yaml-language-server: $schema=study.schema.json\n")
    assert (paths.REPOSITORY / "data" / "study.schema.json").read_text("utf-8") == study.schema()
