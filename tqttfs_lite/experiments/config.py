"""What determines a trained network: one frozen configuration, stored in every result that it produced."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import wraps
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic.dataclasses import dataclass

from tqttfs_lite.errors import ConfigError, InputError, shown
from tqttfs_lite.experiments import datasets
from tqttfs_lite.experiments.checks import STRICT, Real, sentence
from tqttfs_lite.experiments.datasets import Dataset
from tqttfs_lite.spiking.firing import LONGEST_TIME
from tqttfs_lite.spiking.layers import PoolingMode
from tqttfs_lite.spiking.losses import LOSSES, tick_correction, ticks_apart
from tqttfs_lite.spiking.network import clocks
from tqttfs_lite.spiking.neuron import RESPONSES, Neuron
from tqttfs_lite.spiking.notation import Architecture, Convolution
from tqttfs_lite.spiking.rate_coding import check_architecture
from tqttfs_lite.spiking.surrogate import SURROGATES

Coding = Literal["ttfs", "rate"]
Config = TypeVar("Config")
LARGEST_SEED = 2**63 - 1  # of PyTorch's generators
LONGEST_NOTATION = 150  # it is part of file names, which file systems limit to 255 bytes
MOST_WEIGHTS = 10**9  # training needs five numbers for each: 20 GB


def _with_degrees(notation: str) -> str:
    """A network's notation with the degree of every layer, which is part of file names and may not be too long."""
    text = str(Architecture.parse(notation))
    if len(text) > LONGEST_NOTATION:
        raise ConfigError(f"architecture must have at most {LONGEST_NOTATION} characters, not {len(text)}")
    return text


def _known_dataset(name: str) -> str:
    return datasets.get(name).name


def _in(table: Mapping[str, object], setting: str) -> AfterValidator:
    """Allow the names in a table, to which researchers may have added their own."""

    def check(name: str) -> str:
        if name not in table:
            raise ConfigError(f"{setting} must be {' or '.join(table)}, not {shown(name)}")
        return name

    return AfterValidator(check)


DatasetName = Annotated[
    str,
    AfterValidator(_known_dataset),
    Field(description="the images: mnist, fashion-mnist, digits, cifar-10, or your own data set"),
]
TimeSteps = Annotated[
    int, Field(ge=1, le=LONGEST_TIME, description="T, the number of time steps for which an image is shown")
]
Seed = Annotated[
    int, Field(ge=0, le=LARGEST_SEED, description="seed of the weights, the batches and all other random draws")
]


def _in_one_sentence(cls: type[Config]) -> type[Config]:
    """Have the constructor raise a `ConfigError`, or the error that one of our own checks raised."""
    construct, names = cls.__init__, list(cls.__annotations__)

    @wraps(construct)
    def checked(self: Config, *arguments: Any, **settings: Any) -> None:
        if len(arguments) > len(names):
            raise ConfigError(f"there are {len(names)} settings, not {len(arguments)}")
        try:
            construct(self, **dict(zip(names, arguments, strict=False)), **settings)
        except ValidationError as found:
            ours = found.errors()[0].get("ctx", {}).get("error")
            raise ours if isinstance(ours, InputError) else ConfigError(sentence(found, names)) from None

    setattr(cls, "__init__", checked)  # noqa: B010
    return cls


