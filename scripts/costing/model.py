"""What a set-up costs idle, and what documents and searches add to it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_line import CommandError
from costing.template import Deployment

MILLION = 1_000_000
GB = 1_000_000_000
# A set-up by its name on the command line.
SETUPS = {
    "neon": "Neon and Qdrant Cloud, both on their free plans",
    "aurora": "Aurora Serverless v2, which pauses, and the smallest paid cluster of Qdrant Cloud",
    "private": "in a VPC: PostgreSQL on RDS, Qdrant on an instance, interface endpoints instead of NAT",
}

Costs = dict[str, float]


@dataclass(frozen=True)
class Model:
    """A deployment with prices and usage."""

    deployment: Deployment
    prices: dict[str, Any]
    usage: dict[str, Any]
    # Availability zones with interface endpoints or NAT gateways.
    zones: int = 1
    has_nat: bool = False
    has_free_tier: bool = True

    def idle(self, setup: str) -> Costs:
        """What a month costs in which nothing happens, by part."""
        prices, hours = self.prices, self.prices["hours_per_month"]
        costs = {
            "SQS: event source mappings poll": self._polling(),
            "Lambda: hourly sweep": self._idle_lambda(),
            "Secrets Manager": self.deployment.secrets * prices["secrets_manager"]["secret_month"],
            "CloudWatch: alarms, metrics, dashboards": self._cloudwatch(),
        }
        if setup == "neon":
            needed = self.awake_hours("neon") * prices["neon"]["awake_cus"]
            if needed > prices["neon"]["free_cu_hours"]:
                raise CommandError(f"Neon's free plan does not suffice: {needed:.0f} CU-hours a month without work")
            costs |= {"Neon": 0.0, "Qdrant Cloud": 0.0}
        elif setup == "aurora":
            aurora = prices["aurora"]
            costs["Aurora: wakes for the hourly sweep"] = (
                self.awake_hours("aurora") * aurora["awake_acus"] * aurora["acu_hour"])
            costs["Qdrant Cloud"] = prices["qdrant_cloud"]["smallest_month"]
        else:
            rds, ec2, vpc = prices["rds"], prices["ec2"], prices["vpc"]
            costs["RDS: db.t4g.micro, 20 GB"] = rds["instance_hour"] * hours + 20 * rds["gb_month"]
            costs["EC2: t4g.small with Qdrant, 20 GB"] = ec2["instance_hour"] * hours + 20 * ec2["gb_month"]
            # SQS and Secrets Manager; the gateway endpoint of S3 is free.
            costs["VPC: two interface endpoints"] = 2 * self.zones * vpc["interface_endpoint_hour"] * hours
            if self.has_nat:
                costs["VPC: NAT gateway"] = self.zones * vpc["nat_gateway_hour"] * hours
        return costs

    def awake_hours(self, server: str) -> float:
        """The hours of an idle month in which the database is awake: each run of sweep keeps it so until it pauses."""
        prices = self.prices[server]
        pause = prices.get("pause_seconds", prices.get("suspend_seconds", 0))
        run = prices.get("resume_seconds", 0) + self.usage["sweep"]["seconds"] + pause
        runs = sum(function.runs_per_hour for function in self.deployment.functions.values())
        awake: float = self.prices["hours_per_month"] * min(1.0, runs * run / 3600)
        return awake

    def documents(self, count: int, setup: str) -> Costs:
        """What indexing so many documents costs once, by part, without the free tier."""
        prices, document = self.prices, self.usage["document"]
        embed = document["chunks"] * document["tokens_per_chunk"] / document["tokens_per_second"]
        seconds = document["seconds"] | {"Embed": embed}
        costs = {
            "Lambda": sum(
                self._lambda(name, used, document["invocations"][name]) for name, used in seconds.items()) * count,
            "S3: requests": count / MILLION * (
                document["s3_writes"] * prices["s3"]["million_writes"]
                + document["s3_reads"] * prices["s3"]["million_reads"]),
            "SQS": count * document["sqs_requests"] / MILLION * prices["sqs"]["million_requests"],
            "API Gateway": count * document["api_requests"] / MILLION * prices["api_gateway"]["million_requests"],
            "CloudWatch Logs": count * document["log_bytes"] / GB * prices["cloudwatch"]["gb_logs"],
        }
        costs |= self._traces(count * sum(document["invocations"].values()))
        if setup == "aurora":
            aurora = prices["aurora"]
            acus = self.indexing_hours(count) * self.usage["database"]["indexing_acus"]
            io = count * document["statements"] * document["io_per_statement"] / MILLION
            costs["Aurora"] = acus * aurora["acu_hour"] + io * aurora["million_io"]
        return costs

    def storage(self, count: int, setup: str) -> Costs:
        """What keeping so many documents costs a month, by part."""
        document, prices = self.usage["document"], self.prices
        vectors = document["chunks"] * document["vector_bytes"]
        costs = {"S3": count * (2 * document["bytes"] + vectors) / GB * prices["s3"]["gb_month"]}
        if setup == "aurora":
            costs["Aurora"] = count * document["database_bytes"] / GB * prices["aurora"]["gb_month"]
        return costs

    def qdrant_gb(self, count: int) -> float:
        """Gigabytes that Qdrant needs for so many documents."""
        document = self.usage["document"]
        needed: float = count * document["chunks"] * document["point_bytes"] / GB
        return needed

    def searches(self, count: int) -> Costs:
        """What so many searches cost, by part, without the free tier."""
        search, prices = self.usage["search"], self.prices
        costs = {
            "Lambda": self._lambda("Search", search["seconds"], 1) * count,
            "API Gateway": count / MILLION * prices["api_gateway"]["million_requests"],
            "CloudWatch Logs": count * search["log_bytes"] / GB * prices["cloudwatch"]["gb_logs"],
        }
        return costs | self._traces(count)

    def indexing_hours(self, count: int) -> float:
        """How long the embed functions take for so many documents, all of them busy."""
        document = self.usage["document"]
        tokens = count * document["chunks"] * document["tokens_per_chunk"]
        hours: float = tokens / document["tokens_per_second"] / self.deployment.concurrency["Embed"] / 3600
        return hours

    def polling_requests(self) -> tuple[float, float]:
        """Requests a month by which Lambda asks idle queues for messages: of standard queues, of FIFO queues."""
        sqs = self.prices["sqs"]
        each = self.prices["hours_per_month"] * 3600 / sqs["poll_seconds"] * sqs["pollers"]
        return self.deployment.standard_mappings * each, self.deployment.fifo_mappings * each

    def _polling(self) -> float:
        sqs = self.prices["sqs"]
        standard, fifo = self.polling_requests()
        free = sqs["free_requests"] if self.has_free_tier else 0
        paid = max(0.0, standard - free)
        cost: float = paid / MILLION * sqs["million_requests"] + fifo / MILLION * sqs["million_fifo_requests"]
        return cost

    def _idle_lambda(self) -> float:
        hours, seconds = self.prices["hours_per_month"], self.usage["sweep"]["seconds"]
        scheduled = {name: one for name, one in self.deployment.functions.items() if one.runs_per_hour}
        if self.has_free_tier:
            used = sum(one.runs_per_hour * hours * seconds * one.gb for one in scheduled.values())
            if used <= self.prices["lambda"]["free_gb_seconds"]:
                return 0.0
        cost: float = sum(self._lambda(name, seconds, 1) * one.runs_per_hour * hours for name, one in scheduled.items())
        return cost

    def _cloudwatch(self) -> float:
        prices, made = self.prices["cloudwatch"], self.deployment
        free = int(self.has_free_tier)
        cost: float = sum(
            max(0, count - free * prices[f"free_{kind}s"]) * prices[f"{kind}_month"]
            for kind, count in (("alarm", made.alarms), ("metric", made.metrics), ("dashboard", made.dashboards))
        )
        return cost

    def _lambda(self, name: str, seconds: float, invocations: float) -> float:
        """What a function costs for so many seconds and invocations."""
        function, prices = self.deployment.functions[name], self.prices["lambda"]
        gb_second = prices["gb_second_arm" if function.is_arm else "gb_second_x86"]
        storage = function.storage_gb * prices["storage_gb_second"]
        cost: float = seconds * (function.gb * gb_second + storage) + invocations / MILLION * prices["million_requests"]
        return cost

    def _traces(self, count: float) -> Costs:
        if not self.deployment.is_traced:
            return {}
        # Lambda and API Gateway sample one request a second and 5 % of the others.
        return {"X-Ray": count * 0.05 / MILLION * self.prices["xray"]["million_traces"]}


def load(path: Path) -> dict[str, Any]:
    """Reads prices or usage."""
    with path.open("rb") as file:
        return tomllib.load(file)
