"""One line of the table, and how contestants take turns."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


@dataclass(frozen=True)
class Line:
    """What was measured, and what it is held against."""

    name: str
    value: float | None
    unit: str
    baseline: float | None = None
    # value over baseline, taken in turns where both are timed.
    ratio: float | None = None
    target: float | None = None
    # Whether less is better: then value, or ratio where there is one, must not exceed the target.
    at_most: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        compared = self.value if self.ratio is None else self.ratio
        if self.target is None or compared is None:
            return None
        return compared <= self.target if self.at_most else compared >= self.target

    def json(self) -> dict[str, Any]:
        return {
            "value": _rounded(self.value),
            "unit": self.unit,
            "baseline": _rounded(self.baseline),
            "ratio": _rounded(self.ratio),
            "target": self.target,
            "met": self.met,
        } | ({"note": self.note} if self.note else {})


def in_turns(contestants: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Lets each contestant run once a round; returns what each call returned, round by round."""
    results: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            results[name].append(contestant())
    return results


def ratio(values: list[float], baselines: list[float]) -> float:
    """The median of the ratios of each round, which noise that lasts for a round does not move."""
    return statistics.median(value / baseline for value, baseline in zip(values, baselines))


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _rounded(value: float | None) -> float | None:
    if value is None:
        return None
    return round(value, 1) if abs(value) >= 100 else round(value, 3)
