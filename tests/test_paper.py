"""The transcribed tables: complete, and consistent with one another.

What follows from other numbers on the slides is recomputed by `energy_claims.arithmetic`: test_energy_claims runs it.
"""

import pytest

from tqttfs_lite.experiments import paths
from tqttfs_lite.paper import reported

CONFIGURATIONS = ["none", "1-1-1-2-2", "1-2-2-2-2", "1-2-2-4-4", "1-4-4-4-4"]


@pytest.mark.parametrize(("dataset", "rows", "ours"), [("mnist", 9, 2), ("fashion-mnist", 10, 4)])
def test_accuracy_tables_are_complete(dataset, rows, ours):
    table = reported.accuracy(dataset)
    assert len(table) == rows
    assert sum(row.reference == "this paper" for row in table) == ours
    assert all(85 < row.accuracy_percent < 99 for row in table)
    assert {row.coding for row in table} == {"Temporal", "Rate"}
    for row in table:
        assert row.architecture.isascii()
        assert row.architecture.endswith(("-10", "-10(2)", "-10(4)"))
        assert row.reference == "this paper" or row.reference.isdigit()


def test_unknown_data_set_is_refused():
    with pytest.raises(ValueError, match="unknown data set 'mnits': choose one of mnist, fashion-mnist"):
        reported.accuracy("mnits")


def test_nothing_is_reported_on_other_data_sets():
    assert reported.accuracy("digits") == [] and reported.own_accuracy("cifar-10") == {}


def test_energy_table_is_five_by_five_in_order():
    rows = [(row.layer, row.configuration) for row in reported.energy()]
    assert rows == [(layer.layer, c) for layer in reported.layers() for c in CONFIGURATIONS]


def test_q_is_the_layers_entry_of_the_configuration():
    found = {c: [str(row.q) for row in reported.energy() if row.configuration == c] for c in CONFIGURATIONS}
    assert found.pop("none") == ["1"] * 5
    assert all("-".join(q) == configuration for configuration, q in found.items())


def test_one_configuration_has_one_number_of_steps():
    for configuration in CONFIGURATIONS:
        assert len({r.inference_time_steps for r in reported.energy() if r.configuration == configuration}) == 1


def test_no_layer_spikes_more_than_once_per_neuron():
    neurons = {layer.layer: layer.neurons for layer in reported.layers()}
    assert all(0 < row.spikes < neurons[row.layer] for row in reported.energy())


def test_claims_have_values_and_unique_names():
    claims = reported.claims()
    assert len(claims) == 13
    for name, claim in claims.items():
        assert claim.claim == name
        assert float(claim.value) > 0
        assert claim.unit in {"percent", "percentage points", "steps", "pJ", "times"}
    assert (claims["energy_per_addition"].value, claims["energy_per_addition"].unit) == ("0.9", "pJ")


def test_the_accuracies_stated_in_words_are_those_of_the_tables():
    stated = {name: float(claim.value) for name, claim in reported.claims().items() if "_accuracy" in name}
    best = [max(reported.own_accuracy(data).values()) for data in ("mnist", "fashion-mnist")]
    assert set(stated.values()) == {*best, reported.own_accuracy("fashion-mnist")["784-400(1)-400(2)-10(4)"]}


def test_coding_table():
    assert [row.property for row in reported.coding()] == [
        "Spike numbers", "Latency", "Energy efficiency", "Classification accuracy",
    ]  # fmt: skip
    assert all(row.rate_coding != row.ttfs_coding for row in reported.coding())


def test_literature_agrees_with_the_papers_own_tables():
    rows = reported.literature()
    assert all(row.mnist_percent or row.fashion_mnist_percent for row in rows)
    own = {(row.work, row.network): row for row in rows if "TQ-TTFS" in row.work}
    for prefix, model in (("TQ-TTFS", "TQ-TTFS/"), ("TQ-TTFS baseline", "Baseline ")):
        for network in ("SMLP", "SCNN"):
            row = own[f"{prefix}, ASP-DAC 2024", network]
            fashion = {r.model: r.accuracy_percent for r in reported.accuracy("fashion-mnist")}
            assert row.fashion_mnist_percent == fashion[model + network]
    assert {row.work for row in rows if not row.verified} == {"STDBP", "Hao et al.", "Ranjan et al."}


def test_every_cell_of_every_table_is_there():
    tables = sorted(paths.paper_directory().glob("*.csv"))
    assert len(tables) == 12
    for table in tables:
        assert table.read_text(encoding="utf-8").startswith("# "), f"{table.name} names no slide"
        for row in reported._rows(table.name):
            assert None not in row and None not in row.values(), (table.name, row)


def test_a_missing_table_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "paper_directory", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match=r"layers\.csv is missing: it comes with the package"):
        reported.layers()
