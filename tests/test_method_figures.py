"""The figures show the data that they are given, in one style, and come out the same every time."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from book.refresh import numbered_clips
from tqttfs_lite.report import method_figures, style
from tqttfs_lite.spiking.coding import encode
from tqttfs_lite.spiking.neuron import if_neuron, tq_ttfs_neuron, ttfs_neuron
from tqttfs_lite.spiking.notation import Architecture
from tqttfs_lite.spiking.rate_coding import encode_as_rate
from tqttfs_lite.spiking.surrogate import Atan

T = 8
IMAGE = torch.tensor([[0, 0, 40], [80, 120, 160], [200, 240, 255]], dtype=torch.uint8)
# Input 0 lifts the potential above the threshold at t = 1, input 1 pulls it back at 2, input 2 lifts it again at 5.
W = torch.tensor([[1.5, -1.0, 0.75]])
S_IN = torch.stack([torch.tensor([1, 2, 5]) == t for t in range(T)]).float()[:, None]
NETWORK = Architecture.parse("784-400(1)-400(2)-10(3)")
TTFS = torch.tensor([1, 1, 2, 5, 8], dtype=torch.uint8)
TQ = torch.tensor([3, 3, 7, 8, 8], dtype=torch.uint8)

EVERY_FIGURE: dict[str, Callable[[], Figure]] = {
    "encoding_curve": lambda: method_figures.encoding_curve(T),
    "class_gallery": lambda: method_figures.class_gallery(["a", "b"], IMAGE.expand(2, 3, 3), IMAGE[None]),
    "equal_latency": lambda: method_figures.equal_latency({"a network": (4.0, 6.0)}, (1, 2)),
    "own_and_arriving": lambda: method_figures.own_and_arriving({"layer 2": (6.0, 45.0)}),
    "three_codes": lambda: method_figures.three_codes((255, 128, 10), T, q=4),
    "rectified_and_spiking": lambda: method_figures.rectified_and_spiking(T),
    "binned_input": lambda: method_figures.binned_input(TTFS, 4, T),
    "decision_tree": lambda: method_figures.decision_tree(torch.tensor([[0.2, 0.9], [1.6, 1.1]]), 1.0, 4.0),
    "waiting": lambda: method_figures.waiting({"a loss": {4: [0.8, 0.5]}}, T),
    "image_as_spikes": lambda: method_figures.image_as_spikes(IMAGE, T),
    "spike_raster": lambda: method_figures.spike_raster({"an image": encode(IMAGE, T)}, T),
    "membrane_traces": lambda: method_figures.membrane_traces(S_IN, W, q=4),
    "surrogate_gradient": method_figures.surrogate_gradient,
    "layer_clocks": lambda: method_figures.layer_clocks(NETWORK, T),
    "quantized_firing_times": lambda: method_figures.quantized_firing_times(TTFS, TQ, 4, T),
}


@pytest.fixture(autouse=True)
def styled() -> None:
    style.use_style()


def svg(figure: Figure) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def points(axes: Axes) -> dict[tuple[float, float], str]:
    """Where single markers stand, and how each is filled."""
    markers = (line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1)
    return {(line.get_xdata()[0], line.get_ydata()[0]): line.get_markerfacecolor() for line in markers}


def spike_steps(axes: Axes) -> list[float]:
    return [segment[0][0] for collection in axes.collections for segment in collection.get_segments()]


@pytest.mark.parametrize("draw", EVERY_FIGURE.values(), ids=EVERY_FIGURE)
def test_a_figure_is_the_same_file_every_time(draw: Callable[[], Figure]) -> None:
    assert numbered_clips(svg(draw())) == numbered_clips(svg(draw()))


@pytest.mark.parametrize("draw", EVERY_FIGURE.values(), ids=EVERY_FIGURE)
def test_a_figure_is_a_white_card_as_wide_as_the_column(draw: Callable[[], Figure]) -> None:
    figure = draw()
    assert figure.get_size_inches()[0] == style.WIDTH
    assert to_rgb(figure.get_facecolor()) == to_rgb(style.CARD)
    assert all(to_rgb(axes.get_facecolor()) == to_rgb(style.CARD) for axes in figure.axes)


def test_the_gallery_has_an_image_of_each_class_by_name_and_the_digits() -> None:
    pair = torch.stack([IMAGE, 255 - IMAGE])
    axes = method_figures.class_gallery(["coat", "bag"], pair, IMAGE[None]).axes
    assert [picture.get_title(loc="left") for picture in axes] == ["coat", "bag", ""]
    assert [picture.images[0].get_array().tolist() for picture in axes] == [*pair.tolist(), IMAGE.tolist()]


def test_at_equal_latency_a_layer_ticks_as_often_as_its_degree_leaves_steps() -> None:
    (axes,) = method_figures.equal_latency({"a network": (4.0, 6.0)}, (1, 2, 2)).axes
    ticks = [[segment[0][0] for segment in row.get_segments()] for row in axes.collections]
    assert ticks == [[1, 2, 3, 4], pytest.approx([4 / 6 * n for n in range(1, 7)]), pytest.approx([4 / 3, 8 / 3, 4])]
    assert [text.get_text() for text in axes.texts] == ["α = 1.00", "α = 1.50", "α = 0.75"]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "unquantized",
        "q = 1, layer 1",
        "q = 2, layers 2, 3",
    ]


def test_arriving_and_own_spikes_are_drawn_and_counted() -> None:
    layers, bars = method_figures.own_and_arriving({"layer 2": (6.0, 45.0), "layer 3": (45.0, 78.0)}).axes
    assert [[bar.get_width() for bar in group] for group in bars.containers] == [[6, 45], [45, 78]]
    reached = [
        line for line in layers.lines if len(line.get_xdata()) == 2 and line.get_color() == method_figures.ARRIVING
    ]
    assert f"{len(reached)} additions" in layers.texts[0].get_text()


def test_three_codes_are_the_encoders_and_the_next_tick() -> None:
    rate, ttfs, tq = method_figures.three_codes((255, 128, 10), T, q=3).axes
    assert len(spike_steps(rate)) == encode_as_rate(torch.tensor([255, 128, 10], dtype=torch.uint8), T).sum()
    assert spike_steps(ttfs) == encode(torch.tensor([255, 128, 10], dtype=torch.uint8), T).tolist() == [0, 3, 7]
    assert spike_steps(tq) == [2, 5]  # step 7 belongs to no window of 3


def test_the_leaves_of_the_decision_tree_are_all_that_can_happen() -> None:
    (axes,) = method_figures.decision_tree(torch.tensor([[0.2, 0.9], [1.6, 1.1]]), 1.0, 4.0).axes
    leaves = [float(text.get_text()) for text in axes.texts if text.get_fontweight() == "bold"]
    assert len(leaves) == 4
    assert sum(leaves) == pytest.approx(1.0, abs=0.02)


def test_every_spike_is_in_the_window_of_the_next_tick() -> None:
    dots, counts = method_figures.binned_input(torch.tensor([0, 3, 3, 4, 7], dtype=torch.uint8), 4, T).axes
    assert dots.lines[0].get_xdata().tolist() == [0, 3, 3, 4, 7]
    assert [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in counts.patches[-2:]] == [(3, 3), (7, 2)]


def test_the_encoding_curve_is_the_encoder() -> None:
    straight, stairs = method_figures.encoding_curve(T).axes[0].lines
    assert stairs.get_xdata().tolist() == list(range(256))
    assert stairs.get_ydata().tolist() == encode(torch.arange(256, dtype=torch.uint8), T).tolist()
    assert np.abs(straight.get_ydata() - stairs.get_ydata()).max() < 0.5


def test_every_pixel_shows_in_the_frame_of_its_step() -> None:
    picture, *frames = method_figures.image_as_spikes(IMAGE, T).axes
    assert picture.images[0].get_array().tolist() == IMAGE.tolist()
    assert [frame.get_title(loc="left") for frame in frames] == [f"t = {t}" for t in range(T)]
    stacked = np.stack([frame.images[0].get_array() for frame in frames])
    assert (stacked.sum(axis=0) == 1).all()
    assert stacked.argmax(axis=0).tolist() == encode(IMAGE, T).tolist()


@pytest.mark.parametrize(("time_steps", "frames"), [(1, 1), (3, 3), (16, 16), (17, 16), (254, 16)])
def test_an_image_has_at_most_sixteen_frames_from_the_first_step_to_the_last(time_steps: int, frames: int) -> None:
    titles = [axes.get_title(loc="left") for axes in method_figures.image_as_spikes(IMAGE, time_steps).axes[1:]]
    assert len(titles) == len(set(titles)) == frames
    assert titles[0] == "t = 0" and titles[-1] == f"t = {time_steps - 1}"


def test_the_raster_has_one_dash_per_pixel_and_counts_them() -> None:
    times = encode(IMAGE, T)
    dots, counts = method_figures.spike_raster({"an image": times}, T).axes
    dashes = np.stack([dots.lines[0].get_xdata(), dots.lines[0].get_ydata()]).reshape(2, -1, 3)[:, :, :2].mean(axis=2)
    np.testing.assert_allclose(dashes, [times.flatten().tolist(), np.arange(9)])
    assert [bar.get_height() for bar in counts.patches] == torch.bincount(times.flatten().long(), minlength=T).tolist()


def test_membrane_traces_are_the_neurons() -> None:
    axes = np.reshape(method_figures.membrane_traces(S_IN, W, q=4).axes, (3, 3))
    for column, (V, S) in enumerate([if_neuron(S_IN, W), ttfs_neuron(S_IN, W), tq_ttfs_neuron(S_IN, W, 4)]):
        threshold, trace = axes[1, column].lines[:2]
        assert set(threshold.get_ydata()) == {1.0}
        assert trace.get_xdata().tolist() == list(range(T))
        assert trace.get_ydata().tolist() == V.flatten().tolist()
        assert trace.get_color() == list(style.COLORS.values())[column]
        assert spike_steps(axes[2, column]) == S.flatten().nonzero().flatten().tolist()


def test_the_quantized_neuron_shows_its_ticks_and_no_other_does() -> None:
    axes = np.reshape(method_figures.membrane_traces(S_IN, W, q=3).axes, (3, 3))
    dotted = [[line.get_xdata()[0] for line in panel.lines if line.get_linestyle() == ":"] for panel in axes.flat]
    assert dotted == 3 * [[], [], [2, 5]]


def test_without_a_degree_there_are_two_neurons() -> None:
    top = method_figures.membrane_traces(S_IN, W).axes[:2]
    assert [axes.get_title(loc="left") for axes in top] == ["IF", "TTFS"]


def test_inputs_show_their_sign_and_whether_they_are_received() -> None:
    received_by_if, received_by_ttfs = method_figures.membrane_traces(S_IN, W).axes[:2]
    assert points(received_by_if) == {
        (1, 0): style.INK,
        (2, 1): style.CARD,
        (5, 2): style.INK,
    }
    assert points(received_by_ttfs) == {
        (1, 0): style.INK,
        (2, 1): style.CARD,
        (5, 2): style.FAINT,
    }


def test_the_surrogate_is_the_antiderivative_of_what_the_backward_pass_uses() -> None:
    step, slope = method_figures.surrogate_gradient(alpha=3.0).axes
    x, smooth = step.lines[1].get_data()
    assert step.lines[0].get_ydata().tolist() == (x > 0).tolist()
    np.testing.assert_allclose(slope.lines[0].get_ydata(), Atan(3.0).derivative(torch.as_tensor(x)))
    np.testing.assert_allclose(np.gradient(smooth, x)[1:-1], slope.lines[0].get_ydata()[1:-1], atol=2e-3)


def test_layer_clocks_have_a_dot_per_tick_and_bars_that_cover_every_step_before_the_last() -> None:
    (axes,) = method_figures.layer_clocks(NETWORK, T).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        *("input", "layer 1, q = 1", "layer 2, q = 2", "layer 3, q = 3")
    ]
    dots = [list(line.get_xdata()) for line in axes.lines]
    assert dots == [list(range(1, 9)), list(range(1, 9)), [2, 4, 6, 8], [3, 6]]
    assert axes.get_xticks().tolist() == [1, 3, 6]
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches if round(bar.get_y() + 0.25) == 3]
    np.testing.assert_allclose(edges, [(0.6, 3.4), (3.6, 6.4)])


def test_firing_times_are_counted_in_pairs_without_neurons_that_never_fire() -> None:
    (axes,) = method_figures.quantized_firing_times(TTFS, TQ, 4, T).axes
    discs = axes.collections[0]
    assert discs.get_offsets().tolist() == [[1, 3], [2, 7], [5, 8]]
    np.testing.assert_allclose(discs.get_sizes() / discs.get_sizes().max(), [1, 0.5, 0.5])
    assert axes.lines[0].get_ydata().tolist() == [3, 3, 3, 3, 7, 7, 7, 7]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["3", "7", "never"]


def test_after_the_last_tick_the_staircase_says_never() -> None:
    (axes,) = method_figures.quantized_firing_times(TTFS, TQ, 3, T).axes
    assert axes.lines[0].get_ydata().tolist() == [2, 2, 2, 5, 5, 5, 8, 8]


def test_a_population_that_never_fires_is_an_empty_figure() -> None:
    never = torch.full((3,), T, dtype=torch.uint8)
    (axes,) = method_figures.quantized_firing_times(never, never, 4, T).axes
    assert len(axes.collections[0].get_offsets()) == 0


def test_numbering_clip_paths_twice_changes_nothing() -> None:
    svg = '<clipPath id="pa1b2c3"/><path clip-path="url(#pa1b2c3)"/>'
    assert numbered_clips(numbered_clips(svg)) == numbered_clips(svg) != svg
