"""The data behind the figures of results."""

import numpy as np
import pandas as pd
import pytest
import torch

from tqttfs_lite.experiments.config import recipe
from tqttfs_lite.experiments.evaluation import Curve
from tqttfs_lite.experiments.training import Epoch
from tqttfs_lite.paper import attempts, reported
from tqttfs_lite.paper.operating_points import Operating
from tqttfs_lite.paper.random_search import Expected
from tqttfs_lite.paper.seed_statistics import spread
from tqttfs_lite.report import result_figures, style


def test_the_learning_curve_shows_every_epoch() -> None:
    figure = result_figures.learning_curve([Epoch(0.5, 90.0, 4.0, 1.0), Epoch(0.25, 95.0, 4.0, 1.0)])
    loss, accuracy = (axes.lines[0] for axes in figure.axes)
    assert list(loss.get_ydata()) == [0.5, 0.25]
    assert list(accuracy.get_ydata()) == [90.0, 95.0]
    assert list(loss.get_xdata()) == [1, 2]


def test_the_race_marks_the_chosen_class_and_its_step() -> None:
    V = torch.tensor([[0.1, 0.2], [0.3, 1.5]])
    figure = result_figures.output_race(V, steps=(1, 3), classes=("a", "b"), label=1, decision_step=4)
    (axes,) = figure.axes
    coloured = [line for line in axes.lines if line.get_color() == result_figures.OURS]
    assert [list(line.get_ydata()) for line in coloured] == [pytest.approx([0.2, 1.5])]
    assert list(coloured[0].get_xdata()) == [2, 4]
    assert any(list(line.get_xdata()) == [4, 4] for line in axes.lines)
    assert "b" in [text.get_text() for text in axes.texts]


def test_the_comparison_shows_the_papers_accuracies_and_ours_with_their_intervals() -> None:
    rows = [("one", 98.6, spread([98.4, 98.6])), ("two", None, spread([89.0]))]
    (axes,) = result_figures.accuracy_comparison(rows).axes
    reported, *_ = axes.lines
    (ours,) = axes.containers
    assert list(zip(*reported.get_data(), strict=True)) == [(98.6, 0)]
    assert list(ours[0].get_xdata()) == [98.5, 89.0]
    left, right = ours[2][0].get_segments()[0][:, 0]
    assert (right - left) / 2 == pytest.approx(rows[0][2].half_interval)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]


def test_the_comparison_of_nothing_is_an_empty_figure() -> None:
    (axes,) = result_figures.accuracy_comparison([]).axes
    assert not axes.get_yticklabels()


def test_the_sweep_shows_accuracy_and_steps() -> None:
    accuracy, steps = result_figures.sweep([("1-2", 98.6, spread([98.5]), spread([2.5, 2.7]))]).axes
    assert list(accuracy.containers[0][0].get_xdata()) == [98.5]
    assert list(steps.containers[0][0].get_xdata()) == [pytest.approx(2.6)]


def test_every_reading_has_its_curves_and_the_papers_rings() -> None:
    curve = [(4.0, spread([80.0, 81.0])), (5.0, spread([84.0, 86.0]))]
    readings = {
        "from 1": {"none": curve, "reference": [(4.0, spread([85.0]))]},
        "from 0": {"none": [(steps - 1, accuracy) for steps, accuracy in curve]},
    }
    first, second = result_figures.curves_by_reading(readings, {"none": (4.8, 86.7)}).axes
    ours, reference, paper = first.lines
    assert (list(ours.get_xdata()), list(ours.get_ydata())) == ([4.0, 5.0], [80.5, 85.0])
    assert list(second.lines[0].get_xdata()) == [3.0, 4.0]
    assert [line.get_label() for line in first.lines] == ["none", "reference", "the paper, none"]
    assert (list(paper.get_data()), paper.get_color()) == ([[4.8], [86.7]], ours.get_color())
    (band,) = first.collections  # none of a single seed
    assert band.get_datalim(first.transData).ymax == pytest.approx(curve[1][1].interval[1])
    assert reference.get_color() != ours.get_color()


