"""What template.yaml creates for given parameters, as far as it costs something."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudformation import template_file
from command_line import CommandError

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNIT_HOURS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}


@dataclass(frozen=True)
class Function:
    """A Lambda function: gigabytes of memory and of ephemeral storage, and which processor."""

    gb: float
    storage_gb: float
    is_arm: bool
    runs_per_hour: float


@dataclass(frozen=True)
class Deployment:
    """The resources of a deployment that have a price."""

    functions: Mapping[str, Function]
    standard_mappings: int
    fifo_mappings: int
    secrets: int
    alarms: int
    metrics: int
    dashboards: int
    is_traced: bool
    concurrency: Mapping[str, int]


def read(path: Path, parameters: Mapping[str, str]) -> Deployment:
    """Reads the template as it is deployed with these parameters and the defaults of the others."""
    return _Template(template_file.parse(path.read_text()), parameters).deployment()


class _Template:
    def __init__(self, template: dict[str, Any], parameters: Mapping[str, str]):
        known = template["Parameters"]
        for name in parameters:
            if name not in known:
                raise CommandError(f"template.yaml has no parameter {name}")
        self._parameters = {name: str(parameters.get(name, one.get("Default", ""))) for name, one in known.items()}
        self._given = parameters
        self._template = template

    def deployment(self) -> Deployment:
        resources = {
            name: one for name, one in self._template["Resources"].items()
            if "Condition" not in one or self._holds(one["Condition"])
        }
        of_type = {
            kind: {name: one.get("Properties", {}) for name, one in resources.items() if one["Type"] == kind}
            for kind in {one["Type"] for one in resources.values()}
        }
        mappings = of_type.get("AWS::Lambda::EventSourceMapping", {}).values()
        queues = of_type.get("AWS::SQS::Queue", {})
        sources = [queues.get(_queue(mapping["EventSourceArn"]), {}) for mapping in mappings]
        fifo = sum(bool(queue.get("FifoQueue")) for queue in sources)
        alarms = of_type.get("AWS::CloudWatch::Alarm", {}).values()
        functions = of_type.get("AWS::Serverless::Function", {})
        throughput = self._template["Mappings"]["Throughput"][self._parameters["Throughput"]]
        return Deployment(
            functions={name.removesuffix("Function"): self._function(one) for name, one in functions.items()},
            standard_mappings=len(sources) - fifo,
            fifo_mappings=fifo,
            secrets=len(self._secrets()) + len(of_type.get("AWS::SecretsManager::Secret", {})),
            alarms=len(alarms),
            metrics=len({str(alarm["MetricName"]) for alarm in alarms if alarm.get("Namespace") == "Semantik"}),
            dashboards=len(of_type.get("AWS::CloudWatch::Dashboard", {})),
            is_traced=self._globals().get("Tracing") == "Active",
            concurrency={name: int(most) for name, most in throughput.items()},
        )

    def _globals(self) -> dict[str, Any]:
        found: dict[str, Any] = self._template["Globals"]["Function"]
        return found

    def _function(self, properties: dict[str, Any]) -> Function:
        shared = self._globals()
        storage = self._value(properties.get("EphemeralStorage", {}).get("Size", 512))
        architectures = self._value(properties.get("Architectures", shared.get("Architectures", ["x86_64"])))
        schedules = [
            event["Properties"]["Schedule"] for event in properties.get("Events", {}).values()
            if event["Type"] == "Schedule"
        ]
        return Function(
            gb=float(self._value(properties.get("MemorySize", shared["MemorySize"]))) / 1024,
            storage_gb=max(0.0, float(storage) - 512) / 1024,
            is_arm="arm64" in [self._value(one) for one in architectures],
            runs_per_hour=sum(_runs_per_hour(str(self._value(schedule))) for schedule in schedules),
        )

    def _secrets(self) -> list[str]:
        """The secrets that a deployment reads all the time; the administrator's may be deleted after the first one."""
        named = [name for name in self._parameters if name.endswith("Secret")]
        return [name for name in named if name not in ("AdministratorSecret", "MigrationDatabaseSecret")]

    def _holds(self, condition: Any) -> bool:
        if isinstance(condition, str):
            return self._holds(self._template["Conditions"][condition])
        (operator, operands), = condition.items()
        if operator == "Condition":
            return self._holds(operands)
        if operator == "Fn::Not":
            return not self._holds(operands[0])
        if operator == "Fn::Or":
            return any(self._holds(one) for one in operands)
        if operator == "Fn::And":
            return all(self._holds(one) for one in operands)
        if operator == "Fn::Equals":
            return str(self._value(operands[0])) == str(self._value(operands[1]))
        raise CommandError(f"template.yaml: the condition {operator} is unknown to scripts/cost")

    def _value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        (operator, operand), = value.items()
        if operator == "Ref":
            return self._parameters.get(operand, f"<{operand}>")
        if operator == "Fn::If":
            return self._value(operand[1] if self._holds(operand[0]) else operand[2])
        if operator == "Fn::Join":
            return str(operand[0]).join(str(self._value(one)) for one in operand[1])
        return str(value)


def _queue(source: Any) -> str:
    """The logical name of a queue in `!GetAtt Queue.Arn`."""
    target = source["Fn::GetAtt"]
    return str(target[0] if isinstance(target, list) else target.split(".")[0])


def _runs_per_hour(schedule: str) -> float:
    match = _RATE.fullmatch(schedule)
    if match is None:
        raise CommandError(f"template.yaml: the schedule {schedule} is unknown to scripts/cost; it reads rate(…) only")
    return 1 / (int(match[1]) * _UNIT_HOURS[match[2]])
