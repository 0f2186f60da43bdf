"""Whatever a reader is given, it reads it or raises its documented error: over 10,000 made-up inputs on every run."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tqttfs_lite.errors import CheckpointError, NotationError, ResultError
from tqttfs_lite.experiments import results
from tqttfs_lite.experiments.checkpoints import read_tensors
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.evaluation import Evaluation
from tqttfs_lite.experiments.results import Result
from tqttfs_lite.experiments.training import Epoch
from tqttfs_lite.spiking.notation import Architecture

many = settings(max_examples=3000)
files = settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])

numbers = st.integers() | st.floats() | st.integers(-2, 300) | st.sampled_from([1e300, -0.0])
scalars = st.none() | st.booleans() | numbers | st.text(max_size=8)
values = st.recursive(  # small ones: to draw them takes most of the time
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
parts = st.sampled_from(["784", "28x28", "400", "10", "2", "(2)", "(", "16C5", "16C4(1)", "P2", "10(4)"])
texts = st.text(alphabet="0123456789xCP()- ", max_size=25) | st.text(max_size=10)
notation = texts | st.lists(parts, max_size=5).map("-".join)  # many of these are architectures
names = st.sampled_from([field.name for field in fields(TrainingConfig)])

SMLP = {"architecture": "784-400(1)-10(2)", "dataset": "mnist", "time_steps": 8}
CONFIG = TrainingConfig("784-8(1)-10(2)", "mnist", 4, epochs=1)
RESULT = Result(CONFIG, (Epoch(0.5, 90.0, 3.0, 1.0),), Evaluation(10, 9, 9, 1, 30, (5, 6)), "digest", {}, {})


@many
@given(notation)
def test_any_text_is_an_architecture_or_a_notation_error(text: str) -> None:
    try:
        architecture = Architecture.parse(text)
    except NotationError as error:
        assert 0 <= error.position <= len(text) and error.allowed in str(error)
    else:
        assert Architecture.parse(str(architecture)) == architecture


@many
@given(texts)
def test_any_short_form_gives_degrees_or_a_notation_error(text: str) -> None:
    try:
        network = Architecture.parse("784-400-10").with_quantization(text)
    except NotationError as error:
        assert 0 <= error.position <= len(text) and error.allowed in str(error)
    else:
        assert network.quantization == tuple(map(int, text.replace(" ", "").split("-")))


@many
@given(st.dictionaries(names | st.text(max_size=8), values | texts, max_size=6))
def test_any_settings_are_a_configuration_or_a_value_error(changes: dict[str, Any]) -> None:
    try:
        config = TrainingConfig(**{**SMLP, **changes})
    except ValueError as error:
        assert changes and str(error)
    else:
        assert TrainingConfig(**json.loads(json.dumps(asdict(config)))) == config


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A result file of one's own."""
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    return results.write(RESULT, results.result_file(CONFIG, released=False))


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every value inside of nested lists and dictionaries, by the keys that lead to it."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


@files
@given(data=st.data(), value=values)
def test_a_result_with_any_value_anywhere_is_whole_or_refused(stored: Path, data: st.DataObject, value: Any) -> None:
    results.write(RESULT, stored)
    content = whole = {"": json.loads(stored.read_text())}
    *way, last = ("", *data.draw(st.sampled_from(places(whole[""]))))
    for key in way:
        content = content[key]
    content[last] = value
    stored.write_text(json.dumps(whole[""]))
    try:
        found = results.read(stored)
    except ResultError as error:
        assert stored.name in str(error)
    else:
        test = found.test
        assert 0 <= test.accuracy + test.mean_steps + sum(test.mean_spikes) + test.silent  # numbers, all of them
        assert found.seconds == sum(epoch.seconds for epoch in found.history)
        assert found.config == CONFIG


@files
@given(st.binary(max_size=80))
def test_a_checkpoint_of_any_bytes_is_refused(stored: Path, noise: bytes) -> None:
    """No byte of it is run: safetensors holds numbers only."""
    path = stored.with_suffix(".safetensors")
    path.write_bytes(noise)
    with pytest.raises(CheckpointError):
        read_tensors(path)