def test_every_network_has_a_line_for_each_decoder_and_its_disc() -> None:
    curve = [(1.0, spread([80.0, 81.0])), (2.0, spread([84.0, 86.0]))]
    networks = {"a": {"first": curve, "weighted": curve}, "b": {"first": curve}, "c": {"weighted": curve}}
    trained = {name: dict.fromkeys(curves, (1.5, 83.0)) for name, curves in networks.items()}
    figure = result_figures.decoder_curves(networks, trained)
    both, one, other, empty = figure.axes
    line, disc, weighted, _ = both.lines
    assert (list(line.get_ydata()), list(disc.get_xdata())) == ([80.5, 85.0], [1.5])
    assert line.get_color() == disc.get_color() == one.lines[0].get_color() != weighted.get_color()
    assert other.lines[0].get_linestyle() == weighted.get_linestyle() != line.get_linestyle()
    assert not empty.axison
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["first", "weighted"]


def test_the_confusion_matrix_shades_mistakes_and_prints_counts() -> None:
    table = pd.DataFrame([[9, 1], [0, 8]], index=["a", "b"], columns=["a", "b"])
    (axes,) = result_figures.confusion_matrix(table).axes
    assert axes.images[0].get_array().tolist() == [[0, 1], [0, 0]]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "8", "9"]


def test_the_stopping_curves_are_the_percentages() -> None:
    table = pd.DataFrame({"right, %": [50.0, 90.0], "decided, %": [10.0, 95.0]}, index=[4, 8])
    right, decided = result_figures.stopping_curves({"1-4": table}).axes
    assert list(right.lines[0].get_ydata()) == [50, 90]
    assert list(decided.lines[0].get_xdata()) == [4, 8]


def test_the_decision_bars_are_the_shares() -> None:
    shares = pd.DataFrame({"1-1": [25.0, 75.0, 0.0], "1-2": [0.0, 40.0, 60.0]}, index=["1", "2", "none"])
    (axes,) = result_figures.decision_steps(shares).axes
    assert [[bar.get_height() for bar in bars] for bars in axes.containers] == [[25, 75, 0], [0, 40, 60]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "none"]


def test_a_firing_map_is_drawn_for_every_channel() -> None:
    times = torch.tensor([[[0, 1]], [[2, 4]], [[4, 4]]], dtype=torch.uint8)
    *maps, _ = result_figures.firing_maps(times, time_steps=4).axes
    assert [axes.images[0].get_array().tolist() for axes in maps] == [[[1, 2]], [[3, None]], [[None, None]]]
    assert maps[0].images[0].get_clim() == (1, 4)


def test_the_shares_of_the_layers_add_up_to_all() -> None:
    amounts = pd.DataFrame({"neurons": [3, 1], "spikes": [1.0, 3.0]}, index=["first", "second"])
    (axes,) = result_figures.layer_shares(amounts).axes
    widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
    assert widths == [[75, 25], [25, 75]]


def test_the_configuration_bars_are_the_tables() -> None:
    accuracy = pd.DataFrame({"the paper": [None, 90.2], "ours": [89.0, 90.5]}, index=["1-1", "1-2"], dtype=float)
    energy = pd.DataFrame({"the paper": [650.0, 220.0], "ours": [700.0, 260.0]}, index=["1-1", "1-2"])
    left, right = result_figures.configuration_bars(accuracy, energy).axes
    assert [[bar.get_height() for bar in group] for group in right.containers] == [[650, 220], [700, 260]]
    assert list(left.lines[1].get_ydata()) == [89.0, 90.5]


def test_every_correction_of_the_waterfall_goes_from_what_was_left_before_to_what_is_left() -> None:
    paper = {"slides": (66.0, 66.0, 66.0), "causal": (16.0, 3.0, 16.5), "memory": (21.0, 9.0, 22.0)}
    ours = {"slides": (41.0, 39.0, 43.0), "causal": (-13.0, -20.0, -6.0), "memory": (-11.0, -17.0, -5.0)}
    figure = result_figures.waterfall({"the paper": paper, "ours": ours})
    for axes, savings in zip(figure.axes, (paper, ours), strict=True):
        left = [saved for saved, *_ in savings.values()]
        assert [bar.get_x() for bar in axes.patches] == [0, *left[:-1]]
        assert [bar.get_x() + bar.get_width() for bar in axes.patches] == left
        assert [text.get_text() for text in axes.texts] == [f"{saved:.0f} %" for saved in left]
        through = [list(line.get_xdata()) for line in axes.lines if len(set(line.get_ydata())) == 1]
        assert through == [[low, high] for _, low, high in savings.values()]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(paper)


