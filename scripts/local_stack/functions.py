"""The functions in the emulator: their processes, event sources and logs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_stack import emulator, processes
from local_stack.build import FUNCTIONS
from local_stack.settings import Settings

# The functions that receive messages of a queue.
QUEUE_CONSUMERS = ("intake", "scan", "extract", "recognize", "chunk", "embed", "notify")


def running(stack: Settings) -> dict[str, list[int]]:
    """Returns PIDs by function."""
    found: dict[str, list[int]] = {name: [] for name in FUNCTIONS}
    for pid in processes.members("emulator"):
        function = _function_of(stack, pid)
        if function in found:
            found[function].append(pid)
    return found


def stop(stack: Settings, function: str, kill: bool) -> list[int]:
    """Ends every process of a function; the emulator starts new ones on demand. Returns their PIDs."""
    pids = running(stack)[function]
    for pid in pids:
        os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
    return pids


def deliver(stack: Settings, function: str, enabled: bool) -> None:
    """Enables or disables the delivery of messages to a function."""
    client = emulator.client(stack, "lambda")
    name = next(function_name for function_name in _function_names(client) if _verb(stack, function_name) == function)
    for mapping in client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)
    print(f"{function} {'receives messages again' if enabled else 'receives no messages'}")


def _function_names(client: Any) -> Iterator[str]:
    for page in client.get_paginator("list_functions").paginate():
        yield from (function["FunctionName"] for function in page["Functions"])


def log_lines(stack: Settings, limit: int = 200) -> Iterator[str]:
    """Yields the last log lines of all functions, oldest first; widens the time range until there are enough."""
    client = emulator.client(stack, "logs")
    names = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
    groups = [name for name in names if stack.name in name]
    now = int(time.time() * 1000)
    lines: list[str] = []
    for minutes in (1, 5, 30, 24 * 60):
        lines = _lines_since(client, groups, now - minutes * 60_000)
        if len(lines) >= limit:
            break
    yield from lines[-limit:]


def _lines_since(client: Any, groups: list[str], start: int) -> list[str]:
    events = []
    for group in groups:
        for page in client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start):
            events += [(event["timestamp"], event["message"].rstrip()) for event in page["events"]]
    return [message for _, message in sorted(events, key=lambda event: event[0])]


def _function_of(stack: Settings, pid: int) -> str | None:
    """Returns the function that a process runs, from its name in the emulator: <stack>-<Verb>Function-<id>."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    for entry in environment:
        name, _, value = entry.decode(errors="replace").partition("=")
        if name == "AWS_LAMBDA_FUNCTION_NAME" and value.startswith(f"{stack.name}-"):
            return _verb(stack, value)
    return None


def _verb(stack: Settings, function_name: str) -> str:
    return function_name.removeprefix(f"{stack.name}-").partition("Function-")[0].lower()
