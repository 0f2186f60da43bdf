"""Savings on equal terms, on networks whose images and steps are known."""

import pytest

from tqttfs_lite.energy.models import CAUSAL, MEMORY
from tqttfs_lite.experiments import experiment
from tqttfs_lite.experiments.config import recipe
from tqttfs_lite.report import energy_views


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQTTFS_DATA", str(tmp_path_factory.mktemp("data")))
        text = "8x8-4C3({})-P2-10({})"
        yield [
            experiment.run(
                recipe(text.format(*q), "digits", 8, epochs=2, pooling="average"), device="cpu", progress=False
            )
            for q in ((1, 2), (1, 1))
        ]


def test_on_equal_terms_the_images_and_the_steps_are_what_the_row_says(trained) -> None:
    quantized, baseline = trained
    table = energy_views.on_equal_terms(quantized, baseline, images=100)
    assert table.loc["as trained", "images"] == 100
    both = [experiment.answers_of(result).decided[:100] for result in trained]
    steps = [experiment.answers_of(result).step[:100].double() for result in trained]
    row = table.loc["images that both decide"]
    assert row["images"] == int((both[0] & both[1]).sum())
    assert [row["steps"], row["steps, baseline"]] == pytest.approx(
        [float(each[both[0] & both[1]].mean()) for each in steps]
    )
    row = table.loc["equal steps, by the baseline's output threshold"]
    assert abs(row["steps"] - row["steps, baseline"]) < 0.5
    assert row["steps"] == table.loc["as trained", "steps"]


def test_a_window_that_adds_first_takes_no_more_events(trained) -> None:
    quantized, baseline = trained
    table = energy_views.pooled_first(quantized, baseline, images=100)
    each, first = (table.loc[name] for name in table.index)
    assert first["additions, baseline"] < each["additions, baseline"]
    for result, name in ((quantized, "additions"), (baseline, "additions, baseline")):
        assert each[name] == pytest.approx(
            sum(energy_views._counted(result, energy_views._first(result, 100))[0].additions)
        )
    assert each[CAUSAL] == pytest.approx(100 * (1 - each["additions"] / each["additions, baseline"]))
    assert each[MEMORY] != each[CAUSAL]
