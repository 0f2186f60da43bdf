"""A study file is read into configurations, and every bad input is one sentence that names the key."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tqttfs_lite.cli import main
from tqttfs_lite.errors import StudyError
from tqttfs_lite.experiments import experiment, paths, results, study
from tqttfs_lite.experiments.config import follows_recipe, recipe
from tqttfs_lite.paper import summary

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


def test_the_published_study_is_what_the_published_results_are() -> None:
    """A result that nobody can train again from the study, or one that is promised and not there, fails.

    The recipe with the tick-corrected loss and rate coding are part of it; former recipes and other variations, which
    chapter 7 has too, are not.
    """
    known = [result.config for result in results.read_all()]
    usual = {config: replace(config, seed=0) for config in known}
    for config in known:
        if config.loss == "tick-corrected":
            usual[config] = replace(usual[config], loss="soft-decoder")
    stored = {config for config in known if follows_recipe(usual[config]) or config.coding == "rate"}
    assert set(study.read(study.published_file())) == stored


def test_the_example_is_a_study() -> None:
    configs = study.read(EXAMPLE)
    assert len(configs) == 4
    assert not any(follows_recipe(replace(config, seed=0)) for config in configs)  # it trains something of its own
    page = (paths.REPOSITORY / "book" / "reproduce.md").read_text("utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert study.configurations(yaml.safe_load(shown)) == configs


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ([], "list of parts"),
        ({"dataset": "mnist"}, "list of parts"),
        (["mnist"], "part 1: it must have the keys dataset, time_steps"),
        ([PART, {**PART, "sedes": [0]}], "part 2: unknown key sedes: allowed are dataset, time_steps"),
        ([{**PART, 3: [0]}], "unknown key 3"),
        ([{k: v for k, v in PART.items() if k not in ("seeds", "dataset")}], "missing key dataset, seeds"),
        ([{**PART, "dataset": "mnits"}], "unknown data set 'mnits': choose one of mnist, fashion-mnist"),
        ([{**PART, "dataset": ["mnist"]}], "dataset must be a name such as mnist, not ['mnist']"),
        ([{**PART, "time_steps": "8"}], "time_steps must be a whole number, not '8'"),
        ([{**PART, "time_steps": 0}], "from 1 to 254"),
        ([{**PART, "seeds": 3}], "seeds must be a list of whole numbers"),
        ([{**PART, "seeds": []}], "seeds must be a list"),
        ([{**PART, "seeds": [True]}], "seeds must be a list"),
        ([{**PART, "seeds": [-1]}], "seed must be from 0 to"),
        ([{**PART, "architectures": "784-16-10"}], "architectures must be a list"),
        ([{**PART, "architectures": ["784-4O0-10"]}], "expected '-' and a layer"),
        ([{**PART, "architectures": ["100-16-10"]}], "does not fit mnist"),
        ([{**PART, "degrees": [1, 2]}], "degrees must be a list of texts"),
        ([{**PART, "degrees": ["1-2-4"]}], "1-2-4"),
        ([{**PART, "settings": ["epochs"]}], "settings must be names and values"),
        ([{**PART, "settings": {1: 2}}], "settings must be names and values"),
        ([{**PART, "settings": {"epoch": 2}}], "unknown setting epoch: allowed are"),
        ([{**PART, "settings": {"epochs": 0}}], "epochs must be 1 or more"),
        ([{**PART, "settings": {"learning_rate": "fast"}}], "learning_rate must be of type float, not 'fast'"),
        (
            [{**PART, "architectures": ["784-16(2)-10"]}],
            "784-16(2)-10 has degrees in brackets, and",
        ),
        ([{**PART, "settings": {"seed": 1}}], "settings must not name seed"),
        (
            [PART, {**PART, "seeds": [3]}],
            "part 2: 784-16(1)-10(1) with seed 3 is asked for a second time",
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
        (b"- {seeds: [0], dataset: mnist, seeds: [1]}", "the key 'seeds' stands twice"),
        (b"- {settings: {epochs: 1, epochs: 2}}", "the key 'epochs' stands twice"),
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


@pytest.mark.usefixtures("home")
def test_the_summary_has_a_row_for_each_configuration() -> None:
    configs = study.configurations([{**PART, "settings": {"epochs": 1}}])
    scores = [experiment.run(config, progress=False) for config in configs]
    table = summary.table(scores).set_index("network")
    assert list(table.index) == ["784-16(1)-10(1)", "784-16(1)-10(2)"]
    mean = (scores[2].test.accuracy + scores[3].test.accuracy) / 2
    assert table.loc["784-16(1)-10(2)", "accuracy, %"].startswith(f"{mean:.2f} ± ")
    assert list(table["seeds"]) == [2, 2]
