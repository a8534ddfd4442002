"""Functions that crash between their commit and the next step."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from chaos_run import corpus as corpora
from chaos_run.lab import FAULT_POINTS, SWEEP_TIMEOUTS, Lab
from chaos_run.story import OPEN_WORK
from command_line import CommandError
from local_stack.settings import LOCAL
from semantik.account import Account
from semantik.client import Client, File
from semantik.command import heading, last_line
from semantik.http_client import Http

# Longer than a trial, so that the message of a crashed function is not redelivered during it.
LONG_SECONDS = 300
REACH_SECONDS = 120
# How long the work may take after each run of sweep. Long, because the machine may be busy.
RECOVERY_SECONDS = (20, 300)


@dataclass(frozen=True)
class Point:
    """Where a function crashes."""

    name: str
    # Whether the document is uploaded; otherwise, it is in a folder.
    is_upload: bool = False
    # The setting that defines when sweep considers the work lost.
    timeout: str = "SWEEP_ITEM_SECONDS"


POINTS = (
    Point("api-committed", timeout="SWEEP_PENDING_SECONDS"),
    Point("intake-committed", is_upload=True, timeout="SWEEP_PENDING_SECONDS"),
    Point("scan-listed", timeout="SWEEP_LISTING_SECONDS"),
    Point("scan-staged"),
    Point("chunk-committed"),
    Point("embed-committed", timeout="SWEEP_PENDING_SECONDS"),
    Point("operation-ended", timeout="SWEEP_PENDING_SECONDS"),
)
SHORT = ("api-committed", "chunk-committed", "embed-committed")


def run(lab: Lab, is_short: bool) -> bool:
    """Tries each point once; returns whether at most two runs of sweep completed the work of each."""
    lab.set_visibility_timeouts(LONG_SECONDS)
    lab.stop_schedule()
    heading("functions crash between their commit and the next step; only sweep recovers their work")
    http = Http(retry_seconds=60)
    account = Account(http, lab.api_url, LOCAL / "account.json", "chaos")
    account.sign_in()
    client = Client(http, lab.api_url, account)
    recovered: dict[str, int | None] = {}
    for point in POINTS:
        if not is_short or point.name in SHORT:
            recovered[point.name] = sweeps = _try(lab, client, point)
            result = f"recovered by {sweeps} of {len(RECOVERY_SECONDS)} sweeps" if sweeps else "NOT recovered"
            print(f"  {point.name:18} {result}", flush=True)
    # Messages of crashed functions, whose work is done.
    lab.purge_queues()
    lab.set_visibility_timeouts()
    failed = sum(sweeps is None for sweeps in recovered.values())
    last_line({"fault_points": len(recovered), "not_recovered": failed, "sweeps": recovered})
    return failed == 0


def _try(lab: Lab, client: Client, point: Point) -> int | None:
    """Returns how many runs of sweep it takes to complete the work after a crash; None if it is not completed."""
    name = f"{point.name} {secrets.token_hex(4)}"
    collection_id = client.ensure_collection(name)[0]["id"]
    _await(lab, lambda: not _open_rows(lab), f"{name}: its collection was not created")
    armed = FAULT_POINTS / point.name
    armed.touch()
    if point.is_upload:
        client.upload(collection_id, [File("moon.txt", b"The Moon pulls the sea, and the tide comes in.")])
    else:
        # Two operations, of which the second one waits for the first.
        for number in range(2):
            folder = lab.sources / name / str(number)
            corpora.clear(folder)
            (folder / "moon.txt").write_text(f"The Moon pulls the sea, and tide number {number} comes in.")
            client.add_source(collection_id, "directory", {"path": str(folder)})
    _await(lab, lambda: not armed.exists(), f"no function reached the point {point.name}")
    for sweeps, seconds in enumerate(RECOVERY_SECONDS, 1):
        # sweep ignores work that is not older.
        time.sleep(int(SWEEP_TIMEOUTS[point.timeout]) + 1)
        lab.sweep()
        if lab.wait(lambda: not _open_rows(lab), seconds):
            completed = client.documents_total(collection_id, "completed")
            if completed != (1 if point.is_upload else 2):
                raise CommandError(f"{name}: {completed} documents are completed")
            client.delete_collection(collection_id)
            _await(lab, lambda: not _open_rows(lab), f"{name}: its collection was not deleted")
            return sweeps
    return None


def _open_rows(lab: Lab) -> dict[str, int]:
    return {name: count for name, count in lab.query(OPEN_WORK).items() if count}


def _await(lab: Lab, condition: Callable[[], bool], otherwise: str) -> None:
    if not lab.wait(condition, REACH_SECONDS):
        raise CommandError(otherwise)
