#!/usr/bin/env bash
# Check and time the library on an NVIDIA GPU, on a machine that may have nothing but PyTorch, Triton and pytest:
#   bash tests/benchmarks/gpu_acceptance.sh
# Equal spikes, equal counts and equal weights first, then the times, then one seed of each network trained to the end.
set -euo pipefail
cd "$(dirname "$0")/../.."
python3 -m pytest -q --noconftest -c /dev/null --rootdir . -p no:cacheprovider -n 8 tests/test_gpu_kernels.py
exec python3 -m tests.benchmarks.gpu "$@"
