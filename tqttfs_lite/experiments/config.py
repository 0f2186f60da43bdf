"""What makes a trained network: one frozen configuration, stored in every result that it made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import Field, asdict, dataclass, fields, replace
from hashlib import sha256
from typing import Any, Literal, get_args

from tqttfs_lite.errors import ConfigError
from tqttfs_lite.experiments import datasets
from tqttfs_lite.experiments.datasets import Dataset
from tqttfs_lite.spiking.layers import PoolingMode
from tqttfs_lite.spiking.losses import LOSSES
from tqttfs_lite.spiking.network import clocks
from tqttfs_lite.spiking.neuron import RESPONSES, Neuron
from tqttfs_lite.spiking.notation import Architecture, Convolution
from tqttfs_lite.spiking.rate import check_architecture
from tqttfs_lite.spiking.surrogate import SURROGATES

Coding = Literal["ttfs", "rate"]
CHOICES = {"Coding": get_args(Coding), "PoolingMode": get_args(PoolingMode)}
LARGEST_SEED = 2**63 - 1  # of PyTorch's generators


@dataclass(frozen=True)
class TrainingConfig:
    """One training run, checked and in one canonical form from the start.

    Raises `InputError` for values that cannot be trained: `NotationError` for the architecture's text, `ConfigError`
    for a setting, and a plain one where T is impossible or a layer could never fire.

    The defaults are the plain case, what training is without this or that help; `RECIPES` holds the choices.  A default
    is never changed once results exist, and a new field's default is what was done before it came: the hash covers the
    fields that differ from their defaults, so that old results stay valid.
    """

    architecture: str  # the slides' notation with its quantization degrees
    dataset: str  # the name of one that `datasets` knows
    time_steps: int  # T
    coding: Coding = "ttfs"  # "rate" is the same perceptron of IF neurons that fire many times, read by the most spikes
    seed: int = 0
    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 2e-3  # the peak: it rises linearly over the first tenth and falls as a cosine to zero
    weight_decay: float = 0.01  # AdamW's, decoupled from the gradient
    initial_gain: float = 1.0  # weights start in U(±gain / sqrt(fan_in)), for 1 as in PyTorch's own layers
    loss: str = "soft-decoder"  # `losses` says what each is; rate coding has one of its own, over spike counts
    sharpness: float = 4.0  # of the soft decoder, whose limit is the slides'; else of a softmax over times or counts
    step_cost: float = 0.0  # nats that the loss charges for every inference time step until the decision
    silence_costs: bool = False  # whether the loss counts a decision by the highest potential at the end as none
    dropout: float = 0.0  # of hidden neurons, the same ones on every step
    shift: int = 0  # training images move by up to this many pixels in each direction
    flip: bool = False  # training images are mirrored left to right half of the time
    averaging: float = 0.0  # decay of the running mean of the weights, which is what is evaluated and kept
    pooling: PoolingMode = "max"
    theta: float = 1.0  # SpikingJelly's default, the framework that the authors use
    surrogate_alpha: float = 2.0  # likewise
    surrogate: str = "atan"  # of `surrogate.SURROGATES`
    response: str = "step"  # of `neuron.RESPONSES`; the step is the slides' neuron

    def __post_init__(self) -> None:
        for field in fields(self):  # so that equal settings have equal hashes, however they were written
            object.__setattr__(self, field.name, _typed(field, getattr(self, field.name)))
        dataset = datasets.get(self.dataset)
        for name, known in (("loss", LOSSES), ("surrogate", SURROGATES), ("response", RESPONSES)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} must be {' or '.join(known)}, not {getattr(self, name)!r}")
        architecture = Architecture.parse(self.architecture)
        clocks(architecture, self.time_steps)
        ttfs = self.coding == "ttfs"
        if not ttfs:
            check_architecture(architecture)
        _check_fit(architecture, dataset)
        largest_shift = min(dataset.shape[1:]) // 2
        # The canonical spelling, so that equal networks have equal configurations.
        object.__setattr__(self, "architecture", str(architecture.canonical))
        for name, allowed, valid in (
            ("seed", f"from 0 to {LARGEST_SEED}", 0 <= self.seed <= LARGEST_SEED),
            ("epochs", "1 or more", self.epochs >= 1),
            (
                "batch_size",
                f"from 1 to {dataset.sizes.train}, the training images",
                1 <= self.batch_size <= dataset.sizes.train,
            ),
            ("learning_rate", "above 0 and at most 1", 0 < self.learning_rate <= 1),
            ("weight_decay", "from 0 to 1", 0 <= self.weight_decay <= 1),
            ("initial_gain", "above 0 and at most 100", 0 < self.initial_gain <= 100),
            ("dropout", "from 0 up to, not including, 1", 0 <= self.dropout < 1),
            ("shift", f"from 0 to {largest_shift} pixels", 0 <= self.shift <= largest_shift),
            ("sharpness", "above 0 and at most 100", 0 < self.sharpness <= 100),
            ("step_cost", "from 0 to 10 nats", 0 <= self.step_cost <= 10),
            ("step_cost", "0 with rate coding, which is read at the end of time", ttfs or not self.step_cost),
            ("silence_costs", "no with rate coding", ttfs or not self.silence_costs),
            (
                "silence_costs",
                "no with the loss first-spike-time, to which silence is a guess",
                self.loss != "first-spike-time" or not self.silence_costs,
            ),
            ("loss", "soft-decoder, the default, with rate coding", ttfs or self.loss == "soft-decoder"),
            ("pooling", "max, the default, with rate coding, which has none", ttfs or self.pooling == "max"),
            ("averaging", "from 0 up to, not including, 1", 0 <= self.averaging < 1),
            ("theta", "above 0 and at most 100", 0 < self.theta <= 100),
            ("surrogate_alpha", "above 0 and at most 100", 0 < self.surrogate_alpha <= 100),
        ):
            if not valid:
                raise ConfigError(f"{name} must be {allowed}, not {getattr(self, name)!r}")

    @property
    def neuron(self) -> Neuron:
        """What the neurons of the network are."""
        return Neuron(self.theta, SURROGATES[self.surrogate](self.surrogate_alpha), RESPONSES[self.response])

    @property
    def hash(self) -> str:
        """SHA-256 of the settings that are not the defaults, as canonical JSON, in hexadecimal digits."""
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

    @staticmethod
    def from_dict(values: dict[str, Any]) -> TrainingConfig:
        """The inverse of `dataclasses.asdict`, and the way in for what users give.

        Raises `ConfigError` for a setting that is unknown, missing or of the wrong type.
        """
        known = {field.name for field in fields(TrainingConfig)}
        if unknown := values.keys() - known:
            raise ConfigError(f"unknown setting {', '.join(sorted(unknown))}: allowed are {', '.join(sorted(known))}")
        if missing := {"architecture", "dataset", "time_steps"} - values.keys():
            raise ConfigError(f"missing setting {', '.join(sorted(missing))}")
        return TrainingConfig(**{f.name: _typed(f, values[f.name]) for f in fields(TrainingConfig) if f.name in values})


# Chosen on the validation split with quantized networks, one recipe for the unquantized baseline and for them alike.
# A gain of 1 leaves the network silent at first.  Without a price of time networks learn to wait for the end.
# Mirrored digits would be other signs.  Mirrored clothes are more to learn, and cost the perceptron accuracy: the shoes
# of FashionMNIST all point to the left.  The convolutional network keeps them against overfitting, and averages where
# it pools: fewer images stay silent where it is quantized, and half the epochs do.
_COMMON = {"initial_gain": 2.0, "dropout": 0.1, "shift": 1, "averaging": 0.999}
_DIGITS = {**_COMMON, "step_cost": 0.003}
_CLOTHES = {**_COMMON, "step_cost": 0.005}
# For a data set without a recipe of its own: what the chosen ones have in common, but no dropout and no changed images,
# which can cost more than they help, and small batches, since such a data set is often small.
DEFAULT_RECIPE: dict[str, Any] = {
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


def family(architecture: Architecture) -> str:
    """The slides' name for networks of this kind: SCNN where there is a convolution, else SMLP."""
    return "SCNN" if any(isinstance(layer, Convolution) for layer in architecture.layers) else "SMLP"


