"""Metrics of the emulator's CloudWatch that AWS makes by itself, and MiniStack does not.

- Log lines in the embedded metric format become metrics.
- AWS/Lambda `Errors` and `Throttles` of each function.
- AWS/ApiGateway `5xx` of each HTTP API.
- AWS/SQS `ApproximateAgeOfOldestMessage` of each queue with messages.

Values of zero are not recorded, and few of each metric are kept, so that memory does not grow.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

from ministack.services import apigateway, cloudwatch, lambda_svc, sqs

# Values kept of each metric.
RECENT_VALUES = 2000
QUEUE_AGE_SECONDS = 2


def install() -> None:
    """Makes the emulator record these metrics."""
    # Fails loudly if an upgrade of the pinned emulator renames one of them.
    replaced = ((cloudwatch, "record_metric"), (cloudwatch, "_metric_bucket"), (lambda_svc, "_emit_lambda_logs"),
                (lambda_svc, "_emit_lambda_metrics"), (apigateway, "handle_execute"))
    for module, name in replaced:
        assert callable(getattr(module, name)), name
    _bound()
    _observe_functions()
    _observe_apis()
    threading.Thread(target=_observe_queues, name="queue-ages", daemon=True).start()


def embedded(line: str) -> Iterator[tuple[str, str, str, dict[str, str], float]]:
    """Yields namespace, name, unit, dimensions and value of each metric in a log line."""
    if not line.startswith("{") or '"_aws"' not in line:
        return
    try:
        fields = json.loads(line)
        directives = fields["_aws"]["CloudWatchMetrics"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return
    for directive in directives:
        for names in directive["Dimensions"]:
            dimensions = {name: fields[name] for name in names}
            for metric in directive["Metrics"]:
                found = fields[metric["Name"]]
                for value in found if isinstance(found, list) else [found]:
                    yield directive["Namespace"], metric["Name"], metric.get("Unit", "None"), dimensions, value


def _bound() -> None:
    bucket = cloudwatch._metric_bucket

    def bounded(key: tuple[Any, ...]) -> list[dict[str, Any]]:
        points: list[dict[str, Any]] = bucket(key)
        if len(points) >= 2 * RECENT_VALUES:
            del points[:-RECENT_VALUES]
        return points

    cloudwatch._metric_bucket = bounded


def _observe_functions() -> None:
    emit = lambda_svc._emit_lambda_logs

    def observe(function: dict[str, Any], request_id: str, text: str, error: bool, *rest: Any, **named: Any) -> None:
        emit(function, request_id, text, error, *rest, **named)
        for line in (text or "").splitlines():
            for namespace, name, unit, dimensions, value in embedded(line):
                cloudwatch.record_metric(namespace, name, value, unit, dimensions)
        if error:
            _record_function((function.get("config") or function)["FunctionName"], "Errors")

    def observe_throttle(name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        if throttle:
            _record_function(name, "Throttles")

    lambda_svc._emit_lambda_logs = observe
    lambda_svc._emit_lambda_metrics = observe_throttle


def _record_function(name: str, metric: str) -> None:
    # Statistics without a dimension are of all functions, as in AWS.
    cloudwatch.record_metric("AWS/Lambda", metric, 1, "Count", {"FunctionName": name})


def _observe_apis() -> None:
    execute = apigateway.handle_execute

    async def observe(api_id: str, *arguments: Any, **named: Any) -> Any:
        response = await execute(api_id, *arguments, **named)
        if response[0] >= 500:
            cloudwatch.record_metric("AWS/ApiGateway", "5xx", 1, "Count", {"ApiId": api_id})
        return response

    apigateway.handle_execute = observe


def _observe_queues() -> None:
    while True:
        time.sleep(QUEUE_AGE_SECONDS)
        now = time.time()
        for queue in list(sqs._queues._data.values()):
            sent = [message["sent_at"] for message in list(queue["messages"])]
            if sent:
                age, dimensions = now - min(sent), {"QueueName": queue["name"]}
                cloudwatch.record_metric("AWS/SQS", "ApproximateAgeOfOldestMessage", age, "Seconds", dimensions)
