"""scripts/chaos: the same story with and without faults must end the same."""