@_in_one_sentence
@dataclass(frozen=True, config=STRICT)
class TrainingConfig:
    """One training run, checked and in one canonical form from the start.

    Raises `InputError` for values that cannot be trained: `NotationError` for the architecture's text, `ConfigError`
    for a setting, and a plain `InputError` if a layer could never fire.

    The defaults are plain training, without any of the optional aids; `RECIPES` holds the chosen values.  A default is
    never changed once results exist, and a new field's default is what was done before the field existed: the hash
    covers only the fields that differ from their defaults, so that old results stay valid.
    """

    architecture: Annotated[
        str,
        AfterValidator(_with_degrees),
        Field(description="the network in the slides' notation, such as 784-400(1)-10(2)"),
    ]
    dataset: DatasetName
    time_steps: TimeSteps
    coding: Annotated[
        Coding,
        Field(
            description="ttfs: a neuron fires at most once, and the first output spike decides; rate: the same"
            " perceptron with IF neurons that fire many times, and the class with the most spikes is the answer"
        ),
    ] = "ttfs"
    seed: Seed = 0
    epochs: Annotated[int, Field(ge=1, description="passes over the training images")] = 10
    batch_size: Annotated[int, Field(ge=1, description="images per optimiser step")] = 128
    learning_rate: Annotated[
        Real,
        Field(
            gt=0,
            le=1,
            description="peak value, after a linear warm-up over the first tenth and before a cosine decay to zero",
        ),
    ] = 2e-3
    weight_decay: Annotated[
        Real, Field(ge=0, le=1, description="AdamW's weight decay, decoupled from the gradient")
    ] = 0.01
    initial_gain: Annotated[
        Real,
        Field(
            gt=0, le=100, description="initial weights are drawn from U(±gain / sqrt(fan_in)); 1 is PyTorch's default"
        ),
    ] = 1.0
    loss: Annotated[
        str,
        _in(LOSSES, "loss"),
        Field(
            description="soft-decoder: the likelihood of the right answer under a soft version of the decoder;"
            " tick-corrected: the same, with an equal chance of deciding per time step on all clocks; few-ticks: the"
            " same on about four ticks of the output's clock, others for each image; first-spike-time:"
            " a softmax over the output neurons' first-spike times; temporal-weighting: a softmax over their spikes,"
            " which weigh less the later they come; rate coding has its own loss, over spike counts"
        ),
    ] = "soft-decoder"
    sharpness: Annotated[
        Real,
        Field(
            gt=0,
            le=100,
            description="sharpness of the soft decoder, whose limit is the slides' decoder; with the other losses, of"
            " the softmax",
        ),
    ] = 4.0
    half_life: Annotated[
        Real,
        Field(
            gt=0,
            le=1000,
            description="time steps after which an output spike weighs half as much, in the loss temporal-weighting",
        ),
    ] = 4.0
    step_cost: Annotated[
        Real,
        Field(ge=0, le=10, description="nats that the loss charges for every inference time step until the decision"),
    ] = 0.0
    silence_costs: Annotated[
        bool, Field(description="whether the loss counts an answer by the highest potential at the end as no decision")
    ] = False
    label_smoothing: Annotated[
        Real, Field(ge=0, lt=1, description="share of every training label that goes to all classes equally")
    ] = 0.0
    earliest_output: Annotated[
        int, Field(ge=1, description="the first time step, counted from 1, on which an output neuron may fire")
    ] = 1
    dropout: Annotated[
        Real, Field(ge=0, lt=1, description="share of hidden neurons dropped, with the same mask on every time step")
    ] = 0.0
    shift: Annotated[
        int, Field(ge=0, description="training images are shifted by up to this many pixels in each direction")
    ] = 0
    flip: Annotated[bool, Field(description="training images are flipped horizontally half of the time")] = False
    rotate: Annotated[
        Real, Field(ge=0, le=180, description="training images are rotated by up to this many degrees, either way")
    ] = 0.0
    zoom: Annotated[
        Real,
        Field(ge=0, le=1, description="training images are enlarged or reduced by a factor of up to 1 + zoom"),
    ] = 0.0
    centred: Annotated[
        bool,
        Field(description="whether every neuron's or filter's weights are kept at a mean of 0, by subtracting it"),
    ] = False
    averaging: Annotated[
        Real,
        Field(ge=0, lt=1, description="decay of the running average of the weights, which is evaluated and kept"),
    ] = 0.0
    pooling: Annotated[
        PoolingMode, Field(description="max: a window's earliest spike; average: the mean of its neurons' states")
    ] = "max"
    theta: Annotated[Real, Field(gt=0, le=100, description="firing threshold; the default is that of SpikingJelly")] = (
        1.0
    )
    surrogate_alpha: Annotated[
        Real,
        Field(gt=0, le=100, description="steepness of the surrogate gradient; the default is that of SpikingJelly"),
    ] = 2.0
    surrogate: Annotated[
        str,
        _in(SURROGATES, "surrogate"),
        Field(description="atan, as on the slides, or one that you added to SURROGATES"),
    ] = "atan"
    response: Annotated[
        str,
        _in(RESPONSES, "response"),
        Field(description="response to an input spike: step, as on the slides, or one that you added to RESPONSES"),
    ] = "step"

    def __post_init__(self) -> None:
        """Check the settings, each of which is valid by itself, against one another."""
        architecture = Architecture.parse(self.architecture)
        ticking = clocks(architecture, self.time_steps)
        ttfs = self.coding == "ttfs"
        if not ttfs:
            check_architecture(architecture)
        dataset = datasets.get(self.dataset)
        _check_fit(architecture, dataset)
        architecture = architecture.canonical  # so that equal networks have equal configurations
        object.__setattr__(self, "architecture", str(architecture))
        if ttfs and max(architecture.windows) == 1:
            object.__setattr__(self, "pooling", "max")  # without pooling both are the same
        if ttfs and ticking[0][0] == self.time_steps - 1:
            raise ConfigError(
                f"T = {self.time_steps} time steps are too few for the first layer, which ticks only on the last one,"
                " when every pixel of every image has spiked: use a smaller quantization degree or more time steps"
            )
        weights, half_life = sum(architecture.weights()), TrainingConfig.half_life
        images, largest_shift = dataset.sizes.train, min(dataset.shape[1:]) // 2
        last_output = ticking[-1][-1] + 1
        for name, allowed, valid in (
            ("architecture", f"of at most {MOST_WEIGHTS:,} weights", weights <= MOST_WEIGHTS),
            ("batch_size", f"at most {images}, the training images", self.batch_size <= images),
            ("shift", f"at most {largest_shift} pixels", self.shift <= largest_shift),
            ("step_cost", "0 with rate coding, which is read on the last step", ttfs or not self.step_cost),
            ("silence_costs", "no with rate coding", ttfs or not self.silence_costs),
            (
                "silence_costs",
                f"no with the loss {self.loss}, for which silence is a guess",
                self.loss not in ("first-spike-time", "temporal-weighting") or not self.silence_costs,
            ),
            (
                "half_life",
                f"{half_life:g}, the default, with the loss {self.loss}, which weighs no spikes",
                self.loss == "temporal-weighting" or self.half_life == half_life,
            ),
            ("earliest_output", f"at most {last_output}, the output's last tick", self.earliest_output <= last_output),
            ("earliest_output", "1, the default, with rate coding", ttfs or self.earliest_output == 1),
            ("loss", "soft-decoder, the default, with rate coding", ttfs or self.loss == "soft-decoder"),
            ("pooling", "max, the default, with rate coding, which has none", ttfs or self.pooling == "max"),
        ):
            if not valid:
                raise ConfigError(f"{name} must be {allowed}, not {shown(getattr(self, name))}")

    @property
    def neuron(self) -> Neuron:
        """The properties that all neurons of the network share."""
        return Neuron(self.theta, SURROGATES[self.surrogate](self.surrogate_alpha), RESPONSES[self.response])

    @property
    def hash(self) -> str:
        """SHA-256 of the settings that differ from the defaults, as canonical JSON, in hexadecimal digits."""
        settings = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """A file name that a reader can decipher and that no other configuration has."""
        network = Architecture.parse(self.architecture)
        degrees = "rate" if self.coding == "rate" else f"q{network.short_form}"
        return "_".join(
            [self.dataset, network.unquantized, degrees, f"T{self.time_steps}", f"seed{self.seed}", self.hash[:8]]
        )


