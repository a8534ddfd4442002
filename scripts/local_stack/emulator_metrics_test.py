"""Log lines in the embedded metric format are read as CloudWatch does."""

from __future__ import annotations

import json
import unittest

from local_stack.emulator_metrics import embedded


def line(**fields: object) -> str:
    return json.dumps({
        "_aws": {
            "Timestamp": 1,
            "CloudWatchMetrics": [{
                "Namespace": "Semantik", "Dimensions": [["Stack", "Stage"], ["Stack"]],
                "Metrics": [{"Name": "DeadLetters", "Unit": "Count"}],
            }],
        },
        "Stack": "prod", "Stage": "chunk", **fields,
    })


class EmbeddedMetrics(unittest.TestCase):
    def test_each_set_of_dimensions_is_a_metric(self) -> None:
        self.assertEqual(list(embedded(line(DeadLetters=2))), [
            ("Semantik", "DeadLetters", "Count", {"Stack": "prod", "Stage": "chunk"}, 2),
            ("Semantik", "DeadLetters", "Count", {"Stack": "prod"}, 2),
        ])

    def test_a_line_has_several_values(self) -> None:
        self.assertEqual([found[4] for found in embedded(line(DeadLetters=[1, 2]))], [1, 2, 1, 2])

    def test_other_lines_have_none(self) -> None:
        for other in ("", "START RequestId", '{"message":"_aws"}', '{"_aws"'):
            self.assertEqual(list(embedded(other)), [], other)


if __name__ == "__main__":
    unittest.main()
