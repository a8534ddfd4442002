"""Measures equal values worked out by hand, and have the properties that define them."""

from __future__ import annotations

import math
import random
import unittest

from semantik.metrics import group_by_document, ndcg, percentile, recall, reciprocal_rank, spread, summarise


class NdcgTest(unittest.TestCase):
    def test_ideal_order_is_one_and_no_hit_is_zero(self) -> None:
        relevant = {"a": 3, "b": 2, "c": 1}
        self.assertEqual(ndcg(["a", "b", "c"], relevant), 1.0)
        self.assertEqual(ndcg(["x", "y"], relevant), 0.0)
        self.assertEqual(ndcg([], relevant), 0.0)

    def test_equals_a_value_worked_out_by_hand(self) -> None:
        # Ranks 2 and 4, of 3 relevant documents: (0.63093 + 0.43068) / (1 + 0.63093 + 0.5)
        self.assertAlmostEqual(ndcg(["x", "a", "y", "b"], {"a": 1, "b": 1, "c": 1}), 0.49819, places=5)

    def test_more_relevant_documents_than_ranks_can_be_perfect(self) -> None:
        relevant = {str(number): 1 for number in range(25)}
        self.assertAlmostEqual(ndcg([str(number) for number in range(10)], relevant), 1.0)

    def test_ranks_after_the_tenth_do_not_count(self) -> None:
        self.assertEqual(ndcg(["x"] * 10 + ["a"], {"a": 1}), 0.0)

    def test_is_between_zero_and_one_and_does_not_fall_when_a_relevant_document_rises(self) -> None:
        chance = random.Random(7)
        for _ in range(500):
            ids = [str(number) for number in range(chance.randint(2, 15))]
            relevant = {id: chance.randint(1, 3) for id in chance.sample(ids, chance.randint(1, len(ids)))}
            chance.shuffle(ids)
            before = ndcg(ids, relevant)
            self.assertTrue(0 <= before <= 1 + 1e-12)
            place = chance.randrange(1, len(ids))
            if relevant.get(ids[place], 0) >= relevant.get(ids[place - 1], 0):
                ids[place], ids[place - 1] = ids[place - 1], ids[place]
                self.assertGreaterEqual(ndcg(ids, relevant) + 1e-12, before)


class ReciprocalRankTest(unittest.TestCase):
    def test_is_that_of_the_first_relevant_document(self) -> None:
        self.assertEqual(reciprocal_rank(["x", "a", "b"], {"a": 1, "b": 1}), 1 / 2)

    def test_ignores_irrelevant_documents_and_low_ranks(self) -> None:
        self.assertEqual(reciprocal_rank(["a", "b"], {"a": 0, "b": 1}), 1 / 2)
        self.assertEqual(reciprocal_rank(["x"] * 10 + ["a"], {"a": 1}), 0.0)


class RecallTest(unittest.TestCase):
    def test_is_the_share_of_relevant_documents_that_was_found(self) -> None:
        self.assertEqual(recall(["a", "x", "b"], {"a": 1, "b": 1, "c": 1, "d": 2}), 0.5)

    def test_counts_the_first_hundred_ranks(self) -> None:
        self.assertEqual(recall(["x"] * 99 + ["a"], {"a": 1}), 1.0)
        self.assertEqual(recall(["x"] * 100 + ["a"], {"a": 1}), 0.0)


class SummaryTest(unittest.TestCase):
    def test_query_without_a_ranking_counts_as_zero(self) -> None:
        summary = summarise({"q1": ["a"]}, {"q1": {"a": 1}, "q2": {"b": 1}})
        self.assertEqual(summary, {"ndcg@10": 0.5, "mrr@10": 0.5, "recall@100": 0.5})


class GroupingTest(unittest.TestCase):
    def test_document_has_the_rank_of_its_best_chunk(self) -> None:
        self.assertEqual(group_by_document([("a", 0.2), ("b", 0.5), ("a", 0.9), ("c", 0.4)]), ["a", "b", "c"])

    def test_equal_scores_keep_their_order(self) -> None:
        self.assertEqual(group_by_document([("b", 0.5), ("a", 0.5)]), ["b", "a"])


class PercentileTest(unittest.TestCase):
    def test_percentiles_are_measured_values(self) -> None:
        values = [float(number) for number in range(1, 101)]
        self.assertEqual(spread(values), {"p50": 50.0, "p99": 99.0})
        self.assertEqual(percentile([3.0], 99), 3.0)

    def test_at_least_the_given_share_of_values_is_not_greater(self) -> None:
        chance = random.Random(11)
        for _ in range(200):
            values = [chance.random() for _ in range(chance.randint(1, 40))]
            percent = chance.choice([1, 50, 90, 99, 100])
            below = sum(value <= percentile(values, percent) for value in values)
            self.assertGreaterEqual(below, math.floor(percent / 100 * len(values)))


if __name__ == "__main__":
    unittest.main()
