"""Table lines, alternating measurements, and their statistics."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


@dataclass(frozen=True)
class Line:
    """A measured value with its baseline and target."""

    name: str
    value: float | None
    unit: str
    baseline: float | None = None
    # value / baseline, from alternating measurements if both are times.
    ratio: float | None = None
    target: float | None = None
    # Whether the target is a maximum. It applies to the ratio or, without one, to the value.
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


def alternate(candidates: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Runs each candidate once per round; returns their results by round."""
    results: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            results[name].append(candidate())
    return results


def ratio(values: list[float], baselines: list[float]) -> float:
    """Returns the median of the ratios of each round, which is robust against noise that lasts for a round."""
    return statistics.median(value / baseline for value, baseline in zip(values, baselines, strict=True))


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _rounded(value: float | None) -> float | None:
    if value is None:
        return None
    return round(value, 1) if abs(value) >= 100 else round(value, 3)
