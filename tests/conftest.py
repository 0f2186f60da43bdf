import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tqttfs_lite import experiment, training
from tqttfs_lite.datasets import Images

# A busy machine is no failure.  CI tries the same cases every time; a developer's runs look for new ones.
settings.register_profile("tqttfs", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("tqttfs")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run side by side on few cores; a thread each is fastest, and makes sums come out alike."""
    torch.set_num_threads(1)


@pytest.fixture
def small_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two easily told classes, and a data directory of one's own."""

    def load(name: str, split: str) -> Images:
        generator = torch.Generator().manual_seed(len(split))
        labels = torch.randint(0, 2, (320,), generator=generator)
        images = torch.randint(0, 100, (320, 28, 28), generator=generator, dtype=torch.uint8)
        images[labels == 1, :14] += 150
        return Images(images, labels)

    monkeypatch.setattr(training, "load", load)
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data directory of one's own with random images in place of the data sets."""

    def random_images(name: str, split: str) -> Images:
        generator = torch.Generator().manual_seed(len(split))
        images = torch.randint(0, 256, (300, 28, 28), generator=generator, dtype=torch.uint8)
        return Images(images, torch.randint(0, 10, (300,), generator=generator))

    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    for module in (training, experiment):
        monkeypatch.setattr(module, "load", random_images)
    return tmp_path
