"""The embed stage end to end, from staged chunks to points in Qdrant, beside bare ONNX Runtime on the very
same chunks with ideal batches and as many threads, right afterwards.

The stage's time is what its function was busy: for each of its invocations, until its last message was
done, as its own log lines say.
"""

from __future__ import annotations

import json
import time

import boto3

from benches import embed
from benches.line import Line
from benches.stack import Stack
from local_stack import functions, settings
from local_stack.settings import ROOT
from semantik import exact, repository
from semantik.errors import CommandError

FILES = 60


def run() -> list[Line]:
    with Stack.up() as stack:
        collection = stack.fresh_collection(quantization="float32")
        files = repository.files(ROOT)[:FILES]
        began = time.time()
        stack.index(collection, files)
        s3 = boto3.client("s3", endpoint_url=stack.variables["AWS_ENDPOINT_URL"])
        chunks = exact.staged_chunks(s3, stack.variables["STAGING_BUCKET"], collection["id"])
        bare = embed.Bare("float32", [chunk.text for chunk in chunks])
        bare.seconds()
        baselines = [bare.tokens / bare.seconds() for _ in range(3)]
        busy, invocations = busy_seconds(began)
        stack.client.delete_collection(collection["id"])
    value, baseline = bare.tokens / busy, sorted(baselines)[1]
    note = f"{len(files)} files, {len(chunks)} chunks, {bare.tokens} tokens in {invocations} invocations, dev profile, the rest of the pipeline at work beside it"
    return [Line("embed_stage_vs_onnxruntime", value, "tokens/s", baseline, value / baseline, 0.9, note=note)]


def busy_seconds(since: float) -> tuple[float, int]:
    """Seconds that the embed function worked since then, and in how many invocations."""
    longest: dict[str, float] = {}
    for line in functions.log_lines(settings.load(), 100_000):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        fields = said.get("fields", said)
        if fields.get("message") != "embed message handled":
            continue
        request = str((said.get("span") or {}).get("requestId") or fields.get("requestId") or said.get("timestamp", "")[:19])
        longest[request] = max(longest.get(request, 0.0), float(fields["ms"]) / 1000)
    if not longest:
        raise CommandError("the embed function's log says nothing of its work")
    return sum(longest.values()), len(longest)
