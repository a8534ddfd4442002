"""Database statements for one indexed document: the slope between a few documents and more, so that what
an operation costs once is not in it. PostgreSQL logs every statement meanwhile, BEGIN and COMMIT included.

Nothing is asked of the API until all is done, but for a look every ten seconds.
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
from local_stack import postgres
from local_stack.processes import LOGS
from semantik import indexing
from semantik.client import File
from semantik.errors import CommandError

FEW, MANY = 10, 90
STATEMENT = re.compile(rb"LOG:  (?:execute [^:]*|statement): ")
LOOK_SECONDS = 10
PATIENCE_SECONDS = 600


def run() -> list[Line]:
    with Stack.up() as stack:
        counts = {size: count(stack, size) for size in (FEW, MANY)}
    slope = (counts[MANY] - counts[FEW]) / (MANY - FEW)
    note = f"from {FEW} documents ({counts[FEW]} statements) to {MANY} ({counts[MANY]}), all stages and the upload itself"
    return [Line("statements_per_document", slope, "statements", target=10, at_most=True, note=note)]


def count(stack: Stack, size: int) -> int:
    collection = stack.fresh_collection()
    files = [document(size, number) for number in range(size)]
    url = stack.variables["DATABASE_URL"]
    started = time.monotonic()
    # Until the operation that set the collection up is over.
    while stack.client.operations(collection["id"], "pending,processing"):
        time.sleep(1)
    with logging(url) as log:
        before = log.stat().st_size
        stack.client.upload(collection["id"], files)
        while stack.client.documents_total(collection["id"], "completed") < size:
            if time.monotonic() - started > PATIENCE_SECONDS:
                raise CommandError(f"{size} documents are not indexed after {PATIENCE_SECONDS} s")
            time.sleep(LOOK_SECONDS)
        with log.open("rb") as written:
            written.seek(before)
            statements = len(STATEMENT.findall(written.read()))
    indexing.wait(stack.client, collection["id"], files)
    stack.client.delete_collection(collection["id"])
    return statements


@contextmanager
def logging(url: str) -> Iterator[Path]:
    """PostgreSQL's log, with every statement in it meanwhile."""
    tell(url, "ALTER SYSTEM SET log_statement = 'all'")
    try:
        yield LOGS / "postgres.log"
    finally:
        tell(url, "ALTER SYSTEM RESET log_statement")


def tell(url: str, change: str) -> None:
    for statement in (change, "SELECT pg_reload_conf()"):
        said = subprocess.run([postgres.binary("psql"), "-Atqc", statement, url], capture_output=True, text=True)
        if said.returncode != 0:
            raise CommandError(f"PostgreSQL does not log: {said.stderr.strip()}")
    # The postmaster passes the news on.
    time.sleep(1)


def document(size: int, number: int) -> File:
    text = f"Document {number} of {size}, written at {time.time_ns()}: nothing but a sentence to be found again.\n"
    return File(f"{size}/{number}.txt", text.encode())
