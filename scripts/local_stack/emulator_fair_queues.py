"""Delivers messages of quiet message groups first, as Amazon SQS does.

A standard queue whose messages carry a `MessageGroupId` is a fair queue: while one group has many messages in flight,
those of the other groups are delivered before the rest of its own, so that no tenant waits behind the backlog of
another. MiniStack keeps the group id of such a message and delivers in the order of sending. AWS does not publish its
rule; this one delivers the oldest message of the group that has the fewest in flight.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from typing import Any

from ministack.services import sqs

Message = dict[str, Any]


def install() -> None:
    """Replaces the function of MiniStack that picks the messages of a receive."""
    collect = sqs._collect_msgs

    def collect_fairly(queue: dict[str, Any], limit: int, visibility_seconds: int) -> list[Message]:
        if not queue["is_fifo"]:
            for message in queue["messages"]:
                sqs._ensure_msg_fields(message)
            chosen = next_messages(queue["messages"], limit, time.time())
            # MiniStack takes the first visible ones of the list that it gets, and marks them in place.
            queue = {"is_fifo": False, "messages": chosen}
        received: list[Message] = collect(queue, limit, visibility_seconds)
        return received

    sqs._collect_msgs = collect_fairly


def next_messages(messages: list[Message], limit: int, now: float) -> list[Message]:
    """Returns up to `limit` messages to deliver, of those that are visible."""
    in_flight: Counter[str | None] = Counter()
    waiting: defaultdict[str | None, deque[Message]] = defaultdict(deque)
    for message in messages:
        group = message.get("group_id")
        if message["visible_at"] <= now:
            waiting[group].append(message)
        elif message["receive_count"] > 0:
            in_flight[group] += 1
    chosen: list[Message] = []
    while waiting and len(chosen) < limit:
        # Of groups with as many in flight, the one that has waited longest: the order of insertion.
        group = min(waiting, key=lambda candidate: in_flight[candidate])
        chosen.append(waiting[group].popleft())
        in_flight[group] += 1
        if not waiting[group]:
            del waiting[group]
    return chosen
