"""CloudFormation stacks: their state, the end of an operation, recovery from a failed one, and why it failed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from command_line import CommandError

UP_TO_DATE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
# After a rollback, the stack works as before the failed update.
USABLE = (*UP_TO_DATE, "UPDATE_ROLLBACK_COMPLETE")
# Nothing was ever deployed, or nothing of it is left: the stack can only be deleted.
UNUSABLE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
# Reasons that follow from the failure of another resource.
_CANCELLED = re.compile(r"cancelled", re.IGNORECASE)


def find(client: Any, name: str) -> dict[str, Any] | None:
    """Returns the description of a stack, if it exists."""
    from botocore.exceptions import ClientError

    try:
        answer = client.describe_stacks(StackName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    stack: dict[str, Any] = answer["Stacks"][0]
    return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack


def status(stack: dict[str, Any] | None) -> str:
    """Returns the status of a description, of a deleted stack if there is none."""
    return str(stack["StackStatus"]) if stack else "DELETE_COMPLETE"


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def parameters(stack: dict[str, Any]) -> dict[str, str]:
    return {one["ParameterKey"]: one.get("ParameterValue", "") for one in stack.get("Parameters", [])}


def tags(stack: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}


def await_end(
    client: Any, name: str, *, seconds: float, every_seconds: float, advice: str,
    on_poll: Callable[[], None] = lambda: None,
) -> dict[str, Any] | None:
    """Waits until nothing is in progress; returns the description of the stack, None if it is deleted."""
    deadline = time.monotonic() + seconds
    while (stack := find(client, name)) is not None and _in_progress(stack):
        if time.monotonic() > deadline:
            raise CommandError(f"the stack {name} is still {stack['StackStatus']} after {seconds:.0f} s; {advice}")
        time.sleep(every_seconds)
        on_poll()
    on_poll()
    return stack


def recover(client: Any, name: str, *, seconds: float, every_seconds: float, advice: str) -> dict[str, Any] | None:
    """Completes or removes what an interrupted or failed operation left, so that the stack can be created or updated.

    Returns the description of the stack; None if it must be created.
    """
    def ended() -> dict[str, Any] | None:
        return await_end(client, name, seconds=seconds, every_seconds=every_seconds, advice=advice)

    stack = ended()
    if stack is not None and stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
        # Skips resources that could not be rolled back; the next update sets them anyway.
        failed = re.search(r"\[([^\]]*)\]", stack.get("StackStatusReason", ""))
        skip = re.split(r",\s*", failed[1]) if failed else []
        client.continue_update_rollback(StackName=name, ResourcesToSkip=skip)
        deadline = time.monotonic() + 30
        while status(find(client, name)) == "UPDATE_ROLLBACK_FAILED" and time.monotonic() < deadline:
            time.sleep(every_seconds)
        stack = ended()
    if stack is not None and stack["StackStatus"] in UNUSABLE:
        client.delete_stack(StackName=name)
        stack = ended()
    return stack


def operation_events(client: Any, name: str) -> Iterator[dict[str, Any]]:
    """Yields the events of the stack's current or last operation, newest first."""
    for page in client.get_paginator("describe_stack_events").paginate(StackName=name):
        for event in page["StackEvents"]:
            yield event
            if event["ResourceType"] == "AWS::CloudFormation::Stack" and event["ResourceStatus"] in (
                    "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"):
                return


def first_failure(client: Any, name: str) -> str | None:
    """Returns why the last operation failed: the reason of the first resource that has one."""
    reasons = [
        (event["LogicalResourceId"], event["ResourceType"], event["ResourceStatusReason"])
        for event in operation_events(client, name)
        if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
    ]
    if not reasons:
        return None
    # Events are sorted by time, newest first; later failures follow from the first one.
    own = [reason for reason in reasons if not _CANCELLED.search(reason[2])]
    resource, kind, reason = (own or reasons)[-1]
    return f"{resource} ({kind}): {' '.join(reason.split())}"


def _in_progress(stack: dict[str, Any]) -> bool:
    # A stack in review has a change set that was never executed; nothing is under way.
    return bool(stack["StackStatus"].endswith("_IN_PROGRESS")) and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
