"""The alarms of template.yaml, the metrics that docs/operations.md lists, and its paragraphs on alarms."""

from __future__ import annotations

import re
from typing import Any

from cloudformation import template_file
from local_stack.settings import ROOT

OPERATIONS = ROOT / "docs" / "operations.md"


def resources(resource_type: str) -> dict[str, dict[str, Any]]:
    """Returns the properties of all resources of a type by their logical ids."""
    template = template_file.parse((ROOT / "template.yaml").read_text())
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
