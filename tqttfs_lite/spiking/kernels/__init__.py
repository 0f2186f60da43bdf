"""Compiled implementations of the `operators`; importing this registers those that this machine can run."""

import torch

from tqttfs_lite.spiking.kernels import cpu as cpu

if torch.cuda.is_available():
    from tqttfs_lite.spiking.kernels import gpu as gpu
