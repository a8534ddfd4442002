"""What a check found, as one line: a result, what was looked at, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    OK = "ok"
    WARNING = "warning"
    SKIPPED = "skipped"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Finding:
    check: str
    result: Result
    detail: str

    @property
    def line(self) -> str:
        return f"  {self.check:22} {self.result.value:8} {self.detail}"


class Report:
    """Prints findings as they come, and remembers whether one failed."""

    def __init__(self, say: Callable[[str], None] = print):
        self.findings: list[Finding] = []
        self._say = say

    def add(self, check: str, result: Result, detail: str) -> None:
        finding = Finding(check, result, detail)
        self.findings.append(finding)
        self._say(finding.line)

    def ok(self, check: str, detail: str) -> None:
        self.add(check, Result.OK, detail)

    def warning(self, check: str, detail: str) -> None:
        self.add(check, Result.WARNING, detail)

    def skipped(self, check: str, detail: str) -> None:
        self.add(check, Result.SKIPPED, detail)

    def failed(self, check: str, detail: str) -> None:
        self.add(check, Result.FAILED, detail)

    @property
    def failures(self) -> int:
        return sum(finding.result is Result.FAILED for finding in self.findings)
