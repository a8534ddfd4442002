"""The embed stage end to end, from staged chunks to points in Qdrant, beside bare ONNX Runtime on the very
same chunks with ideal batches and as many threads, right afterwards.

The function gets nothing until all documents are cut into chunks. Then the clock runs from the moment that
its queue is opened until no document waits for its points, so that it counts whatever the stage waits for.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3

from benches import embed
from benches.line import Line
from benches.stack import Stack
from local_stack import functions, settings
from local_stack.settings import ROOT
from semantik import exact, repository
from semantik.client import File
from semantik.errors import CommandError

FILES = 60
PATIENCE_SECONDS = 600


def run() -> list[Line]:
    files = repository.files(ROOT)[:FILES]
    with Stack.up() as stack:
        lines = [line for quantization in ("float32", "int8") for line in measure(stack, quantization, files)]
    return lines


def measure(stack: Stack, quantization: str, files: Sequence[File]) -> list[Line]:
    collection = stack.fresh_collection(quantization=quantization)
    folder = Path(stack.variables["DIRECTORY_ROOT"]) / f"bench-{quantization}"
    write(folder, files)
    functions.feed(settings.load(), "embed", enabled=False)
    try:
        operation = stack.client.add_source(collection["id"], "directory", {"path": str(folder)})
        wait(stack, operation, lambda states: sum(states.values()) >= len(files) and not states["listed"] and not states["staged"])
    finally:
        functions.feed(settings.load(), "embed", enabled=True)
    opened = time.monotonic()
    wait(stack, operation, lambda states: not states["chunked"])
    seconds = time.monotonic() - opened
    s3 = boto3.client("s3", endpoint_url=stack.variables["AWS_ENDPOINT_URL"])
    chunks = exact.staged_chunks(s3, stack.variables["STAGING_BUCKET"], collection["id"])
    bare = embed.Bare(quantization, [chunk.text for chunk in chunks])
    bare.seconds()
    baselines = sorted(bare.tokens / bare.seconds() for _ in range(3))
    stack.client.delete_collection(collection["id"])
    shutil.rmtree(folder)
    value = bare.tokens / seconds
    note = f"{len(files)} files, {len(chunks)} chunks, {bare.tokens} tokens in {seconds:.1f} s; dev profile"
    return [Line(f"embed_stage_{quantization}_vs_onnxruntime", value, "tokens/s", baselines[1], value / baselines[1], 0.9, note=note)]


def write(folder: Path, files: Sequence[File]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)


def wait(stack: Stack, operation: dict[str, Any], is_reached: Callable[[dict[str, int]], bool]) -> None:
    """Until its items are in such states, or it is over."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        # Answers at once when something happens.
        now = stack.client.operation(operation["id"], wait_seconds=5)
        if now["status"] in ("failed", "cancelled"):
            raise CommandError(f"the operation is {now['status']}: {now.get('error_message')}")
        if is_reached(now["progress"]["by_state"]) or now["status"] == "completed":
            return
    raise CommandError(f"the operation does not get on within {PATIENCE_SECONDS} s")
