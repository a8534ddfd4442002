"""What is counted in a template, and what follows from it."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any

from command_line import CommandError
from costing import template
from costing.model import SETUPS, Model, load

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = """
Parameters: {Throughput: {Default: small}, Other: {Default: "no"}, TokenSecret: {Default: ""}}
Mappings: {Throughput: {small: {Embed: 2}, large: {Embed: 50}}}
Conditions:
  HasOther: !Equals [!Ref Other, "yes"]
  HasNone: !Not [!Condition HasOther]
Globals: {Function: {MemorySize: 512, Architectures: [x86_64]}}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  OtherQueue: {Type: AWS::SQS::Queue, Condition: HasOther}
  SweepQueue: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  One: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: !GetAtt Queue.Arn}}
  Two: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: !GetAtt SweepQueue.Arn}}
  Three:
    Type: AWS::Lambda::EventSourceMapping
    Condition: HasOther
    Properties: {EventSourceArn: !GetAtt OtherQueue.Arn}
  SweepFunction:
    Type: AWS::Serverless::Function
    Properties: {Events: {Clock: {Type: Schedule, Properties: {Schedule: rate(1 hour)}}}}
  EmbedFunction: {Type: AWS::Serverless::Function, Properties: {MemorySize: 2048, EphemeralStorage: {Size: 1536}}}
  Alarm: {Type: AWS::CloudWatch::Alarm, Condition: HasNone, Properties: {Namespace: Semantik, MetricName: DeadLetters}}
"""


def read(text: str = TEMPLATE, **parameters: str) -> template.Deployment:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template.yaml")
        path.write_text(text)
        return template.read(path, parameters)


def model(deployment: template.Deployment, **options: Any) -> Model:
    return Model(
        deployment=deployment, prices=load(ROOT / "infra" / "prices.toml"),
        usage=load(ROOT / "infra" / "usage.toml"), **options)


class TemplateTest(unittest.TestCase):
    def test_resources_are_counted_as_conditions_say(self) -> None:
        found = read()
        self.assertEqual((found.standard_mappings, found.fifo_mappings), (1, 1))
        self.assertEqual((found.alarms, found.metrics, found.secrets), (1, 1, 1))
        self.assertEqual(found.functions["Embed"], template.Function(2.0, 1.0, False, 0))
        self.assertEqual(found.functions["Sweep"], template.Function(0.5, 0.0, False, 1.0))
        other = read(Other="yes", Throughput="large")
        self.assertEqual((other.standard_mappings, other.alarms, other.concurrency["Embed"]), (2, 0, 50))

    def test_what_is_unknown_is_refused(self) -> None:
        with self.assertRaisesRegex(CommandError, "no parameter Another"):
            read(Another="1")
        with self.assertRaisesRegex(CommandError, "cron"):
            read(TEMPLATE.replace("rate(1 hour)", "'cron(0 * * * ? *)'"))

    def test_the_real_template_is_read_for_each_set_up(self) -> None:
        real = model(template.read(ROOT / "template.yaml", {}))
        for setup in SETUPS:
            with self.subTest(setup):
                self.assertGreater(sum(real.idle(setup).values()), 0)
                self.assertGreater(sum(real.documents(1000, setup).values()), 0)
        self.assertEqual(real.deployment.functions["Sweep"].runs_per_hour, 1.0)


class ModelTest(unittest.TestCase):
    def test_polling_beyond_the_free_requests_is_paid(self) -> None:
        one = model(read())
        # 730 hours of 3,600 s by 20 s, five at a time.
        self.assertEqual(one.polling_requests(), (657_000, 657_000))
        self.assertAlmostEqual(one.idle("neon")["SQS: event source mappings poll"], 0.657 * 0.5)
        paid = model(read(), has_free_tier=False)
        self.assertAlmostEqual(paid.idle("neon")["SQS: event source mappings poll"], 0.657 * (0.4 + 0.5))

    def test_a_schedule_of_a_minute_keeps_aurora_awake(self) -> None:
        hourly = model(read())
        self.assertAlmostEqual(hourly.awake_hours("aurora"), 730 * (15 + 1 + 300) / 3600)
        minutely = model(read(TEMPLATE.replace("rate(1 hour)", "rate(1 minute)")))
        self.assertEqual(minutely.awake_hours("aurora"), 730)
        with self.assertRaisesRegex(CommandError, "free plan does not suffice"):
            minutely.idle("neon")

    def test_work_is_proportional_to_documents_and_searches(self) -> None:
        aurora = model(template.read(ROOT / "template.yaml", {}))
        for cost in (lambda count: aurora.documents(count, "aurora"), aurora.searches):
            small, large = sum(cost(1000).values()), sum(cost(1_000_000).values())
            self.assertAlmostEqual(large, 1000 * small, places=6)

    def test_more_embed_functions_index_sooner(self) -> None:
        slow, fast = model(read()), model(read(Throughput="large"))
        self.assertAlmostEqual(slow.indexing_hours(1_000_000), 25 * fast.indexing_hours(1_000_000))


if __name__ == "__main__":
    unittest.main()
