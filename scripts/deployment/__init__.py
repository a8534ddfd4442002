"""Deployments to AWS: scripts/deploy."""
