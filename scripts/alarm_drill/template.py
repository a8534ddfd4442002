"""The alarms of template.yaml, the metrics that docs/operations.md lists, and its paragraphs on alarms."""

from __future__ import annotations

import re
from typing import Any

import yaml

from local_stack.settings import ROOT

OPERATIONS = ROOT / "docs" / "operations.md"


class _Loader(yaml.SafeLoader):
    """Reads intrinsic functions as a dictionary with the name of the function."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {suffix: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _intrinsic)


def resources(resource_type: str) -> dict[str, dict[str, Any]]:
    """Returns the properties of all resources of a type by their logical ids."""
    template = yaml.load((ROOT / "template.yaml").read_text(), _Loader)
    return {
        name: resource.get("Properties", {}) for name, resource in template["Resources"].items()
        if resource["Type"] == resource_type
    }


def alarms() -> dict[str, dict[str, Any]]:
    return resources("AWS::CloudWatch::Alarm")


def documented_alarms() -> list[str]:
    """Returns the names of the headings below "Alarms"; a heading may have several."""
    section = OPERATIONS.read_text().partition("\n## Alarms\n")[2].partition("\n## ")[0]
    return [name for heading in re.findall(r"^### (.+)$", section, re.MULTILINE) for name in heading.split(", ")]


def documented_metrics() -> dict[str, set[str]]:
    """Returns the dimensions of each metric besides `Stack`; a test of the crate `lambda` compares both."""
    rows = re.findall(r"^\| `(\w+)` \| [\w/]+ \| ([^|]+) \|", OPERATIONS.read_text(), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", dimensions)) for name, dimensions in rows}
