"""Reads templates in YAML."""

from __future__ import annotations

from typing import Any

import yaml


def parse(text: str) -> dict[str, Any]:
    """Returns a template, with the short forms of intrinsic functions as their long forms."""
    document: dict[str, Any] = yaml.load(text, Loader=_Loader)
    return document


class _Loader(yaml.SafeLoader):
    pass


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)
