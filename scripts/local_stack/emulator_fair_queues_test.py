"""Messages of quiet groups are delivered first, in the order of sending within a group."""

from __future__ import annotations

import unittest
from typing import Any

from local_stack.emulator_fair_queues import next_messages

NOW = 1000.0


def waiting(group: str | None, *ids: str) -> list[dict[str, Any]]:
    return [{"id": name, "group_id": group, "visible_at": NOW - 1, "receive_count": 0} for name in ids]


def in_flight(group: str, count: int) -> list[dict[str, Any]]:
    return [{"id": "", "group_id": group, "visible_at": NOW + 30, "receive_count": 1} for _ in range(count)]


def delivered(messages: list[dict[str, Any]], limit: int = 10) -> list[str]:
    return [message["id"] for message in next_messages(messages, limit, NOW)]


class FairQueues(unittest.TestCase):
    def test_a_quiet_group_does_not_wait_behind_a_busy_one(self) -> None:
        messages = [*in_flight("busy", 2), *waiting("busy", "b1", "b2"), *waiting("quiet", "q1")]
        self.assertEqual(delivered(messages, 1), ["q1"])

    def test_groups_take_turns(self) -> None:
        messages = [*waiting("one", "a1", "a2", "a3"), *waiting("two", "b1", "b2")]
        self.assertEqual(delivered(messages), ["a1", "b1", "a2", "b2", "a3"])

    def test_the_order_within_a_group_is_kept(self) -> None:
        self.assertEqual(delivered(waiting("one", "a1", "a2", "a3"), 2), ["a1", "a2"])

    def test_a_delayed_message_is_neither_delivered_nor_in_flight(self) -> None:
        delayed = [{"id": "later", "group_id": "one", "visible_at": NOW + 5, "receive_count": 0}]
        self.assertEqual(delivered([*delayed, *waiting("one", "a1"), *waiting("two", "b1")], 1), ["a1"])

    def test_messages_without_a_group_keep_their_order(self) -> None:
        self.assertEqual(delivered(waiting(None, "1", "2", "3")), ["1", "2", "3"])


if __name__ == "__main__":
    unittest.main()
