"""The parameters and mappings of template.yaml, and whether values fit them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudformation import template_file
from command_line import CommandError
from local_stack.settings import without_password

# Written by scripts/deploy itself, from what it has built, created or found.
MANAGED = {
    "Architecture": "architecture",
    "SchemaVersion": "the migrations",
    "DeploymentVersion": "the deployment",
    "DatabaseSecret": "secrets.database",
    "MigrationDatabaseSecret": "secrets.migration_database",
    "QdrantSecret": "secrets.qdrant",
    "TokenSecret": "secrets.tokens",
    "ConnectorSecret": "secrets.connectors",
    "AdministratorSecret": "secrets.administrator",
}


@dataclass(frozen=True)
class Parameter:
    """A parameter as the template declares it."""

    name: str
    declaration: dict[str, Any]

    @property
    def is_required(self) -> bool:
        return "Default" not in self.declaration

    @property
    def default(self) -> str:
        return str(self.declaration.get("Default", ""))

    @property
    def is_list(self) -> bool:
        kind = str(self.declaration["Type"])
        return kind == "CommaDelimitedList" or kind.startswith("List<")

    def problem(self, value: str) -> str | None:
        """Returns what CloudFormation would reject about a value."""
        allowed = self.declaration.get("AllowedValues")
        if allowed is not None and value not in map(str, allowed):
            return f"{', '.join(map(str, allowed))} are allowed, got {value!r}"
        if self.declaration["Type"] == "Number":
            return self._number_problem(value)
        shortest = int(self.declaration.get("MinLength", 0))
        if len(value) < shortest:
            return f"at least {shortest} characters are required, got {len(value)}"
        pattern = self.declaration.get("AllowedPattern")
        # CloudFormation matches each value of a list.
        values = value.split(",") if self.is_list else [value]
        if pattern is not None and not all(re.fullmatch(pattern, one) for one in values):
            wanted = self.declaration.get("ConstraintDescription", pattern)
            # A URL may contain a password by mistake.
            return f"{wanted} is required, got {without_password(value)!r}"
        return None

    def _number_problem(self, value: str) -> str | None:
        try:
            number = float(value)
        except ValueError:
            return f"a number is required, got {value!r}"
        least, most = self.declaration.get("MinValue"), self.declaration.get("MaxValue")
        if (least is not None and number < float(least)) or (most is not None and number > float(most)):
            return f"{_range(least, most)} is allowed, got {value}"
        return None


class Template:
    """The parts of template.yaml that a deployment decides by."""

    def __init__(self, document: dict[str, Any]):
        self.document = document
        self.parameters = {
            name: Parameter(name, declaration) for name, declaration in self.document["Parameters"].items()}

    @classmethod
    def read(cls, path: Path) -> Template:
        try:
            return cls.of(path.read_text())
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error}") from error

    @classmethod
    def of(cls, text: str) -> Template:
        return cls(template_file.parse(text))

    def mapping(self, name: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.document["Mappings"][name]
        return found


def _range(least: Any, most: Any) -> str:
    if least is None:
        return f"at most {most}"
    return f"at least {least}" if most is None else f"{least} to {most}"