# Chosen on the validation split with quantized networks; the unquantized baseline is trained by the same recipe.
# The loss favours no clock: without the correction, a fine one decides too early.
# With a gain of 1, the network is silent at first.  Without a price of time, networks learn to wait for the end.
# Flipping is off for MNIST, where a mirrored digit is another symbol, and for the FashionMNIST perceptron, where it
# lowered the validation accuracy: all shoes face left.  The convolutional network uses it against overfitting, and
# average pooling, which leaves fewer images silent where it is quantized, so that half the epochs suffice.
_COMMON = {"loss": "tick-corrected", "initial_gain": 2.0, "dropout": 0.1, "shift": 1, "averaging": 0.999}
_DIGITS = {**_COMMON, "step_cost": 0.003}
_CLOTHES = {**_COMMON, "step_cost": 0.005}
# For a data set without a recipe of its own: what the chosen ones have in common, but without dropout and augmentation,
# which can cost more than they help, and with small batches, since such a data set is often small.
DEFAULT_RECIPE: dict[str, Any] = {
    "loss": "tick-corrected",
    "initial_gain": 2.0,
    "averaging": 0.999,
    "step_cost": 0.003,
    "epochs": 20,
    "batch_size": 32,
}
RECIPES: dict[tuple[str, str], dict[str, Any]] = {
    ("mnist", "SMLP"): {**_DIGITS, "epochs": 40},
    ("mnist", "SCNN"): {**_DIGITS, "epochs": 20, "pooling": "average"},
    ("fashion-mnist", "SMLP"): {**_CLOTHES, "epochs": 40},
    ("fashion-mnist", "SCNN"): {**_CLOTHES, "epochs": 20, "flip": True, "pooling": "average"},
    ("digits", "SMLP"): {**DEFAULT_RECIPE, "learning_rate": 0.01},
    ("digits", "SCNN"): {**DEFAULT_RECIPE, "learning_rate": 0.02, "silence_costs": True},
}
# Rate coding is read on the last time step: a step has no price, and no tick decides.
RATE_CODING: dict[str, Any] = {"loss": "soft-decoder", "step_cost": 0.0}


