"""100,000 synthetic vectors in one collection with the default settings: recall@10 of HNSW search against exact search,
and latency with 1, 4 and 16 clients.

The vectors are distributed around a few thousand centers, similar to those of texts. Uniformly distributed vectors
would have no near neighbors.
"""

from __future__ import annotations

import json
import os
import subprocess

from benches.line import Line
from benches.stack import build_example
from command_line import CommandError
from local_stack import processes, qdrant, settings

VECTORS = int(os.environ.get("BENCH_VECTORS", "100000"))


def run() -> list[Line]:
    stack = settings.load()
    was_running = processes.running("qdrant") is not None
    if not was_running:
        qdrant.start(stack)
    try:
        program = build_example("measure")
        ran = subprocess.run([program, "hnsw", stack.qdrant_url, str(VECTORS)], stdout=subprocess.PIPE, text=True)
        if ran.returncode != 0:
            raise CommandError("the example measure failed")
    finally:
        if not was_running:
            qdrant.down()
    found = json.loads(ran.stdout.splitlines()[-1])
    note = (
        f"{VECTORS} synthetic vectors with 384 dimensions, float32; {found['indexed']} of {2 * VECTORS} dense and "
        f"sparse vectors were indexed after {found['index_seconds']:.0f} s"
    )
    lines = [Line("hnsw_recall_at_10", found["recall"], "", baseline=1.0, target=0.98, note=note)]
    for clients, times in found["latency_ms"].items():
        exact = f"exact search p50 {found['exact_ms']:.1f} ms with one client" if clients == "1" else ""
        lines.append(Line(f"hnsw_p50_{clients}_clients", times["p50"], "ms", note=exact))
        lines.append(Line(f"hnsw_p99_{clients}_clients", times["p99"], "ms"))
    return lines
