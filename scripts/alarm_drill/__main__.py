"""scripts/alarm-drill: causes faults on a local stack and evaluates the alarms of the template on the metrics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from alarm_drill.alarms import Alarm
from alarm_drill.faults import STAGES, Drill
from chaos_run.lab import Lab
from semantik.command import heading, last_line, run

# How old a message or document may be in this stack.
BACKLOG_SECONDS = 60
# Functions write their metrics at the end of an invocation; the emulator looks at its queues every two seconds.
ARRIVAL_SECONDS = 15
HOUR = 3600


@dataclass(frozen=True)
class Fault:
    """A fault and the alarms that it raises."""

    what: str
    alarms: Sequence[str]
    act: Callable[[], Any]
    # The length of the alarm's periods here; its own if 0.
    period: int = 0
    # How far the clock of the evaluation is ahead.
    ahead: int = 0


@dataclass(frozen=True)
class Row:
    alarm: Alarm
    fault: str
    value: float | None
    was_raised_before: bool
    is_raised: bool

    @property
    def is_right(self) -> bool:
        return self.is_raised and not self.was_raised_before


def main() -> bool:
    heading("a stack with proxies between its functions and everything else")
    environment = {"SWEEP_INTEGRITY_SECONDS": "0", "ALARM_BACKLOG_SECONDS": str(BACKLOG_SECONDS)}
    with Lab("drill", environment) as lab:
        lab.stop_schedule()
        drill = Drill(lab)
        alarms = _alarms(lab)
        heading("without faults")
        drill.index("first.txt")
        drill.search(3)
        lab.sweep()
        time.sleep(3)
        before = {name: _is_raised(lab, alarm, time.time()) for name, alarm in alarms.items()}
        print(f"  {sum(before.values())} of {len(alarms)} alarms are raised", flush=True)
        heading("with faults")
        rows = _with_faults(lab, drill, alarms, before)
        heading("alarms")
        print(_table(rows))
        notified = _notify(lab, alarms)
        print(f"\n{notified} of {len(alarms)} alarms reach the topic", flush=True)
        missing = sorted(alarms.keys() - {row.alarm.name for row in rows})
        right = sum(row.is_right for row in rows)
        last_line({
            "alarms": len(alarms), "raised_without_fault": sum(before.values()), "raised": right,
            "not_raised": [row.alarm.name for row in rows if not row.is_right], "without_fault": missing,
            "notified": notified,
        })
        return right == len(alarms) == notified and not missing and not any(before.values())


def _faults(drill: Drill) -> list[list[Fault]]:
    """Returns the faults; those of the first list happen while messages grow old."""
    while_paused = [
        # Before an operation is open: the check leaves out the counters of collections that change.
        Fault("a counter is wrong", ["IntegrityAlarm"], drill.counter_is_wrong),
        Fault("sweep does not run", ["HeartbeatAlarm"], lambda: None, ahead=2 * HOUR),
        Fault("PostgreSQL refuses connections", ["DatabaseAlarm", "ServerErrorsAlarm"], drill.database_refuses),
        Fault("a table that sweep reads is missing", ["SweepStepsAlarm"], lambda: drill.sweep_fails(12), period=20),
        Fault("Qdrant stalls for 3.6 s", ["SlowSearchAlarm"], lambda: drill.searches_are_slow(32), period=10),
        Fault("search may not run", ["ThrottlesAlarm"], drill.functions_are_throttled),
        Fault("an operation does not progress", ["OldestOpenItemAlarm"], drill.operation_is_stuck),
    ]
    afterwards = [
        Fault("Qdrant refuses connections", ["VectorDatabaseAlarm"], drill.vector_database_refuses),
        Fault("S3 refuses to read documents", ["StagingBucketAlarm", "DeadLettersAlarm"],
              drill.bucket_refuses_until_dead_letter),
        Fault("the processes are killed", [f"{name}ErrorsAlarm" for name in (*STAGES, "Sweep")],
              lambda: drill.functions_crash(3)),
    ]
    return [while_paused, afterwards]


def _with_faults(lab: Lab, drill: Drill, alarms: dict[str, Alarm], before: dict[str, bool]) -> list[Row]:
    rows: list[Row] = []
    while_paused, afterwards = _faults(drill)

    def cause(fault: Fault) -> None:
        began = time.monotonic()
        told = fault.act()
        rows.extend(_observe(lab, fault, alarms, before))
        print(f"  {fault.what}: {time.monotonic() - began:.0f} s", flush=True)
        if isinstance(told, dict):
            shown = {name: told[name] for name in ("status", "waiting_for", "last_transient_error", "next_attempt_at")}
            print(f"    the operation says {json.dumps(shown)}", flush=True)

    with drill.queues_paused():
        began = time.monotonic()
        for fault in while_paused:
            cause(fault)
        time.sleep(max(0, BACKLOG_SECONDS + 5 - (time.monotonic() - began)))
        cause(Fault("messages are not received", [f"{name}QueueAlarm" for name in STAGES], lambda: None))
    for fault in afterwards:
        cause(fault)
    return rows


def _observe(lab: Lab, fault: Fault, alarms: dict[str, Alarm], before: dict[str, bool]) -> list[Row]:
    """Waits until the metrics have arrived; returns what each alarm says."""
    rows = []
    for name in fault.alarms:
        alarm = replace(alarms[name], period=fault.period) if fault.period else alarms[name]
        until = time.monotonic() + ARRIVAL_SECONDS
        while not _is_raised(lab, alarm, time.time() + fault.ahead) and time.monotonic() < until:
            time.sleep(0.5)
        now = time.time() + fault.ahead
        values = _values(lab, alarm)
        recent = [value for at, value in values if at > now - alarm.period * alarm.periods]
        note = f" (periods of {fault.period} s here)" if fault.period else ""
        rows.append(Row(
            alarm=alarms[name], fault=fault.what + note, value=alarm.statistic_of(recent),
            was_raised_before=before[name], is_raised=alarm.is_raised(values, now)))
    return rows


def _alarms(lab: Lab) -> dict[str, Alarm]:
    """Returns the deployed alarms by the names that they have in the template."""
    described = lab.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
    by_name = {alarm["AlarmName"]: alarm for alarm in described}
    resources = lab.client("cloudformation").describe_stack_resources(StackName=lab.settings.name)["StackResources"]
    return {
        one["LogicalResourceId"]: Alarm.described(one["LogicalResourceId"], by_name[one["PhysicalResourceId"]])
        for one in resources if one["ResourceType"] == "AWS::CloudWatch::Alarm"
    }


def _is_raised(lab: Lab, alarm: Alarm, now: float) -> bool:
    return alarm.is_raised(_values(lab, alarm), now)


def _values(lab: Lab, alarm: Alarm) -> list[tuple[float, float]]:
    """Returns the values of the alarm's metric, second by second: as many, with the same sum and extremes."""
    end = datetime.now(UTC) + timedelta(seconds=1)
    found = lab.client("cloudwatch").get_metric_statistics(
        Namespace=alarm.namespace, MetricName=alarm.metric, Period=1, StartTime=end - timedelta(hours=1), EndTime=end,
        Dimensions=[{"Name": name, "Value": value} for name, value in alarm.dimensions.items()],
        Statistics=["SampleCount", "Sum", "Minimum", "Maximum"])
    values = []
    for point in found["Datapoints"]:
        count, at = int(point["SampleCount"]), point["Timestamp"].timestamp()
        extremes = [point["Minimum"], point["Maximum"]] if count > 1 else [point["Sum"]]
        rest = count - len(extremes)
        middle = (point["Sum"] - sum(extremes)) / rest if rest else 0.0
        values += [(at, value) for value in (*extremes, *([middle] * rest))]
    return values


