"""A change set of CloudFormation: what a deployment would change, shown and carried out."""

from __future__ import annotations

import collections
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from cloudformation import stacks
from command_line import CommandError
from deployment.account import Account

SIGNS = {"Add": "+", "Modify": "~", "Remove": "-", "Dynamic": "?", "Import": "<"}
# What they hold is lost when they are replaced or removed.
STATEFUL = ("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Logs::LogGroup")
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
HOURS = 3600
CREATION_SECONDS = 600
ADVICE = "see the events of the stack in the CloudFormation console, then run this command again"


@dataclass(frozen=True)
class Request:
    """What a change set is made of."""

    stack: str
    template_url: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    description: str


class ChangeSet:
    """A change set that was created and not yet carried out."""

    def __init__(self, account: Account, request: Request, *, is_new: bool):
        """Creates it. `is_new`: the stack does not exist yet."""
        self._client = account.client("cloudformation")
        self._every_seconds = 0.3 if account.is_emulator else 5.0
        self._is_new = is_new
        self.stack = request.stack
        self.name = f"deploy-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        self._client.create_change_set(
            StackName=request.stack, ChangeSetName=self.name, ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateURL=request.template_url, Description=request.description,
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in request.parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": k, "Value": v} for k, v in request.tags.items()])
        self.changes = self._await()

    def _await(self) -> list[dict[str, Any]]:
        """Returns the changes, none if the stack is as requested."""
        deadline = time.monotonic() + CREATION_SECONDS
        while True:
            answer = self._client.describe_change_set(StackName=self.stack, ChangeSetName=self.name)
            if answer["Status"] == "CREATE_COMPLETE":
                return self._all_changes(answer)
            if answer["Status"] == "FAILED":
                reason = answer.get("StatusReason", "")
                if any(text in reason for text in NO_CHANGES):
                    return []
                self.discard()
                raise CommandError(f"CloudFormation rejected the change: {reason}")
            if time.monotonic() > deadline:
                raise CommandError(f"the change set is still {answer['Status']} after {CREATION_SECONDS} s; {ADVICE}")
            time.sleep(self._every_seconds)

    def _all_changes(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        while True:
            found += [change["ResourceChange"] for change in answer.get("Changes", []) if "ResourceChange" in change]
            if "NextToken" not in answer:
                return found
            answer = self._client.describe_change_set(
                StackName=self.stack, ChangeSetName=self.name, NextToken=answer["NextToken"])

    def discard(self) -> None:
        """Deletes the change set, and the empty stack that it was created with."""
        self._client.delete_change_set(StackName=self.stack, ChangeSetName=self.name)
        if self._is_new and stacks.status(stacks.find(self._client, self.stack)) == "REVIEW_IN_PROGRESS":
            self._client.delete_stack(StackName=self.stack)

    def execute(self, say: Callable[[str], None]) -> dict[str, Any]:
        """Carries it out and waits for the end; returns the stack. Raises with the reason if it failed."""
        self._client.execute_change_set(StackName=self.stack, ChangeSetName=self.name)
        follow = Progress(self._client, self.stack, len(self.changes), say)
        stack = stacks.await_end(
            self._client, self.stack, seconds=2 * HOURS, every_seconds=self._every_seconds, advice=ADVICE,
            on_poll=follow.poll)
        wanted = "CREATE_COMPLETE" if self._is_new else "UPDATE_COMPLETE"
        if stack is None or stack["StackStatus"] != wanted:
            reason = stacks.first_failure(self._client, self.stack)
            raise DeploymentFailed(stacks.status(stack), reason or "CloudFormation names no resource; see its events")
        return stack


class DeploymentFailed(CommandError):
    """An operation of CloudFormation that did not succeed."""

    def __init__(self, status: str, reason: str):
        self.status = status
        self.reason = reason
        super().__init__(f"{status}: {reason}")


class Progress:
    """Prints how far an operation is: at most a line every few seconds, and each failure at once."""

    LINE_EVERY_SECONDS = 10.0

    def __init__(self, client: Any, stack: str, total: int, say: Callable[[str], None]):
        self._client = client
        self._stack = stack
        self._total = total
        self._say = say
        self._failed: set[str] = set()
        self._printed_at = time.monotonic()
        self._printed = ""

    def poll(self) -> None:
        try:
            events = list(stacks.operation_events(self._client, self._stack))
        except ClientError:
            # A stack that was deleted has no events by its name.
            return
        latest: dict[str, dict[str, Any]] = {}
        for event in events:
            if event["ResourceType"] != "AWS::CloudFormation::Stack":
                latest.setdefault(event["LogicalResourceId"], event)
        for name, event in latest.items():
            if event["ResourceStatus"].endswith("_FAILED") and name not in self._failed:
                self._failed.add(name)
                reason = " ".join(event.get("ResourceStatusReason", "").split())
                self._say(f"{name}: {event['ResourceStatus']}: {reason}")
        states = collections.Counter(event["ResourceStatus"].rpartition("_")[2] for event in latest.values())
        running = [name for name, event in latest.items() if event["ResourceStatus"].endswith("_IN_PROGRESS")]
        line = f"{states['COMPLETE']} of {self._total} resources"
        if running:
            line += f"; now {', '.join(running[:3])}" + (f" and {len(running) - 3} more" if len(running) > 3 else "")
        due = time.monotonic() - self._printed_at >= self.LINE_EVERY_SECONDS
        if latest and line != self._printed and due:
            self._printed, self._printed_at = line, time.monotonic()
            self._say(line)


def describe(changes: list[dict[str, Any]], *, is_new: bool) -> list[str]:
    """Returns the changes as lines: by type for a new stack, else each."""
    counts = collections.Counter(change["Action"] for change in changes)
    words = {"Add": "to add", "Modify": "to change", "Remove": "to remove", "Import": "to import"}
    summary = ", ".join(f"{counts[action]} {word}" for action, word in words.items() if counts[action])
    lines = [f"{len(changes)} resources: {summary}"]
    if is_new:
        kinds = collections.Counter(change["ResourceType"] for change in changes)
        return lines + [f"  + {count:>3} {kind}" for kind, count in sorted(kinds.items())]
    for change in sorted(changes, key=lambda one: (one["Action"], one["LogicalResourceId"])):
        what = sorted({
            detail["Target"].get("Name") or detail["Target"]["Attribute"] for detail in change.get("Details", [])
            if "Target" in detail})
        line = f"  {SIGNS.get(change['Action'], '?')} {change['LogicalResourceId']:28} {change['ResourceType']}"
        if what:
            line += f"  {', '.join(what)}"
        if change.get("Replacement") == "True":
            line += "  REPLACED"
        lines.append(line)
    return lines


def losses(changes: list[dict[str, Any]]) -> list[str]:
    """Returns the stateful resources that a change would replace or remove."""
    return [
        f"{change['LogicalResourceId']} ({change['ResourceType']}) is "
        + ("removed" if change["Action"] == "Remove" else "replaced")
        for change in changes
        if change["ResourceType"] in STATEFUL
        and (change["Action"] == "Remove" or change.get("Replacement") == "True")
    ]


def confirm(question: str, wanted: str, *, assumed: bool) -> None:
    """Asks for a word; raises unless it is given. `assumed` answers for the person."""
    if assumed:
        return
    if not sys.stdin.isatty():
        raise CommandError(f"{question} needs an answer; run this on a terminal, or with --yes")
    if input(f"{question} Type {wanted!r} to go on: ").strip() != wanted:
        raise CommandError("stopped; nothing was changed")
