"""Checks of the structure of the Rust workspace."""
