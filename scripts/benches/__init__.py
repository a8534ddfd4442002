"""The benchmarks of scripts/bench: one module each, with a function `run` that returns table lines."""
