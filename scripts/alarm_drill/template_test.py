"""Every alarm is explained, and watches a metric that exists."""

from __future__ import annotations

import re
import unittest

from alarm_drill import template
from local_stack.settings import ROOT

# Metrics that AWS makes, with their dimensions.
AWS_METRICS: dict[tuple[str, str], list[set[str]]] = {
    ("AWS/ApiGateway", "5xx"): [{"ApiId"}],
    ("AWS/Lambda", "Errors"): [{"FunctionName"}],
    ("AWS/Lambda", "Throttles"): [set()],
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): [{"QueueName"}],
}
# Metrics that exist without their dimensions, too.
TOTALS = {"DeadLetters"}
DEPENDENCIES = r"Self::\w+ => \"(\w+)\","


class Alarms(unittest.TestCase):
    def test_each_has_a_paragraph(self) -> None:
        documented = template.documented_alarms()
        self.assertEqual(sorted(documented), sorted(template.alarms()))
        self.assertEqual(len(documented), len(set(documented)))

    def test_each_watches_a_metric_that_is_recorded_with_its_dimensions(self) -> None:
        metrics = template.documented_metrics()
        for name, alarm in template.alarms().items():
            dimensions = {entry["Name"] for entry in alarm.get("Dimensions", [])}
            expected: list[set[str]]
            if alarm["Namespace"] == "Semantik":
                own = metrics[alarm["MetricName"]]
                expected = [{"Stack"} | own, *([{"Stack"}] if alarm["MetricName"] in TOTALS else [])]
            else:
                expected = AWS_METRICS[alarm["Namespace"], alarm["MetricName"]]
            self.assertIn(dimensions, expected, name)

    def test_each_is_sent_when_it_is_raised_and_when_it_ends(self) -> None:
        for name, alarm in template.alarms().items():
            self.assertEqual(alarm["AlarmActions"], alarm["OKActions"], name)
            self.assertTrue(alarm["AlarmActions"], name)

    def test_dependencies_have_the_names_that_the_code_uses(self) -> None:
        source = (ROOT / "shared" / "domain" / "src" / "error.rs").read_text()
        names = set(re.findall(DEPENDENCIES, source))
        used = {
            entry["Value"] for alarm in template.alarms().values() for entry in alarm.get("Dimensions", [])
            if entry["Name"] == "Dependency"
        }
        self.assertTrue(used and used <= names, f"{used} are not all among {names}")

    def test_the_queue_of_every_stage_has_an_alarm(self) -> None:
        queues = {name.removesuffix("Queue") for name, queue in template.resources("AWS::SQS::Queue").items()
                  if "RedrivePolicy" in queue}
        watched = {name.removesuffix("QueueAlarm") for name in template.alarms() if name.endswith("QueueAlarm")}
        self.assertEqual(watched, queues)


class Metrics(unittest.TestCase):
    def test_each_is_recorded_somewhere(self) -> None:
        files = [path for folder in ("functions", "shared") for path in (ROOT / folder).rglob("src/**/*.rs")]
        sources = [path.read_text() for path in files if path.stem != "metric" and path.parent.name != "metric"]
        for metric in template.documented_metrics():
            self.assertTrue(any(f"Metric::{metric}" in source for source in sources), metric)


if __name__ == "__main__":
    unittest.main()
