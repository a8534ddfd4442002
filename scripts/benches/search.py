"""A warm search through the API: its time without query embedding and Qdrant, and its total time compared with a direct
query of the same Qdrant collection.
"""

from __future__ import annotations

import statistics
import subprocess

from benches.embed import execute, start
from benches.line import Line, percentile
from benches.stack import Stack, build_example

SEARCHES = 200
RESULTS = 10
QUERIES = [
    "who may read a collection?", "how are passwords hashed?", "what happens to a message that fails repeatedly?",
    "how large may a chunk be?", "which errors are retried?", "how does one rotate an API key?",
    "where are vectors stored?",
]


def run() -> list[Line]:
    with Stack.up() as stack:
        collection = stack.small_collection()
        direct = direct_query(stack, collection["id"])
        overheads: list[float] = []
        totals: list[float] = []
        qdrant: list[float] = []
        baselines: list[float] = []
        for turn in range(SEARCHES + 10):
            answer, _ = stack.client.search(collection["id"], QUERIES[turn % len(QUERIES)], RESULTS)
            seconds = execute(direct, "query")
            # The first ones start the function, load the model and open connections.
            if turn >= 10:
                timings = answer["timings"]
                overheads.append(answer["total_time_ms"] - timings["embedding_ms"] - timings["qdrant_ms"])
                totals.append(answer["total_time_ms"])
                qdrant.append(timings["qdrant_ms"])
                baselines.append(seconds * 1000)
        direct.kill()
    middle = statistics.median
    note = f"{SEARCHES} searches of {RESULTS} results; {stack.profile} profile"
    return [
        Line("search_overhead_p50", middle(overheads), "ms", target=3, at_most=True, note=note),
        Line("search_overhead_p99", percentile(overheads, 99), "ms", target=15, at_most=True, note=note),
        Line("search_vs_direct_qdrant", middle(totals), "ms p50", middle(baselines), middle(totals) / middle(baselines),
             note=f"including query embedding; Qdrant alone took {middle(qdrant):.1f} ms"),
    ]


def direct_query(stack: Stack, collection_id: str) -> subprocess.Popen[str]:
    """Starts a Qdrant client that queries the nearest points of the same collection."""
    return start([str(build_example("measure")), "query", stack.variables["QDRANT_URL"], collection_id, str(RESULTS)])