def recipe(architecture: str, dataset: str, time_steps: int, **changes: Any) -> TrainingConfig:
    """The published recipe of the network's family on this data set, with changes of one's own.

    A data set that `RECIPES` does not have gets `DEFAULT_RECIPE`: 20 epochs in batches of 32, initial weights of twice
    the usual width, averaged weights, a price of 0.003 nats a time step, and the plain values of `TrainingConfig` else.
    Raises `ValueError` as `TrainingConfig` does.

    >>> recipe("784-400-10", "mnist", 8, seed=3).architecture
    '784-400(1)-10(1)'
    """
    chosen = RECIPES.get((dataset, family(Architecture.parse(architecture))), DEFAULT_RECIPE)
    settings = {"architecture": architecture, "dataset": dataset, "time_steps": time_steps}
    return TrainingConfig.from_dict({**settings, **chosen, **changes})


def follows_recipe(config: TrainingConfig) -> bool:
    """Whether this is the published recipe for seed 0, with nothing changed."""
    return config == recipe(config.architecture, config.dataset, config.time_steps)


def changes(config: TrainingConfig) -> dict[str, Any]:
    """The settings, by name, that a configuration has other than the recipe of its network with the same seed.

    >>> changes(recipe("784-400-10", "mnist", 8, seed=3, flip=True))
    {'flip': True}
    """
    usual = asdict(recipe(config.architecture, config.dataset, config.time_steps, seed=config.seed))
    return {name: value for name, value in asdict(config).items() if value != usual[name]}


