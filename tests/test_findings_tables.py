"""The first page's tables hold every network and every accounting."""

import re

from book import findings_tables
from book.compared import RECIPE, all_compared, controlled, earlier, name
from tests.test_compared import comparison
from tests.test_findings import plain
from tqttfs_lite.energy.models import CAUSAL, SLIDES
from tqttfs_lite.paper import comparisons, seed_statistics
from tqttfs_lite.paper.seed_statistics import gain, gain_at, spread


def test_the_networks_stand_with_accuracies_silence_and_seeds() -> None:
    table = findings_tables.networks_table([comparison((986, 988), (981, 981))])
    assert "98.70\N{NO-BREAK SPACE}±" in table
    assert plain(table).splitlines()[2:] == [
        "| MNIST perceptron | 1-1 | 98.1 | 98.10 ± 0.00 | 0.0 | 2.00 | 2 |",
        "| MNIST perceptron | 1-2 | 98.6 | 98.70 ± 0.14 | 1.2 | 2.00 | 2 |",
    ]


def test_energy_stands_under_every_accounting_and_every_case() -> None:
    saved = {SLIDES: ({"one": 66.0, "two": 66.0}, spread([20.0])), CAUSAL: ({"one": 14.1, "two": 2.9}, spread([-5.0]))}
    assert findings_tables.energy_table(saved).splitlines()[2:] == [
        "| the slides' formula | 66.0 | 66.0 | 20.0 |  |",
        "| causal | 14.1 | 2.9 | -5.0 |  |",
    ]


def test_what_the_earlier_loss_made_of_the_baselines_is_told_where_it_is_known() -> None:
    groups = seed_statistics.released()
    compared = all_compared(groups)
    told = plain(findings_tables.loss_table(earlier(groups, compared)))
    for claim, quantized, baseline, *_ in compared:
        before = comparisons.by_recipe(groups, claim.dataset, claim.network, loss="soft-decoder")
        assert before is not None and before is not baseline
        for loss, group in (("earlier", before), ("the recipe's", baseline)):
            (line,) = re.findall(rf".*\| {name(claim)} \| {loss} \|.*", told)
            assert group.steps.text(2) in line and gain(quantized, group).text(2) in line
    assert findings_tables.loss_table([]) == ""


def test_what_quantization_gains_over_stronger_baselines_is_told_as_trained_and_at_equal_steps() -> None:
    groups = seed_statistics.released()
    known = controlled(groups, all_compared(groups))
    told = plain(findings_tables.controls_table(known))
    assert known
    for (claim, quantized, baseline, *_), found in known:
        steps = comparisons.middle_steps(claim.dataset)
        for words, group in {RECIPE: baseline, **found}.items():
            (line,) = re.findall(rf".*\| {name(claim)}, {claim.degrees} \| {words} \|.*", told)
            there = gain_at(quantized, group, steps)
            assert there and f"| {gain(quantized, group).text(2)} | {there.text(2)} at {steps:g} |" in line
    assert findings_tables.controls_table([]) == ""