def test_the_pareto_front_joins_what_nothing_beats() -> None:
    networks = {
        "cheap": (spread([79.0, 81.0]), 1.0, 4.0),
        "beaten": (spread([79.0]), 2.0, 5.0),
        "good": (spread([90.0, 90.5]), 3.0, 3.0),
    }
    energy, steps = result_figures.pareto(networks).axes
    assert list(energy.lines[-1].get_xdata()) == [1.0, 3.0]
    assert list(steps.lines[-1].get_xdata()) == [3.0]
    rings = [bars.lines[0].get_markerfacecolor() == style.CARD for bars in energy.containers]
    assert rings == [False, True, False]


def test_the_bars_of_a_configuration_add_up_to_its_energy() -> None:
    table = pd.DataFrame({"none": [5.0, 4.0, 3.0, 2.0, 1.0], "1-2, seed 0": [1.0] * 5}, index=list("abcde"))
    (axes,) = result_figures.energy_bars(table).axes
    tops = [bar.get_y() + bar.get_height() for bar in axes.containers[-1]]
    assert tops == [15.0, 5.0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["none", "1-2\nseed 0"]


def test_the_speed_bars_are_the_ratios() -> None:
    ratios = pd.DataFrame({"smlp": {"a": 1.5, "b": 3.0}, "scnn": {"a": 2.0, "b": 4.0}})
    (axes,) = result_figures.speed_bars(ratios).axes
    assert [[bar.get_width() for bar in group] for group in axes.containers] == [[1.5, 2.0], [3.0, 4.0]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["smlp", "scnn"]


def test_the_growth_curves_start_at_nothing() -> None:
    figure = result_figures.growth_curves({"one": ("T", [8, 16], [3.0, 5.0]), "two": ("batch", [1, 2], [1.0, 2.0])})
    assert [list(axes.lines[0].get_ydata()) for axes in figure.axes] == [[3, 5], [1, 2]]
    assert all(axes.get_ylim()[0] == 0 for axes in figure.axes)


def test_the_findings_show_curves_and_savings_of_the_paper_and_of_ours() -> None:
    curve = [(4.0, spread([86.0, 88.0])), (5.0, spread([89.0, 89.0]))]
    known = Operating(
        {"unquantized": curve, "quantized": curve[1:]},
        {"unquantized": (4.5, 88.0), "quantized": (5.0, 89.0)},
        {"unquantized": (4.8, 86.7), "quantized": (None, 90.2)},
    )
    savings = {"formula": (66.0, 66.0, spread([60.0])), "causal": (14.0, 16.0, spread([15.0, 17.0]))}
    above, below = result_figures.findings({"one": known}, savings).axes
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in above.lines}
    assert drawn["unquantized"] == ([4.0, 5.0], [87.0, 89.0])
    assert drawn["quantized, as trained"] == ([5.0], [89.0])
    assert drawn["unquantized, the paper"] == ([4.8], [86.7])
    assert set(drawn["quantized, the paper"][1]) == {90.2}
    rings = [line for line in below.lines if line.get_markerfacecolor() == style.CARD]
    assert [list(line.get_xdata()) for line in rings] == [[66.0, 66.0], [14.0, 16.0]]
    assert list(below.containers[0][0].get_xdata()) == [60.0, 16.0]
    assert [label.get_text() for label in below.get_yticklabels()] == ["formula", "causal"]


def test_a_model_has_a_row_and_a_network_a_mark_with_its_interval() -> None:
    models = {"one": spread([10.0, 20.0]), "two": spread([5.0])}
    figure = result_figures.reductions_by_model({"ours": models, "the paper": models}, own=["ours"])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ours", "the paper"]
    bars = axes.containers[0]
    assert list(bars[0].get_xdata()) == [15.0, 5.0]
    ends = [segment[:, 0] for segment in bars[2][0].get_segments()]
    assert ends[0] == pytest.approx(spread([10.0, 20.0]).interval)
    assert ends[1] == pytest.approx([5.0, 5.0])


def test_rates_are_beside_those_up_to_which_spikes_save() -> None:
    figure = result_figures.break_even({"a": (0.05, 0.7), "b": (0.1, 0.2)}, 0.057, (0.15, 1.38))
    for axes, values in zip(figure.axes, ([0.05, 0.1], [0.7, 0.2]), strict=True):
        assert list(axes.lines[0].get_xdata()) == values


def test_weights_are_lines_between_the_clocks_they_are_run_on() -> None:
    accuracy = {"1-1": {"1-1": 98.0, "1-2": 97.0}, "1-2": {"1-1": 98.5, "1-2": 99.0}}
    (axes,) = result_figures.weights_and_clocks({"a network": accuracy}).axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[98.0, 97.0], [98.5, 99.0]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1-1", "1-2"]


def test_a_search_has_a_line_for_each_comparison_and_a_point_for_each_trained_choice() -> None:
    lines = {"best": [80.0, 90.0], "1-2": [float("nan"), 89.0], "unquantized": [79.0, 85.0], "mean": [70.0, 80.0]}
    pairs = {"1-2": (89.0, spread([92.0, 93.0])), "1-1": (85.0, spread([91.0]))}
    front, ranks = result_figures.degree_search([4, 5], lines, pairs, ["1-2"]).axes
    assert [line.get_label() for line in front.lines] == list(lines)
    assert list(front.lines[0].get_ydata()) == [80.0, 90.0]
    points = {text.get_text(): text for text in ranks.texts}
    assert points["1-2"].xy == (89.0, 92.5) and points["1-1"].xy == (85.0, 91.0)
    assert points["1-2"].get_color() == result_figures.OURS != points["1-1"].get_color()


def test_a_sweep_of_degrees_has_a_line_for_each() -> None:
    rows = [
        (degrees, spread([value]), spread([value / 10]), spread([value * 2]))
        for degrees, value in (("1-1", 90.0), ("1-2", 91.0))
    ]
    panels = result_figures.degree_sweep(rows).axes
    assert [list(axes.containers[0][0].get_xdata()) for axes in panels] == [[90.0, 91.0], [9.0, 9.1], [180.0, 182.0]]


def test_attempts_are_thin_where_too_many_images_are_silent() -> None:
    config = recipe("784-400-10(2)", "mnist", 8, epochs=1)
    curve = Curve(100, (90, 92, 93), (0, 2, 9), (150, 250, 400))
    tried = attempts.Tried("the recipe", config, "", (0.5, 1.0, 1.5), (curve, curve), ())
    aims = tuple(reported.aims()[:2])
    (axes,) = result_figures.attempt_curves([attempts.Network("mnist", "784-400-10", "1-2", aims, (tried,))]).axes
    thin, thick, dashed, _, *marks = axes.lines
    assert list(thin.get_xdata()) == [1.5, 2.5, 4.0] and list(thin.get_ydata()) == [90.0, 92.0, 93.0]
    assert thick.get_ydata()[:2].tolist() == [90.0, 92.0] and np.isnan(thick.get_ydata()[2])
    assert (thin.get_linestyle(), dashed.get_linestyle()) == ("-", "--") and len(marks) == 3
    assert axes.get_title() == "mnist, SMLP 1-2"


def test_a_random_search_has_a_row_of_panels_for_each_network() -> None:
    best = np.array([[80.0, 85.0], [81.0, 84.0]])
    found = Expected(best, np.stack([best - 1, best + 1]), best[1] - best[0], np.zeros((2, 2)))
    axes = result_figures.random_search({name: {"2 steps": found, "3 steps": found} for name in ("one", "two")}).axes
    assert [panel.get_title() for panel in axes] == ["2 steps", "3 steps"] * 2
    assert [list(line.get_ydata()) for line in axes[0].lines] == best.tolist()
    assert list(axes[0].lines[0].get_xdata()) == [1, 2]
    assert [line.get_label() for line in axes[0].lines] == ["unquantized", "quantized"]
