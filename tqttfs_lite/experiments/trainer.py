"""A training run on one device: its steps, and the state that they change.

Images, random numbers, learning rates and counters are on the device, so that the host never waits within an epoch.  On
an NVIDIA GPU, a step is captured once as a CUDA graph, which the host only replays, and every training has a stream of
its own, so that several trainings run in parallel.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from hashlib import sha256
from threading import Lock

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from tqttfs_lite.errors import InputError, shown
from tqttfs_lite.experiments.config import TrainingConfig
from tqttfs_lite.experiments.datasets import Images
from tqttfs_lite.experiments.devices import training_dtype
from tqttfs_lite.experiments.evaluation import evaluate
from tqttfs_lite.spiking.coding import decode, encode
from tqttfs_lite.spiking.losses import LOSSES
from tqttfs_lite.spiking.network import Output, SpikingNetwork
from tqttfs_lite.spiking.notation import Architecture
from tqttfs_lite.spiking.rate_coding import Network, RateNetwork

SEEDING = Lock()  # the initial weights are drawn by PyTorch's default generator, which the whole process shares
WARM_UP = 0.1  # of the epochs
ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")
VALIDATED = 1000  # validation images per batch
STEPS_BEFORE_CAPTURE = 3  # PyTorch, cuBLAS and Triton initialise themselves in the first steps


def build(config: TrainingConfig) -> Network:
    """The configuration's network with initial weights, which depend on PyTorch's random state."""
    architecture = Architecture.parse(config.architecture)
    network: Network
    if config.coding == "rate":
        network = RateNetwork(architecture, config.time_steps, neuron=config.neuron, dropout=config.dropout)
    else:
        network = SpikingNetwork(
            architecture,
            config.time_steps,
            neuron=config.neuron,
            pooling=config.pooling,
            dropout=config.dropout,
            earliest_output=config.earliest_output,
        )
    for weight in network.parameters():
        bound = config.initial_gain / math.sqrt(weight[0].numel())
        torch.nn.init.uniform_(weight, -bound, bound)
    if config.centred:
        centre(network)
    return network


@torch.no_grad()
def centre(network: Network) -> None:
    """Subtract its mean from the weights of every neuron or filter.

    A potential then depends on which inputs have fired, rather than merely on how many.
    """
    for weight in network.parameters():
        weight.sub_(weight.flatten(1).mean(dim=1).view(-1, *[1] * (weight.ndim - 1)))


class Trainer:
    """A configuration's network, the running average of its weights, its optimizer, and its images.

    Args:
        config: the configuration to train.
        data: the training images, on the device.
        held_out: the validation images, on the same device.
    """

    def __init__(self, config: TrainingConfig, data: Images, held_out: Images) -> None:
        self.config, self.data, self.held_out = config, data, held_out
        self.device = device = data.images.device
        with SEEDING, torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = self.start().to(device)
        self.averaged = deepcopy(self.network).requires_grad_(False)
        self.network.generator = self.generator = torch.Generator(device)
        self.batches = len(data) // config.batch_size
        steps = range(config.epochs * self.batches)
        rates = [config.learning_rate * schedule(step / len(steps)) for step in steps]
        # The running average forgets the first weights faster than later ones.
        shares = [1 - min(config.averaging, (step + 1) / (step + 11)) for step in steps]
        self._rates, self._shares = (
            torch.tensor(values, dtype=torch.float32, device=device) for values in (rates, shares)
        )
        self._rate = torch.zeros((), dtype=torch.float32, device=device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self._rate,
            weight_decay=config.weight_decay,
            fused=True,
            capturable=device.type == "cuda",
        )
        self._order = torch.zeros(self.batches, config.batch_size, dtype=torch.int64, device=device)
        self._done = torch.zeros(1, dtype=torch.int64, device=device)  # completed steps
        self._total = torch.zeros((), dtype=torch.float32, device=device)  # sum of the losses in this epoch
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._graph: torch.cuda.CUDAGraph | None = None

    def start(self) -> Network:
        """The network to train, with its initial weights."""
        return build(self.config)

    def output(self, network: SpikingNetwork, spike_times: UInt8[Tensor, "B ..."]) -> Output:
        """The output of the network, or of its running average, in training and in validation."""
        found: Output = network(spike_times)
        return found

    def begin(self, epoch: int) -> None:
        """Shuffle the images; the random numbers of an epoch depend only on the seed and the epoch's number."""
        if self._stream and not self._graph:
            self._capture()
        with self._side_by_side():
            self.generator.manual_seed(epoch_seed(self.config.seed, epoch))
            order = torch.randperm(len(self.data), generator=self.generator, device=self.device)
            self._order.copy_(order[: self._order.numel()].view_as(self._order))
            self._done.fill_(epoch * self.batches)
            self._total.zero_()

    def step(self) -> None:
        """Train on the next batch of this epoch.  On a GPU this is only started: nothing waits for it."""
        if self._graph:
            with torch.cuda.stream(self._stream):
                self._graph.replay()
        else:
            self._step()

    def end(self) -> None:
        """Score the network with averaged weights on the validation images; on a GPU this, too, is only started."""
        with self._side_by_side():
            self._score = torch.stack([self._total, *self._validate()])

    def score(self) -> tuple[float, float, float]:
        """The score that `end` started: the epoch's mean loss, accuracy in percent, and mean inference time steps."""
        self.wait()
        loss, right, steps = self._score.tolist()
        return loss / self.batches, 100 * right / len(self.held_out), steps / len(self.held_out)

    def wait(self) -> None:
        """Wait until all started steps are completed."""
        if self._stream:
            self._stream.synchronize()

    def state(self) -> dict[str, Tensor]:
        """The tensors that a training needs in order to resume, by name; they are not copied."""
        tensors = {f"weight.{key}": value for key, value in self.network.state_dict().items()}
        tensors |= {f"averaged.{key}": value for key, value in self.averaged.state_dict().items()}
        for i, adam in enumerate(self.optimizer.state.values()):
            tensors |= {f"adam.{i}.{key}": adam[key] for key in ADAM_STATE}
        return tensors

    def go_on(self, tensors: dict[str, Tensor]) -> None:
        """Load tensors that `state` returned, on any device, before the first epoch.

        Raises `KeyError` or `RuntimeError` if they belong to another network.
        """
        for part, network in (("weight", self.network), ("averaged", self.averaged)):
            network.load_state_dict({key: tensors[f"{part}.{key}"] for key in network.state_dict()})
        for i, weight in enumerate(self.network.parameters()):
            adam = {key: tensors[f"adam.{i}.{key}"].to(self.device) for key in ADAM_STATE}
            self.optimizer.state[weight] = adam

    def _step(self) -> None:
        chosen = self._order.index_select(0, self._done % self.batches)[0]
        self._rate.copy_(self._rates.index_select(0, self._done)[0])
        pixels = augment(self.data.images[chosen], self.config, self.generator)
        self.optimizer.zero_grad()
        loss = self._loss(pixels, self.data.labels[chosen])
        loss.backward()
        self.optimizer.step()
        if self.config.centred:
            centre(self.network)
        share = self._shares.index_select(0, self._done)[0]
        with torch.no_grad():
            for mean, weight in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(weight, share)
            self._total += loss
            self._done += 1

    def _loss(self, pixels: Tensor, labels: Tensor) -> Tensor:
        config, dtype = self.config, training_dtype(self.device)
        with torch.autocast(self.device.type, dtype, enabled=dtype == torch.bfloat16, cache_enabled=False):
            if isinstance(self.network, RateNetwork):
                counts = self.network(pixels).counts
                smoothing = config.label_smoothing
                return functional.cross_entropy(config.sharpness * counts.float(), labels, label_smoothing=smoothing)
            output = self.output(self.network, encode(pixels, config.time_steps))
        loss: object = LOSSES[config.loss](output, labels, config)
        if not (isinstance(loss, Tensor) and loss.ndim == 0 and loss.requires_grad):
            raise InputError(f"the loss {config.loss} must be a number with a gradient, of shape [], not {shown(loss)}")
        return loss

    @torch.no_grad()
    def _validate(self) -> tuple[Tensor, Tensor]:
        """Like `evaluate`, but over all time steps, without anything for which the host would have to wait."""
        images, labels, T = self.held_out.images, self.held_out.labels, self.config.time_steps
        if isinstance(self.averaged, RateNetwork):
            score = evaluate(self.averaged, images, labels)
            return self._total.new_tensor(score.correct), self._total.new_tensor(score.steps)
        self.averaged.eval()
        right, steps = torch.zeros(2, dtype=torch.float32, device=self.device)
        for pixels, label in zip(images.split(VALIDATED), labels.split(VALIDATED), strict=True):
            V, S, at, _ = self.output(self.averaged, encode(pixels, T))
            answer, step = decode(V, S, at, T)
            right += (answer == label).sum()
            steps += step.sum()
        return right, steps

    def _capture(self) -> None:
        """Capture a step as a graph, and restore everything that the first steps changed."""
        assert self._stream
        before = {name: tensor.clone() for name, tensor in self.state().items()}
        self._stream.wait_stream(torch.cuda.current_stream())
        with self._side_by_side():
            for _ in range(STEPS_BEFORE_CAPTURE):
                self._step()
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            self._step()
        self._graph = graph
        with self._side_by_side(), torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(before[name]) if name in before else tensor.zero_()

    @contextlib.contextmanager
    def _side_by_side(self) -> Iterator[None]:
        """Work on this training's own stream, with deterministic algorithms."""
        if self._stream is None:
            yield
        else:
            with torch.cuda.stream(self._stream), torch.backends.cudnn.flags(enabled=True, deterministic=True):
                yield


