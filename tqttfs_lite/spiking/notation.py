"""The slides' notation for networks: reading it into an `Architecture` and printing it again.

    784-400(1)-10(2)                                      a multilayer perceptron (SMLP)
    28x28-16C5(1)-P2-32C5(2)-P2-800(2)-128(4)-10(4)       a convolutional network (SCNN)
    32x32x3-16C5(1)-P2-10(2)                              an SCNN for images with three channels

The input is a number of values, an image's height x width, or its height x width x channels.
`16C5` is a convolution with 16 filters of size 5x5 that preserves the image size, `P2` pools windows of 2x2,
and a plain number is a fully connected layer.  The number in brackets is the layer's temporal quantization
degree q, which is 1 if omitted.  The short form in the slides' figures, `1-2-2-4-4`, lists only the degrees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import NamedTuple

from tqttfs_lite.errors import InputError, NotationError, is_whole, shown

LARGEST_NUMBER = 65_536  # so that a typing error cannot request terabytes of weights


@dataclass(frozen=True)
class Linear:
    """A fully connected layer of spiking neurons."""

    features: int
    quantization: int = 1

    def __str__(self) -> str:
        return f"{self.features}({self.quantization})"


@dataclass(frozen=True)
class Convolution:
    """A convolution with spiking neurons: stride 1, zero-padded so that height and width are preserved."""

    channels: int
    kernel: int
    quantization: int = 1

    def __str__(self) -> str:
        return f"{self.channels}C{self.kernel}({self.quantization})"


@dataclass(frozen=True)
class Pooling:
    """Pooling with a stride equal to the window's size; it has no neurons."""

    size: int

    def __str__(self) -> str:
        return f"P{self.size}"


Layer = Linear | Convolution | Pooling


class LayerSize(NamedTuple):
    """The number of a spiking layer's neurons and its FLOPs, as the slides count them.

    FLOPs are synaptic connections, i.e. the additions that the layer makes if each of its inputs spikes once.
    """

    neurons: int
    flops: int


