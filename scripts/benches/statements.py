"""Database statements per indexed document: the slope between few and many documents, without the constant cost of an
operation. PostgreSQL logs every statement during the measurement, including BEGIN and COMMIT.

The API is called only every ten seconds until everything is indexed.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benches.line import Line
from benches.stack import Stack
from command_line import CommandError
from local_stack import postgres
from local_stack.processes import LOGS
from semantik import indexing
from semantik.client import File

FEW, MANY = 10, 90
STATEMENT = re.compile(rb"LOG:  (?:execute [^:]*|statement): ")
POLL_SECONDS = 10
TIMEOUT_SECONDS = 600


def run() -> list[Line]:
    with Stack.up() as stack:
        counts = {size: count(stack, size) for size in (FEW, MANY)}
    slope = (counts[MANY] - counts[FEW]) / (MANY - FEW)
    note = f"from {FEW} documents ({counts[FEW]} statements) to {MANY} ({counts[MANY]}), all stages and the upload"
    return [Line("statements_per_document", slope, "statements", target=10, at_most=True, note=note)]


def count(stack: Stack, size: int) -> int:
    collection = stack.fresh_collection()
    files = [document(size, number) for number in range(size)]
    url = stack.variables["DATABASE_URL"]
    started = time.monotonic()
    # Waits for the operation that creates the index.
    while stack.client.operations(collection["id"], "pending,processing"):
        time.sleep(1)
    with logging(url) as log:
        before = log.stat().st_size
        stack.client.upload(collection["id"], files)
        while stack.client.documents_total(collection["id"], "completed") < size:
            if time.monotonic() - started > TIMEOUT_SECONDS:
                raise CommandError(f"{size} documents were not indexed within {TIMEOUT_SECONDS} s")
            time.sleep(POLL_SECONDS)
        with log.open("rb") as written:
            written.seek(before)
            statements = len(STATEMENT.findall(written.read()))
    indexing.wait(stack.client, collection["id"], files)
    stack.client.delete_collection(collection["id"])
    return statements


@contextmanager
def logging(url: str) -> Iterator[Path]:
    """Logs every statement; yields the log of PostgreSQL."""
    alter_system(url, "ALTER SYSTEM SET log_statement = 'all'")
    try:
        yield LOGS / "postgres.log"
    finally:
        alter_system(url, "ALTER SYSTEM RESET log_statement")


def alter_system(url: str, change: str) -> None:
    for statement in (change, "SELECT pg_reload_conf()"):
        ended = subprocess.run([postgres.binary("psql"), "-Atqc", statement, url], capture_output=True, text=True)
        if ended.returncode != 0:
            raise CommandError(f"{statement} failed: {ended.stderr.strip()}")
    # The server applies the change asynchronously.
    time.sleep(1)


def document(size: int, number: int) -> File:
    text = f"Document {number} of {size}, written at {time.time_ns()}: a sentence to be found again.\n"
    return File(f"{size}/{number}.txt", text.encode())
