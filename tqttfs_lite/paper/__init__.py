"""The paper's reported numbers, and how ours compare: seeds, comparisons, energy claims, verification, benchmarks."""
