"""Functions that die between their commit and what follows it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from chaos_run import corpus as corpora
from chaos_run.lab import FAULT_POINTS, PATIENCE, Lab
from chaos_run.story import OPEN_WORK
from local_stack.settings import LOCAL
from semantik.account import Account
from semantik.client import Client, File
from semantik.command import heading, last_line
from semantik.errors import CommandError
from semantik.transport import Http

# Longer than a trial: the message of a function that has died does not come back meanwhile.
LONG_SECONDS = 300
FIRE_SECONDS = 120
# How long the work may take after each run of sweep: a busy machine is not a death that nobody healed.
HEAL_SECONDS = (20, 300)


@dataclass(frozen=True)
class Point:
    """Where a function dies."""

    name: str
    # The documents come by an upload, else from a folder.
    is_upload: bool = False
    # What sweep waits for before it takes the work for lost.
    patience: str = "SWEEP_ITEM_SECONDS"


POINTS = (
    Point("api-committed", patience="SWEEP_PENDING_SECONDS"),
    Point("intake-committed", is_upload=True, patience="SWEEP_PENDING_SECONDS"),
    Point("scan-listed", patience="SWEEP_LISTING_SECONDS"),
    Point("scan-staged"),
    Point("chunk-committed"),
    Point("embed-committed", patience="SWEEP_PENDING_SECONDS"),
    Point("operation-ended", patience="SWEEP_PENDING_SECONDS"),
)
SHORT = ("api-committed", "chunk-committed", "embed-committed")


def run(lab: Lab, is_short: bool) -> bool:
    """Each point once. True if two runs of sweep at the most have healed each of them."""
    lab.hide_messages(LONG_SECONDS)
    lab.stop_schedule()
    heading("functions die between their commit and what follows it; nobody but sweep helps")
    http = Http(patience_seconds=60)
    account = Account(http, lab.api_url, LOCAL / "account.json", "chaos")
    account.sign_in()
    client = Client(http, lab.api_url, account)
    healed: dict[str, int | None] = {}
    for point in POINTS:
        if not is_short or point.name in SHORT:
            healed[point.name] = sweeps = _try(lab, client, point)
            print(f"  {point.name:18} {f'healed by {sweeps} of {len(HEAL_SECONDS)} sweeps' if sweeps else 'NOT healed'}", flush=True)
    # Messages of the dead, whose work is done.
    lab.forget_messages()
    lab.hide_messages()
    failed = sum(sweeps is None for sweeps in healed.values())
    last_line({"fault_points": len(healed), "not_healed": failed, "sweeps": healed})
    return failed == 0


def _try(lab: Lab, client: Client, point: Point) -> int | None:
    """How many sweeps it takes until the work that the death left behind is done; None for too many."""
    name = f"{point.name} {secrets.token_hex(4)}"
    collection_id = client.ensure_collection(name)[0]["id"]
    _await(lab, lambda: not _open_rows(lab), f"{name}: its collection is not made")
    armed = FAULT_POINTS / point.name
    armed.touch()
    if point.is_upload:
        client.upload(collection_id, [File("moon.txt", b"The Moon pulls the sea, and the tide comes in.")])
    else:
        # Two operations, so that one waits for the end of the other.
        for number in range(2):
            folder = lab.sources / name / str(number)
            corpora.clear(folder)
            (folder / "moon.txt").write_text(f"The Moon pulls the sea, and tide number {number} comes in.")
            client.add_source(collection_id, "directory", {"path": str(folder)})
    _await(lab, lambda: not armed.exists(), f"nothing has come to the point {point.name}")
    for sweeps, seconds in enumerate(HEAL_SECONDS, 1):
        # What is younger than this nobody takes for lost.
        time.sleep(int(PATIENCE[point.patience]) + 1)
        lab.sweep()
        if lab.wait(lambda: not _open_rows(lab), seconds):
            completed = client.documents_total(collection_id, "completed")
            if completed != (1 if point.is_upload else 2):
                raise CommandError(f"{name}: {completed} documents are completed")
            client.delete_collection(collection_id)
            _await(lab, lambda: not _open_rows(lab), f"{name}: its collection is not deleted")
            return sweeps
    return None


def _open_rows(lab: Lab) -> dict[str, int]:
    return {name: count for name, count in lab.query(OPEN_WORK).items() if count}


def _await(lab: Lab, condition: Callable[[], bool], otherwise: str) -> None:
    if not lab.wait(condition, FIRE_SECONDS):
        raise CommandError(otherwise)
