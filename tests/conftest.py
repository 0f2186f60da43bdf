import os

import pytest
import torch
from hypothesis import settings

# A busy machine is no failure.  CI tries the same cases every time; a developer's runs look for new ones.
settings.register_profile("tqttfs", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("tqttfs")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run side by side on few cores; a thread each is fastest, and makes sums come out alike."""
    torch.set_num_threads(1)
