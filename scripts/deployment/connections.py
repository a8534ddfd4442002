"""How many connections to PostgreSQL a deployment opens at most, by the concurrency and the pools in template.yaml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployment.template import Template

# Instances of API and search without reserved concurrency: a busy hour of a small team.
UNRESERVED = 10
QUEUE_FUNCTIONS = ("Intake", "Scan", "Extract", "Recognize", "Chunk", "Embed", "Notify")


@dataclass(frozen=True)
class Users:
    """Processes of one kind, and the connections of each."""

    name: str
    instances: int
    connections: int


def users(template: Template, value: Callable[[str], str]) -> list[Users]:
    """Returns what connects to PostgreSQL; `value` returns that of a parameter."""
    concurrency = template.mapping("Throughput")[value("Throughput")]
    queue, http = int(value("DatabaseConnections")), int(value("HttpDatabaseConnections"))
    has_ocr = value("OcrEnabled") == "true"
    found = [
        Users(name, int(concurrency[name]), queue) for name in QUEUE_FUNCTIONS if has_ocr or name != "Recognize"]
    found.append(Users("Sweep", _sweep_instances(template, has_ocr), _sweep_connections(template)))
    found += [
        Users(name, int(value(f"{name}Concurrency")) or UNRESERVED, http) for name in ("Api", "Search")]
    if value("EmbedJobImage"):
        found.append(Users("EmbedJob", int(value("EmbedJobMost")), queue))
    return found


def instances(found: list[Users]) -> int:
    """Returns how many instances of functions run at most."""
    return sum(one.instances for one in found if one.name != "EmbedJob")


def connections(found: list[Users]) -> int:
    """Returns how many connections they have at most."""
    return sum(one.instances * one.connections for one in found)


def _sweep_instances(template: Template, has_ocr: bool) -> int:
    """Returns the sum of its event source mappings, and the hourly run."""
    mappings = [
        resource for resource in template.document["Resources"].values()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
        and resource["Properties"]["FunctionName"] == {"Ref": "SweepFunction"}
        and (has_ocr or resource.get("Condition") != "HasOcr")]
    return 1 + sum(int(mapping["Properties"]["ScalingConfig"]["MaximumConcurrency"]) for mapping in mappings)


def _sweep_connections(template: Template) -> int:
    variables = template.document["Resources"]["SweepFunction"]["Properties"]["Environment"]["Variables"]
    return int(variables["DATABASE_CONNECTIONS"])