@dataclass(frozen=True)
class Architecture:
    """The structure of a network: the shape of its input, and its layers in order.

    `input_shape` is (features,), (height, width) or, with several channels, (height, width, channels).
    Raises `InputError` if the layers do not fit together; `Architecture.parse` also reports the position in the text.
    """

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]

    @staticmethod
    def parse(text: str) -> Architecture:
        """Read the slides' notation; × is read as x, and spaces are ignored.

        Raises `NotationError` if the text is not valid notation or its layers do not fit together.

        >>> Architecture.parse("28×28-16C5-P2-10(4)").quantization
        (1, 4)
        """
        return _Parser(text).architecture()

    def __str__(self) -> str:
        return "-".join(["x".join(map(str, self.input_shape)), *map(str, self.layers)])

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of an input: (features,) or (channels, height, width).

        >>> Architecture.parse("32x32x3-16C5-P2-10").image_shape
        (3, 32, 32)
        """
        return _image_shape(self.input_shape)

    @property
    def canonical(self) -> Architecture:
        """The canonical form, which is the same for equal networks: the input of a perceptron is always a vector.

        >>> str(Architecture.parse("28x28-50-10").canonical)
        '784-50(1)-10(1)'
        """
        perceptron = all(isinstance(layer, Linear) for layer in self.layers)
        return replace(self, input_shape=(prod(self.input_shape),)) if perceptron else self

    @property
    def spiking_layers(self) -> tuple[Linear | Convolution, ...]:
        return tuple(layer for layer in self.layers if not isinstance(layer, Pooling))

    @property
    def quantization(self) -> tuple[int, ...]:
        """The temporal quantization degree q of every spiking layer, the output layer last."""
        return tuple(layer.quantization for layer in self.spiking_layers)

    @property
    def short_form(self) -> str:
        """Only the degrees, as in the slides' figures.

        >>> Architecture.parse("784-400-10(2)").short_form
        '1-2'
        """
        return "-".join(map(str, self.quantization))

    @property
    def unquantized(self) -> str:
        """The notation without degrees.

        >>> Architecture.parse("784-400(1)-10(2)").unquantized
        '784-400-10'
        """
        return re.sub(r"\([0-9]+\)", "", str(self))

    def with_quantization(self, short_form: str) -> Architecture:
        """The same network with other degrees, given in the short form.

        Raises `NotationError` unless there is one degree for every spiking layer.

        >>> str(Architecture.parse("784-400-10").with_quantization("2-4"))
        '784-400(2)-10(4)'
        """
        degrees = iter(_Parser(short_form).degrees(count=len(self.spiking_layers)))
        layers = (
            layer if isinstance(layer, Pooling) else replace(layer, quantization=next(degrees)) for layer in self.layers
        )
        return replace(self, layers=tuple(layers))

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The output shape of every layer: (features,) or (channels, height, width)."""
        shape = self.image_shape
        behind = zip(self.layers, (None, *self.layers), strict=False)
        return tuple(shape := _shape_after(layer, shape, before) for layer, before in behind)

    def neuron_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of every spiking layer's neurons: (features,) or (channels, height, width)."""
        shapes = zip(self.layers, self.shapes(), strict=True)
        return tuple(shape for layer, shape in shapes if not isinstance(layer, Pooling))

    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of every spiking layer's input, after the pooling before it, if any.

        >>> Architecture.parse("28x28-16C5-P2-10").input_shapes()
        ((1, 28, 28), (16, 14, 14))
        """
        before = zip(self.layers, (self.image_shape, *self.shapes()), strict=False)
        return tuple(shape for layer, shape in before if not isinstance(layer, Pooling))

    @property
    def windows(self) -> tuple[int, ...]:
        """The size of the pooling windows after every spiking layer; 1 if it is not pooled.

        >>> Architecture.parse("28x28-16C5-P2-10").windows
        (2, 1)
        """
        return tuple(
            after.size if isinstance(after, Pooling) else 1
            for layer, after in pairwise((*self.layers, None))
            if not isinstance(layer, Pooling)
        )

    def sizes(self) -> tuple[LayerSize, ...]:
        """Neurons and FLOPs of every spiking layer (slides, "Neurons and FLOPs in each layer").

        FLOPs are k² · W · H · C_in · C_out for a convolution and C_in · C_out for a fully connected layer.

        >>> Architecture.parse("784-400-10").sizes()
        (LayerSize(neurons=400, flops=313600), LayerSize(neurons=10, flops=4000))
        """
        sizes = []
        for layer, inputs, outputs in zip(self.spiking_layers, self.input_shapes(), self.neuron_shapes(), strict=True):
            neurons = prod(outputs)
            reads = layer.kernel**2 * inputs[0] if isinstance(layer, Convolution) else prod(inputs)
            sizes.append(LayerSize(neurons, reads * neurons))
        return tuple(sizes)

    def weights(self) -> tuple[int, ...]:
        """The number of weights of every spiking layer; those of a convolution are shared by its neurons.

        >>> Architecture.parse("28x28-16C5-P2-10").weights()
        (400, 31360)
        """
        layers = zip(self.sizes(), self.neuron_shapes(), strict=True)
        return tuple(size.flops // size.neurons * channels for size, (channels, *_) in layers)

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "layers", tuple(self.layers))
        if not 1 <= len(self.input_shape) <= 3 or not all(is_whole(n) and n >= 1 for n in self.input_shape):
            raise InputError(
                f"an input must be 1 to 3 positive integers, such as 784 or 32x32x3, not {self.input_shape}"
            )
        if self.input_shape[2:] == (1,):  # 28x28x1 is 28x28
            object.__setattr__(self, "input_shape", self.input_shape[:2])
        if not self.layers or not isinstance(self.layers[-1], Linear):
            raise InputError("the last layer is the output layer and must be fully connected, such as 10")
        for layer in self.layers:
            if not all(is_whole(number) and number >= 1 for number in vars(layer).values()):
                raise InputError(f"every number in layer {layer} must be an integer of at least 1")
        self.shapes()


def _image_shape(input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """(height, width) or (height, width, channels) -> (channels, height, width); (features,) is unchanged."""
    if len(input_shape) == 1:
        return input_shape
    height, width, *channels = input_shape
    return (*(channels or [1]), height, width)


def _shape_after(layer: Layer, shape: tuple[int, ...], before: Layer | None) -> tuple[int, ...]:
    """The output shape of a layer with an input of `shape` from the layer `before`; `InputError` if they do not fit."""
    if isinstance(layer, Pooling) and not isinstance(before, Convolution):
        raise InputError(f"{layer} must directly follow a convolution")
    if isinstance(layer, Linear):
        return (layer.features,)
    if len(shape) == 1:
        raise InputError(f"{layer} needs an image, but its input is a vector of {shape[0]} values")
    channels, height, width = shape
    if isinstance(layer, Convolution):
        if layer.kernel % 2 == 0:
            raise InputError(f"the filters of {layer} must have an odd size, so that the image size is preserved")
        return (layer.channels, height, width)
    if height % layer.size or width % layer.size:
        raise InputError(f"{layer} does not divide an image of {height}x{width}")
    return (channels, height // layer.size, width // layer.size)


class _Parser:
    """A parser that reads the text once, from left to right; `position` is the index of the next character."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise InputError(f"a network or its degrees must be a text such as 784-400-10 or 1-2, not {shown(text)}")
        self.text, self.position = text, 0

    def architecture(self) -> Architecture:
        input_shape = [self.number("an input size such as 784 or 28x28")]
        for what in ("the input's width", "the input's channels"):
            if self.take("x×"):
                input_shape.append(self.number(what))
        layers: list[Layer] = []
        shape = _image_shape(tuple(input_shape))
        while self.take("-"):
            start = self.position
            layer = self.layer()
            try:
                shape = _shape_after(layer, shape, before=layers[-1] if layers else None)
            except ValueError as mismatch:
                raise NotationError(self.text, start, f"a layer that fits ({mismatch})") from None
            layers.append(layer)
        self.end("'-' and a layer, or the end" if layers else "'-' and a layer")
        if not layers or not isinstance(layers[-1], Linear):
            raise NotationError(self.text, len(self.text), "'-' and an output layer such as 10")
        return Architecture(tuple(input_shape), tuple(layers))

    def layer(self) -> Layer:
        if self.take("P"):
            return Pooling(self.number("the pooling window's size"))
        size = self.number("a layer such as 400, 400(2), 16C5(1) or P2")
        if self.take("C"):
            return Convolution(size, self.number("the filters' size"), self.bracket())
        return Linear(size, self.bracket())

    def bracket(self) -> int:
        if not self.take("("):
            return 1
        degree = self.number("a quantization degree")
        if not self.take(")"):
            raise NotationError(self.text, self.position, "')'")
        return degree

    def degrees(self, count: int) -> list[int]:
        degrees = [self.number("a quantization degree")]
        while self.take("-"):
            degrees.append(self.number("a quantization degree"))
        self.end("'-' and a quantization degree, or the end")
        if len(degrees) != count:
            allowed = f"{count} degrees, one for every spiking layer, instead of {len(degrees)}"
            raise NotationError(self.text, len(self.text), allowed)
        return degrees

    def skip_spaces(self) -> None:
        while self.text[self.position : self.position + 1] == " ":
            self.position += 1

    def take(self, characters: str) -> bool:
        """Skip the next character if it is one of these; returns whether it was."""
        self.skip_spaces()
        found = self.position < len(self.text) and self.text[self.position] in characters
        self.position += found
        return found

    def number(self, what: str) -> int:
        self.skip_spaces()
        digits = re.compile("[0-9]+").match(self.text, self.position)
        # The length is compared first because int() refuses texts with thousands of digits.
        if not digits or len(digits[0]) > len(str(LARGEST_NUMBER)) or not 1 <= int(digits[0]) <= LARGEST_NUMBER:
            raise NotationError(self.text, self.position, f"{what}, an integer from 1 to {LARGEST_NUMBER}")
        self.position = digits.end()
        return int(digits[0])

    def end(self, allowed: str) -> None:
        self.skip_spaces()
        if self.position < len(self.text):
            raise NotationError(self.text, self.position, allowed)