def training_command(config: TrainingConfig, *options: str, seeds: Sequence[int] = ()) -> str:
    """What trains a configuration again, naming what differs from the recipe; for several seeds, a loop over them.

    >>> config = recipe("784-400-10(2)", "mnist", 8, step_cost=0.01, flip=True)
    >>> training_command(config, "--publish")
    "tqttfs train '784-400(1)-10(2)' --dataset mnist --time-steps 8 --seed 0 --step-cost 0.01 --flip yes --publish"
    """
    words = [f"tqttfs train '{config.architecture}' --dataset {config.dataset} --time-steps {config.time_steps}"]
    words.append(f"--seed {'$seed' if len(seeds) > 1 else config.seed}")
    for name, value in changes(config).items():
        text = ("no", "yes")[value] if isinstance(value, bool) else value
        words.append(f"--{name.replace('_', '-')} {text}")
    line = " ".join([*words, *options])
    return f"for seed in {' '.join(map(str, seeds))}; do {line}; done" if len(seeds) > 1 else line


def unquantized(config: TrainingConfig) -> TrainingConfig:
    """The same run with every degree 1: the baseline that a quantized network is compared with.

    >>> unquantized(recipe("784-400-10(2)", "mnist", 8)).architecture
    '784-400(1)-10(1)'
    """
    return replace(config, architecture=Architecture.parse(config.architecture).unquantized)


def variant(config: TrainingConfig, quantization: str) -> TrainingConfig:
    """The same run with other degrees, in the short form such as 1-2-4; raises `NotationError` if they do not fit."""
    return replace(config, architecture=str(Architecture.parse(config.architecture).with_quantization(quantization)))


def _typed(field: Field[Any], value: Any) -> Any:
    """The value as the field's type; for a real setting also a whole number, and a text such as YAML makes of 1e-3.

    Raises `ConfigError` for a value of another type.
    """
    if str(field.type) == "float" and isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    if choices := CHOICES.get(str(field.type)):
        allowed, valid = " or ".join(choices), value in choices
    else:
        types: dict[str, Any] = {"int": int, "float": (int, float), "bool": bool, "str": str}
        allowed = f"of type {field.type}"
        valid = isinstance(value, types[str(field.type)]) and (field.type == "bool" or not isinstance(value, bool))
    if not valid:
        raise ConfigError(f"{field.name} must be {allowed}, not {value!r}")
    return float(value) if field.type == "float" else value


def _check_fit(architecture: Architecture, dataset: Dataset) -> None:
    if architecture.image_shape not in ((dataset.pixels,), dataset.shape):
        sizes = f"{dataset.pixels} or {_image_size(dataset)}"
        raise ConfigError(f"{architecture} does not fit {dataset.name}, whose images make its input {sizes}")
    classes = len(dataset.classes)
    if architecture.shapes()[-1] != (classes,):
        raise ConfigError(
            f"{architecture} does not fit {dataset.name}, whose {classes} classes want an output layer of {classes}"
        )


def as_image(config: TrainingConfig) -> TrainingConfig:
    """A perceptron's configuration in the spelling `28x28-…`, with the hash and the name that it had in it.

    Results may be stored under them: a row of values, `784-…`, was not always the one spelling of a perceptron's input.
    A convolutional network's configuration is returned as it is.
    """
    if family(Architecture.parse(config.architecture)) == "SCNN":
        return config
    former = copy(config)
    _, _, layers = config.architecture.partition("-")
    object.__setattr__(former, "architecture", f"{_image_size(datasets.get(config.dataset))}-{layers}")
    return former


def _image_size(dataset: Dataset) -> str:
    """As the notation has it, such as 28x28 or 32x32x3."""
    channels, *size = dataset.shape
    return "x".join(map(str, [*size, *[channels] * (channels > 1)]))
