import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run side by side on few cores; a thread each is fastest, and makes sums come out alike."""
    torch.set_num_threads(1)