def family(architecture: Architecture) -> str:
    """The slides' name for networks of this kind: SCNN where there is a convolution, else SMLP."""
    return "SCNN" if any(isinstance(layer, Convolution) for layer in architecture.layers) else "SMLP"


def recipe(architecture: str, dataset: str, time_steps: int, **changes: Any) -> TrainingConfig:
    """The released recipe of the network's family on this data set, with your changes.

    A data set that is not in `RECIPES` gets `DEFAULT_RECIPE`: the tick-corrected loss, 20 epochs in batches of 32, or
    of all images if there are fewer, initial weights of twice the usual width, averaged weights, a price of 0.003 nats
    per time step, and otherwise the defaults of `TrainingConfig`.
    Raises `ValueError` as `TrainingConfig` does.

    >>> recipe("784-400-10", "mnist", 8, seed=3).architecture
    '784-400(1)-10(1)'
    """
    chosen = RECIPES.get((dataset, family(Architecture.parse(architecture))))
    if chosen is None:
        images = datasets.get(dataset).sizes.train
        chosen = {**DEFAULT_RECIPE, "batch_size": min(DEFAULT_RECIPE["batch_size"], images)}
    if changes.get("coding") == "rate":
        chosen = {**chosen, **RATE_CODING}
    settings = {"architecture": architecture, "dataset": dataset, "time_steps": time_steps}
    return TrainingConfig(**{**settings, **chosen, **changes})