def schedule(progress: float) -> float:
    """The learning rate relative to its peak: a linear rise over the first tenth, then a cosine decay."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


def epoch_seed(seed: int, epoch: int) -> int:
    """The random seed for an epoch of a run; no two epochs or runs share one."""
    return int.from_bytes(sha256(f"{seed} {epoch}".encode()).digest()[:6], "big")


@lru_cache(maxsize=256)
def count_up(size: int, device: torch.device) -> Tensor:
    """0, 1, 2, ..., as a tensor that is created only once."""
    return torch.arange(size, device=device)


def augment(
    pixels: UInt8[Tensor, "B *channels height width"], config: TrainingConfig, generator: torch.Generator | None = None
) -> UInt8[Tensor, "B *channels height width"]:
    """Shift, flip, rotate and zoom every image at random, as far as the configuration says; what moves in is black.

    All channels of an image are moved together.
    """
    batch, device = len(pixels), pixels.device
    image, row, column = (count_up(size, device) for size in (batch, *pixels.shape[-2:]))
    if reach := config.shift:
        padded = functional.pad(pixels, (reach, reach, reach, reach))
        down, right = torch.randint(0, 2 * reach + 1, (2, batch, 1, 1), generator=generator, device=device)
        chosen = padded[image[:, None, None], ..., down + row[:, None], right + column]
        pixels = chosen.movedim((1, 2), (-2, -1))  # the indices' axes come first
    if config.flip:
        mirrored = torch.rand(batch, dtype=torch.float32, generator=generator, device=device) < 0.5
        pixels = torch.where(mirrored.view(-1, *[1] * (pixels.ndim - 1)), pixels.flip(-1), pixels)
    if config.rotate or config.zoom:
        drawn = 2 * torch.rand(2, batch, dtype=torch.float32, generator=generator, device=device) - 1
        pixels = turn(pixels, math.radians(config.rotate) * drawn[0], (math.log1p(config.zoom) * drawn[1]).exp())
    return pixels


def turn(
    pixels: UInt8[Tensor, "B *channels height width"], angle: Float[Tensor, " B"], factor: Float[Tensor, " B"]
) -> UInt8[Tensor, "B *channels height width"]:
    """Rotate every image about its centre, by an angle in radians, and enlarge it by a factor.

    Brightness is interpolated linearly between pixels; what moves in is black.
    """
    height, width = pixels.shape[-2:]
    cos, sin, none = angle.cos() / factor, angle.sin() / factor, torch.zeros_like(angle)
    # From where each pixel comes, in coordinates that run from -1 to 1 along both sides of the image.
    maps = torch.stack([cos, -sin * height / width, none, sin * width / height, cos, none], dim=1).view(-1, 2, 3)
    images = pixels.reshape(len(pixels), -1, height, width).float()
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False).round().to(torch.uint8).view_as(pixels)
