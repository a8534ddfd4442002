"""The embed stage end to end, from staged chunks to points in Qdrant, compared with bare ONNX Runtime on the same
chunks with ideal batches and as many threads, measured right afterwards.

The function receives no messages until all documents are chunked. The time is measured from the start of delivery
until no document waits for its points, so it includes everything that the stage waits for.

All parts share the processors of this machine. In AWS, Qdrant, PostgreSQL, S3 and SQS run elsewhere. So a second line
compares by the CPU time of the processes of the function.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3

from benches import embed
from benches.line import Line
from benches.stack import Stack
from command_line import CommandError
from local_stack import functions, processes, settings
from local_stack.settings import ROOT
from semantik import exact, repository
from semantik.client import File

FILES = 150
TIMEOUT_SECONDS = 600
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def run() -> list[Line]:
    files = repository.files(ROOT)[:FILES]
    with Stack.up() as stack:
        return [line for quantization in ("float32", "int8") for line in measure(stack, quantization, files)]


def measure(stack: Stack, quantization: str, files: Sequence[File]) -> list[Line]:
    collection = stack.fresh_collection(quantization=quantization)
    folder = Path(stack.variables["DIRECTORY_ROOT"]) / f"bench-{quantization}"
    write(folder, files)
    functions.deliver(settings.load(), "embed", enabled=False)
    try:
        operation = stack.client.add_source(collection["id"], "directory", {"path": str(folder)})
        wait(stack, operation, lambda states: (
            sum(states.values()) >= len(files) and not states["listed"] and not states["staged"]))
    finally:
        functions.deliver(settings.load(), "embed", enabled=True)
    before, opened = cpu_seconds(), time.monotonic()
    wait(stack, operation, lambda states: not states["chunked"])
    seconds = time.monotonic() - opened
    used = {part: spent - before.get(part, 0) for part, spent in cpu_seconds().items()}
    s3 = boto3.client("s3", endpoint_url=stack.variables["AWS_ENDPOINT_URL"])
    chunks = exact.staged_chunks(s3, stack.variables["STAGING_BUCKET"], collection["id"])
    bare = embed.Bare(quantization, [chunk.text for chunk in chunks])
    bare.seconds()
    baseline = sorted(bare.tokens / bare.seconds() for _ in range(3))[1]
    stack.client.delete_collection(collection["id"])
    shutil.rmtree(folder)
    whole, alone = bare.tokens / seconds, bare.tokens / (used["embed"] / embed.THREADS)
    label = f"embed_stage_{quantization}"
    note = f"{len(files)} files, {len(chunks)} chunks, {bare.tokens} tokens in {seconds:.1f} s; {stack.profile} profile"
    shares = ", ".join(f"{part} {spent / (seconds * embed.THREADS):.0%}" for part, spent in used.items())
    return [
        Line(f"{label}_vs_onnxruntime", whole, "tokens/s", baseline, whole / baseline, 0.9, note=note),
        Line(
            f"{label}_alone_vs_onnxruntime", alone, "tokens/s", baseline, alone / baseline,
            note=f"CPU time: {shares}"),
    ]


def cpu_seconds() -> dict[str, float]:
    """Returns the CPU time of the processes of each part since their start."""
    by_function = functions.running(settings.load())
    of_functions = {pid for pids in by_function.values() for pid in pids}
    parts = {
        "embed": by_function.pop("embed"),
        "other functions": [pid for pids in by_function.values() for pid in pids],
        **{part: processes.members(part) for part in ("qdrant", "postgres")},
        "emulator": [pid for pid in processes.members("emulator") if pid not in of_functions],
    }
    return {part: sum(map(_used, pids)) for part, pids in parts.items()}


def _used(pid: int) -> float:
    try:
        # The fields after the name of the program, which may contain any character: proc_pid_stat(5).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def write(folder: Path, files: Sequence[File]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)


def wait(stack: Stack, operation: dict[str, Any], is_reached: Callable[[dict[str, int]], bool]) -> None:
    """Waits until the items of an operation are in the given states or the operation is completed."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        # Long polling: returns as soon as the operation changes.
        now = stack.client.operation(operation["id"], wait_seconds=5)
        if now["status"] in ("failed", "cancelled"):
            raise CommandError(f"the operation ended with status {now['status']}: {now.get('error_message')}")
        if is_reached(now["progress"]["by_state"]) or now["status"] == "completed":
            return
    raise CommandError(f"the operation made no progress within {TIMEOUT_SECONDS} s")