def losses_alike(config: TrainingConfig) -> tuple[str, ...]:
    """The names of the losses with which a configuration is trained identically, the recipe's first.

    With four output ticks, the tick correction is 0; with few, all of them are read.

    >>> losses_alike(recipe("784-400-10(2)", "mnist", 8)), losses_alike(recipe("784-400-10", "mnist", 8))
    (('tick-corrected', 'soft-decoder', 'few-ticks'), ('tick-corrected',))
    """
    *_, q = Architecture.parse(config.architecture).quantization
    alike = ["tick-corrected"]
    if tick_correction(config.time_steps, q) == 0:
        alike.append("soft-decoder")
    if ticks_apart(config.time_steps, q) == 1:
        alike.append("few-ticks")
    return tuple(alike) if config.coding == "ttfs" and config.loss in alike else (config.loss,)


def follows_recipe(config: TrainingConfig) -> bool:
    """Whether this is the released recipe, with any seed and nothing else changed."""
    return not changes(config)


def changes(config: TrainingConfig) -> dict[str, Any]:
    """The settings, by name, in which a configuration differs from the recipe of its network with the same seed.

    >>> changes(recipe("784-400-10", "mnist", 8, seed=3, flip=True))
    {'flip': True}
    """
    usual = asdict(recipe(config.architecture, config.dataset, config.time_steps, seed=config.seed))
    return {name: value for name, value in asdict(config).items() if value != usual[name]}


def changes_text(config: TrainingConfig, *, epochs: bool = True) -> str:
    """The `changes`, for a table, with or without that of the epochs.

    >>> changed = recipe("784-400-10", "mnist", 8, epochs=2, flip=True)
    >>> changes_text(changed), changes_text(changed, epochs=False)
    ('epochs 2, flip True', 'flip True')
    """
    return ", ".join(f"{name} {value}" for name, value in changes(config).items() if epochs or name != "epochs")


def training_command(config: TrainingConfig, *options: str, seeds: Sequence[int] = ()) -> str:
    """The command that trains a configuration again, with these seeds or its own, naming what differs from the recipe.

    >>> config = recipe("784-400-10(2)", "mnist", 8, step_cost=0.01, flip=True)
    >>> training_command(config, "--release")
    "tqttfs train '784-400(1)-10(2)' --dataset mnist --time-steps 8 --seed 0 --step-cost 0.01 --flip yes --release"
    """
    words = [f"tqttfs train '{config.architecture}' --dataset {config.dataset} --time-steps {config.time_steps}"]
    words.append(f"--seed {','.join(map(str, seeds or [config.seed]))}")
    for name, value in changes(config).items():
        text = ("no", "yes")[value] if isinstance(value, bool) else value
        words.append(f"--{name.replace('_', '-')} {text}")
    return " ".join([*words, *options])


def unquantized(config: TrainingConfig) -> TrainingConfig:
    """The same run with every degree 1: the baseline that a quantized network is compared with.

    >>> unquantized(recipe("784-400-10(2)", "mnist", 8)).architecture
    '784-400(1)-10(1)'
    """
    return replace(config, architecture=Architecture.parse(config.architecture).unquantized)


def variant(config: TrainingConfig, quantization: str) -> TrainingConfig:
    """The same run with other degrees, in the short form such as 1-2-4; raises `NotationError` if they do not fit."""
    return replace(config, architecture=str(Architecture.parse(config.architecture).with_quantization(quantization)))


def _check_fit(architecture: Architecture, dataset: Dataset) -> None:
    if architecture.image_shape not in ((dataset.pixels,), dataset.shape):
        sizes = f"{dataset.pixels} or {_image_size(dataset)}"
        raise ConfigError(f"{architecture} does not fit {dataset.name}, whose images need the input {sizes}")
    classes = len(dataset.classes)
    if architecture.shapes()[-1] != (classes,):
        raise ConfigError(
            f"{architecture} does not fit {dataset.name}, whose {classes} classes need an output layer of {classes}"
        )


def _image_size(dataset: Dataset) -> str:
    """The image size in the notation, such as 28x28 or 32x32x3."""
    channels, *size = dataset.shape
    return "x".join(map(str, [*size, *[channels] * (channels > 1)]))