def _notify(lab: Lab, alarms: dict[str, Alarm]) -> int:
    """Sets each alarm by hand; returns how many reach a subscriber of the topic."""
    sqs, sns = lab.client("sqs"), lab.client("sns")
    url = sqs.create_queue(QueueName="drill-notifications")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                       "Resource": arn}],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(allowed)})
    sns.subscribe(TopicArn=lab.outputs["AlarmTopicArn"], Protocol="sqs", Endpoint=arn)
    cloudwatch = lab.client("cloudwatch")
    for alarm in cloudwatch.describe_alarms(MaxRecords=100)["MetricAlarms"]:
        for state in ("OK", "ALARM"):
            cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=state, StateReason="drill")
    reached: set[str] = set()

    def have_all() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            body = json.loads(json.loads(message["Body"])["Message"])
            if body["NewStateValue"] == "ALARM":
                reached.add(body["AlarmName"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(reached) == len(alarms)

    lab.wait(have_all, ARRIVAL_SECONDS)
    return len(reached)


def _table(rows: list[Row]) -> str:
    lines = ["| alarm | fault | metric | value | raised if | raised |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        alarm = row.alarm
        value = "no data" if row.value is None else f"{row.value:.4g}"
        kept = {name: text for name, text in alarm.dimensions.items() if name == "Dependency"}
        metric = f"{alarm.metric}{' ' + kept['Dependency'] if kept else ''}"
        state = "yes" if row.is_right else "before the fault" if row.was_raised_before else "NO"
        lines.append(f"| {alarm.name} | {row.fault} | {metric} | {value} | {alarm.condition} | {state} |")
    return "\n".join(lines)


if __name__ == "__main__":
    run("scripts/alarm-drill", main)
