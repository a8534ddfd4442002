"""The record of each deployed version, by which a later command can return to it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from command_line import CommandError
from deployment.bucket import DeploymentBucket

# As many versions are kept with their packages.
KEPT = 5
_LABEL = re.compile(r"(?P<number>\d+)-(?P<commit>[0-9a-z]+\+?)-(?P<digest>[0-9a-f]+)")


@dataclass(frozen=True)
class Version:
    """What was deployed: the template, its packages and its parameters."""

    number: int
    commit: str
    # Of the template, which names the packages by their digests, and the parameters.
    digest: str
    started_at: str
    template: str
    parameters: dict[str, str]
    packages: list[str]
    # False until CloudFormation reports success.
    deployed: bool = False
    # The version that this one is a copy of, after a rollback.
    restores: int | None = None

    @property
    def label(self) -> str:
        """The value of the parameter DeploymentVersion, which the stack has as an output."""
        return f"{self.number}-{self.commit}-{self.digest}"

    @property
    def content(self) -> int:
        """The number of the version whose content this is."""
        return self.restores or self.number


class Versions:
    """All recorded versions of a stack, oldest first."""

    def __init__(self, bucket: DeploymentBucket):
        self._bucket = bucket
        self.all: list[Version] = []
        if bucket.exists():
            keys = sorted(bucket.keys("versions"))
            self.all = [Version(**json.loads(bucket.read(key))) for key in keys]

    def next(
        self, commit: str, digest: str, template: str, parameters: dict[str, str], packages: list[str],
        restores: int | None = None,
    ) -> Version:
        number = self.all[-1].number + 1 if self.all else 1
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Version(number, commit, digest, now, template, parameters, packages, restores=restores)

    def record(self, version: Version) -> None:
        """Writes a version: before it is deployed, and again when it is."""
        self._bucket.write(self._key(version), json.dumps(asdict(version), indent=1).encode())
        self.all = sorted([one for one in self.all if one.number != version.number] + [version],
                          key=lambda one: one.number)

    def current(self, outputs: dict[str, str]) -> Version | None:
        """Returns the version that the stack runs, by its output."""
        label = _LABEL.fullmatch(outputs.get("DeploymentVersion", ""))
        if label is None:
            return None
        found = next((one for one in self.all if one.number == int(label["number"])), None)
        if found is not None and not found.deployed:
            # The command was interrupted after CloudFormation had succeeded.
            found = replace(found, deployed=True)
            self.record(found)
        return found

    def before(self, current: Version) -> Version:
        """Returns the version to roll back to: the last deployed one before the content of the current one."""
        older = [one for one in self.all if one.deployed and one.restores is None and one.number < current.content]
        if not older:
            raise CommandError(
                f"no version before {current.content} was deployed; scripts/deploy status lists versions")
        return older[-1]

    def find(self, number: int) -> Version:
        found = next((one for one in self.all if one.number == number and one.deployed), None)
        if found is None:
            deployed = ", ".join(str(one.number) for one in self.all if one.deployed) or "none"
            raise CommandError(f"--to: deployed versions are {deployed}, got {number}")
        return found

    def forget_old(self, current: Version) -> int:
        """Deletes all but the last versions, and what only those refer to; returns the number of deleted objects."""
        deployed = [one for one in self.all if one.deployed]
        kept = deployed[-KEPT:]
        # What a kept version restores stays, too.
        numbers = {one.number for one in kept} | {one.content for one in kept} | {current.number, current.content}
        kept = [one for one in self.all if one.number in numbers]
        wanted = {self._key(one) for one in kept} | {one.template for one in kept}
        wanted |= {package for one in kept for package in one.packages}
        present = set[str]().union(*(self._bucket.keys(name) for name in ("versions", "templates", "packages")))
        self._bucket.delete(present - wanted)
        self.all = kept
        return len(present - wanted)

    def _key(self, version: Version) -> str:
        return self._bucket.key("versions", f"{version.number:06}.json")


def describe(version: Version) -> str:
    restores = f", the content of version {version.restores}" if version.restores else ""
    return f"version {version.number} (commit {version.commit}{restores})"


def table(versions: list[Version], current: Version | None) -> list[str]:
    rows = []
    for one in reversed(versions):
        state: Any = "current" if current and one.number == current.number else "deployed" if one.deployed else "failed"
        note = f"  content of version {one.restores}" if one.restores else ""
        rows.append(f"  {one.number:>4}  {one.started_at}  {one.commit:9}  {state}{note}")
    return rows
