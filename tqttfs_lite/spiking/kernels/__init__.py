"""The method's `operators`; importing this registers the compiled implementations that this machine can run."""

import torch

from tqttfs_lite.spiking.kernels import cpu as cpu

if torch.cuda.is_available():
    from tqttfs_lite.spiking.kernels import gpu as gpu
