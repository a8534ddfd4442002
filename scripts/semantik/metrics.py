"""Measures of rankings and of latencies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

Judgments = Mapping[str, int]


def ndcg(ranking: Sequence[str], relevant: Judgments, depth: int = 10) -> float:
    """Returns the normalized discounted cumulative gain, with grades as gains and log2(rank + 1) as discounts."""
    gained = sum(relevant.get(id, 0) / math.log2(rank + 1) for rank, id in enumerate(ranking[:depth], 1))
    best = sorted(relevant.values(), reverse=True)[:depth]
    ideal = sum(grade / math.log2(rank + 1) for rank, grade in enumerate(best, 1))
    return gained / ideal if ideal else 0.0


def reciprocal_rank(ranking: Sequence[str], relevant: Judgments, depth: int = 10) -> float:
    """Returns 1 / rank of the first relevant document; 0 if there is none among the first `depth`."""
    return next((1 / rank for rank, id in enumerate(ranking[:depth], 1) if relevant.get(id, 0) > 0), 0.0)


def recall(ranking: Sequence[str], relevant: Judgments, depth: int = 100) -> float:
    """Returns the share of the relevant documents that is among the first `depth`."""
    wanted = {id for id, grade in relevant.items() if grade > 0}
    return len(wanted.intersection(ranking[:depth])) / len(wanted) if wanted else 0.0


def summarise(rankings: Mapping[str, Sequence[str]], judgments: Mapping[str, Judgments]) -> dict[str, float]:
    """Returns the means over all judged queries; a query without a ranking counts as 0."""
    def mean(values: Iterable[float]) -> float:
        return round(math.fsum(values) / len(judgments), 5)

    pairs = [(rankings.get(query, ()), relevant) for query, relevant in judgments.items()]
    return {
        "ndcg@10": mean(ndcg(ranking, relevant) for ranking, relevant in pairs),
        "mrr@10": mean(reciprocal_rank(ranking, relevant) for ranking, relevant in pairs),
        "recall@100": mean(recall(ranking, relevant) for ranking, relevant in pairs),
    }


def group_by_document(chunks: Iterable[tuple[str, float]]) -> list[str]:
    """Returns documents ordered by their best chunk. `chunks` is (document, score) in any order, which ties keep."""
    best: dict[str, float] = {}
    for document, score in chunks:
        if score > best.get(document, -math.inf):
            best[document] = score
    return sorted(best, key=lambda document: -best[document])


def percentile(values: Sequence[float], percent: float) -> float:
    """Returns the nearest-rank percentile, which is always one of the values."""
    if not values:
        raise ValueError("a percentile needs at least one value")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Returns the median and the 99th percentile."""
    return {"p50": round(percentile(values, 50), 2), "p99": round(percentile(values, 99), 2)}
