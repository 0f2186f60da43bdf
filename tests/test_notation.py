import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tqttfs_lite.errors import NotationError
from tqttfs_lite.paper import reported
from tqttfs_lite.spiking.notation import LARGEST_NUMBER, Architecture, Convolution, Linear, Pooling

SCNN = "28x28-16C5(1)-P2-32C5(2)-P2-800(2)-128(4)-10(4)"

VALID = {
    "784-400(1)-10(2)": "784-400(1)-10(2)",
    "784-400-10": "784-400(1)-10(1)",
    "784-10(8)": "784-10(8)",
    SCNN: SCNN,
    SCNN.replace("x", "×"): SCNN,
    "28×28 -16C5-P2 - 10": "28x28-16C5(1)-P2-10(1)",
    "32x32x3-16C5-P2-10(2)": "32x32x3-16C5(1)-P2-10(2)",
    "28x28x1-16C5-P2-10": "28x28-16C5(1)-P2-10(1)",
}

# The text, the position of the character that is wrong, and words that say what may stand there.
INVALID = [
    ("", 0, "input size"),
    ("784", 3, "an output layer"),
    ("784-", 4, "a layer such as"),
    ("-10", 0, "input size"),
    ("784-400(0)-10", 8, "quantization degree"),
    ("784-400()-10", 8, "quantization degree"),
    ("784-400(-1)-10", 8, "quantization degree"),
    ("784-400(2-10", 9, "')'"),
    ("784-40O-10", 6, "'-' and a layer"),
    ("784-400--10", 8, "a layer such as"),
    ("784-400-10 q", 11, "'-' and a layer"),
    ("784-P2-10", 4, "directly follow a convolution"),
    ("28x28-16C5-P2-P2-10", 14, "directly follow a convolution"),
    ("28x28-16C4-10", 6, "odd size"),
    ("28x28-16C5-P3-10", 11, "does not divide"),
    ("28x28-10-16C5-10", 9, "needs an image"),
    ("28x28-16C5", 10, "output layer"),
    ("28x-10", 3, "width"),
    ("28x28x-10", 6, "channels"),
    ("28x28x3x2-10", 7, "'-' and a layer"),
    ("7８4-10", 1, "'-' and a layer"),
    ("0-10", 0, str(LARGEST_NUMBER)),
    ("784-" + "9" * 5000, 4, str(LARGEST_NUMBER)),
]


@pytest.mark.parametrize(("text", "canonical"), VALID.items())
def test_valid_notation_prints_back_canonically(text: str, canonical: str) -> None:
    assert str(Architecture.parse(text)) == canonical
    assert Architecture.parse(canonical) == Architecture.parse(text)


@pytest.mark.parametrize(("text", "position", "allowed"), INVALID)
def test_an_error_points_at_the_character_and_says_what_is_allowed(text: str, position: int, allowed: str) -> None:
    with pytest.raises(NotationError, match=re.escape(allowed)) as caught:
        Architecture.parse(text)
    assert caught.value.position == position
    assert str(caught.value).splitlines()[-1].index("^") == position + 4


def test_the_layers_are_what_the_notation_says() -> None:
    assert Architecture.parse("28x28-16C5(2)-P2-10(4)") == Architecture(
        (28, 28), (Convolution(16, 5, 2), Pooling(2), Linear(10, 4))
    )


def test_the_sizes_are_the_slides_table() -> None:
    table = reported.layers()
    sizes = Architecture.parse(SCNN).sizes()
    assert [size.neurons for size in sizes] == [layer.neurons for layer in table]
    assert [size.flops for size in sizes] == [layer.flops for layer in table]


def test_the_short_form_sets_every_degree() -> None:
    plain = Architecture.parse(SCNN).unquantized
    assert plain == "28x28-16C5-P2-32C5-P2-800-128-10"
    assert str(Architecture.parse(plain).with_quantization("1-2-2-4-4")) == SCNN
    assert Architecture.parse(SCNN).short_form == "1-2-2-4-4"


@pytest.mark.parametrize(
    ("short_form", "position"), [("1-2-2-4", 7), ("1-2-2-4-4-4", 11), ("1-2-x-4-4", 4), ("", 0), ("1-2-2-4-0", 8)]
)
def test_a_short_form_of_the_wrong_shape_is_refused(short_form: str, position: int) -> None:
    with pytest.raises(NotationError) as caught:
        Architecture.parse(SCNN).with_quantization(short_form)
    assert caught.value.position == position


def test_every_channel_of_the_input_counts() -> None:
    color, gray = (Architecture.parse(f"32x32{channels}-16C5-P2-20-10") for channels in ("x3", ""))
    assert (color.image_shape, gray.image_shape) == ((3, 32, 32), (1, 32, 32))
    assert color.shapes() == gray.shapes()
    (first, *others), (of_gray, *same) = color.sizes(), gray.sizes()
    assert first == (16 * 32 * 32, 5 * 5 * 3 * 32 * 32 * 16) and first.flops == 3 * of_gray.flops
    assert others == same
    assert Architecture.parse("32x32x3-10").sizes() == Architecture.parse("3072-10").sizes()


@pytest.mark.parametrize("shape", [(), (0,), (28, 28, 3, 1), (28, -28)])
def test_an_input_that_is_no_image_is_refused_when_built_by_hand(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="an input must be 1 to 3 positive integers"):
        Architecture(shape, (Linear(10),))


numbers = st.integers(1, 999)
linear = st.builds(Linear, numbers, numbers)


@given(numbers, st.lists(linear, min_size=1, max_size=4))
def test_printing_and_parsing_are_inverses(features: int, layers: list[Linear]) -> None:
    architecture = Architecture((features,), tuple(layers))
    assert Architecture.parse(str(architecture)) == architecture


def test_layers_that_do_not_fit_are_refused_when_built_by_hand() -> None:
    with pytest.raises(ValueError, match="fully connected"):
        Architecture((28, 28), (Convolution(16, 5),))
    with pytest.raises(ValueError, match="needs an image"):
        Architecture((784,), (Convolution(16, 5), Linear(10)))
    for layers in ((Pooling(2), Linear(10)), (Convolution(16, 5), Pooling(2), Pooling(2), Linear(10))):
        with pytest.raises(ValueError, match="P2 must directly follow a convolution"):
            Architecture((28, 28), layers)
    with pytest.raises(ValueError, match="must be an integer of at least 1"):
        Architecture((784,), (Linear(10, 0),))
