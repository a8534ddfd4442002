"""Alarms are evaluated by their statistic, periods and treatment of missing data."""

from __future__ import annotations

import unittest
from dataclasses import replace

from alarm_drill.alarms import Alarm

NOW = 100_000.0
ALARM = Alarm(
    name="A", namespace="Semantik", metric="M", dimensions={}, statistic="Sum", period=300, periods=1, datapoints=1,
    comparison="GreaterThanOrEqualToThreshold", threshold=3, missing="notBreaching",
)


class Evaluation(unittest.TestCase):
    def test_the_values_of_the_period_count(self) -> None:
        recent = [(NOW - 10, 1.0), (NOW - 200, 1.0), (NOW - 299, 1.0)]
        self.assertTrue(ALARM.is_raised(recent, NOW))
        self.assertFalse(ALARM.is_raised(recent[:2], NOW))
        self.assertFalse(ALARM.is_raised([(time - 300, value) for time, value in recent], NOW))

    def test_missing_data_is_breaching_only_where_the_alarm_says_so(self) -> None:
        heartbeat = replace(
            ALARM, statistic="SampleCount", period=3600, periods=2, datapoints=2, comparison="LessThanThreshold",
            threshold=1, missing="breaching")
        self.assertFalse(ALARM.is_raised([], NOW))
        self.assertTrue(heartbeat.is_raised([], NOW))
        self.assertFalse(heartbeat.is_raised([(NOW - 7000, 0.0)], NOW))
        self.assertTrue(heartbeat.is_raised([(NOW - 7201, 0.0)], NOW))

    def test_some_periods_of_several_suffice(self) -> None:
        steps = replace(ALARM, period=3600, periods=3, datapoints=2, threshold=1)
        self.assertFalse(steps.is_raised([(NOW - 1, 5.0), (NOW - 2, 5.0)], NOW))
        self.assertTrue(steps.is_raised([(NOW - 1, 1.0), (NOW - 10_000, 1.0)], NOW))

    def test_percentiles(self) -> None:
        slow = replace(ALARM, statistic="p95", comparison="GreaterThanThreshold", threshold=3000)
        values = [(NOW - 1, 10.0)] * 19
        self.assertFalse(slow.is_raised([*values, (NOW - 1, 9000.0)], NOW))
        self.assertTrue(slow.is_raised([*values[1:], (NOW - 1, 9000.0), (NOW - 1, 9000.0)], NOW))


if __name__ == "__main__":
    unittest.main()
