"""scripts/chaos: the same scenario with and without faults must have the same result."""
