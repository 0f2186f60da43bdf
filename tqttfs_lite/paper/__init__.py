"""What the paper reports, and how ours compares: seeds, comparisons, energy claims, verification, benchmarks."""
