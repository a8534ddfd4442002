"""What scripts/demo and scripts/evaluate share: a client of the HTTP API and a few measures."""
