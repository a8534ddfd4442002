"""Evaluates CloudWatch alarms: the emulator, which has them, ignores dimensions and missing data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Time and value of each value that was recorded.
Values = Sequence[tuple[float, float]]

_COMPARISONS = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


@dataclass(frozen=True)
class Alarm:
    """An alarm as it is deployed, with the values of its dimensions."""

    name: str
    namespace: str
    metric: str
    dimensions: dict[str, str]
    statistic: str
    period: int
    periods: int
    datapoints: int
    comparison: str
    threshold: float
    missing: str

    @classmethod
    def described(cls, name: str, alarm: dict[str, Any]) -> Alarm:
        """Reads an entry of DescribeAlarms, or the properties of an alarm in a template."""
        dimensions = {entry["Name"]: entry["Value"] for entry in alarm.get("Dimensions", [])}
        return cls(
            name=name, namespace=alarm["Namespace"], metric=alarm["MetricName"], dimensions=dimensions,
            statistic=alarm.get("ExtendedStatistic") or alarm["Statistic"], period=int(alarm["Period"]),
            periods=int(alarm["EvaluationPeriods"]),
            datapoints=int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]),
            comparison=alarm["ComparisonOperator"], threshold=float(alarm["Threshold"]),
            missing=alarm.get("TreatMissingData", "missing"),
        )

    def is_raised(self, values: Values, now: float) -> bool:
        """Returns whether enough of the periods that end now are breaching."""
        breaching = 0
        for number in range(self.periods):
            end = now - number * self.period
            value = self.statistic_of([value for time, value in values if end - self.period < time <= end])
            if value is None:
                breaching += self.missing == "breaching"
            else:
                breaching += _COMPARISONS[self.comparison](value, self.threshold)
        return breaching >= self.datapoints

    def statistic_of(self, values: Sequence[float]) -> float | None:
        """Returns the statistic of the values of a period; None without any."""
        if not values:
            return None
        if self.statistic.startswith("p"):
            return sorted(values)[math.ceil(len(values) * float(self.statistic[1:]) / 100) - 1]
        return {
            "Sum": sum(values), "SampleCount": float(len(values)), "Minimum": min(values), "Maximum": max(values),
            "Average": sum(values) / len(values),
        }[self.statistic]

    @property
    def condition(self) -> str:
        """The condition in words, for example `Sum >= 3 in 300 s`."""
        sign = {"GreaterThanOrEqualToThreshold": "≥", "GreaterThanThreshold": ">", "LessThanThreshold": "<",
                "LessThanOrEqualToThreshold": "≤"}[self.comparison]
        times = "" if self.periods == 1 else f", {self.datapoints} of {self.periods}"
        return f"{self.statistic} {sign} {self.threshold:g} in {self.period} s{times}"
