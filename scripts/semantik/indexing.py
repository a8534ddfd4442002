"""Waiting until every file is accounted for, and saying what became of each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from semantik.client import Client, File
from semantik.errors import CommandError
from semantik.progress import Progress

# Where a document comes to rest.
SETTLED = ("completed", "skipped", "failed")
# Longer than any message stays invisible before the local stack delivers it again.
STALLED_SECONDS = 20 * 60
POLL_SECONDS = 2


@dataclass(frozen=True)
class Outcome:
    """The document that each file became, by the file's name."""

    documents: dict[str, dict[str, Any]]

    def having(self, status: str) -> list[dict[str, Any]]:
        return [document for document in self.documents.values() if document["status"] == status]

    @property
    def chunks(self) -> int:
        return sum(document["chunk_count"] for document in self.documents.values())


def wait(client: Client, collection_id: str, files: Iterable[File]) -> Outcome:
    """Waits for every one of `files`, however it came into the bucket.

    Done is: nothing announced is still missing, no operation is open, and each file has a settled
    document that was made from exactly these bytes.
    """
    expected = {file.name: file for file in files}
    last_change = time.monotonic()
    last_seen: Any = None
    stages: dict[str, int] = {}
    with Progress("indexing ", len(expected)) as progress:
        while True:
            counts = {status: client.documents_total(collection_id, status) for status in SETTLED}
            missing = client.uploads_total(collection_id, "expected")
            operations = client.operations(collection_id, "pending,processing")
            progress.show(sum(counts.values()), _note(counts, missing, operations, stages))

            seen = (counts, missing, [operation["id"] for operation in operations], stages)
            if seen != last_seen:
                last_seen, last_change = seen, time.monotonic()
            if not missing and not operations:
                outcome = _outcome(client, collection_id, expected)
                if outcome is not None:
                    progress.show(len(expected), _note(counts, 0, [], {}))
                    return outcome
            if time.monotonic() - last_change > STALLED_SECONDS:
                raise CommandError(_stalled(client, collection_id, expected))
            running = next((one for one in operations if one["status"] == "processing"), None)
            if running is None:
                stages = {}
                time.sleep(POLL_SECONDS / 4)
            else:
                # Answers at once when something happens.
                began = time.monotonic()
                stages = client.operation(running["id"], wait_seconds=POLL_SECONDS)["progress"]["by_state"]
                # Something always happens in a large run, and asking costs the machine as well.
                time.sleep(max(0.0, POLL_SECONDS / 2 - (time.monotonic() - began)))


def name_of(document: dict[str, Any]) -> str:
    """The name that an uploaded document had as a file."""
    return document["file_path"].removeprefix("upload://")


def failed_operations(client: Client, collection_id: str) -> list[str]:
    """What went wrong with whole operations, one line each."""
    failed = client.operations(collection_id, "failed")
    return [f"{operation['type']} {operation['id']}: {operation['error_message']}" for operation in failed]


def _outcome(client: Client, collection_id: str, expected: dict[str, File]) -> Outcome | None:
    """The documents of all expected files, once each of them is settled."""
    found = {name_of(document): document for document in client.documents(collection_id)}
    if not all(_settled(found.get(name), file) for name, file in expected.items()):
        return None
    return Outcome({name: found[name] for name in expected})


def _settled(document: dict[str, Any] | None, file: File) -> bool:
    if document is None or document["status"] not in SETTLED:
        return False
    # What could not be read has no hash; everything else must be of these very bytes.
    return document["content_hash"] in (None, file.sha256)


def _note(counts: dict[str, int], missing: int, operations: list[Any], stages: dict[str, int]) -> str:
    parts = [f"{counts[status]} {status}" for status in ("skipped", "failed") if counts[status]]
    parts += [f"{stages[state]} {state}" for state in ("listed", "staged", "chunked") if stages.get(state)]
    if missing:
        parts.append(f"{missing} not yet arrived")
    if len(operations) > 1:
        parts.append(f"{len(operations)} operations")
    return ", ".join(parts)


def _stalled(client: Client, collection_id: str, expected: dict[str, File]) -> str:
    found = {name_of(document): document for document in client.documents(collection_id)}
    open_names = [name for name, file in expected.items() if not _settled(found.get(name), file)]
    listed = ", ".join(
        f"{name} ({found[name]['status'] if name in found else 'no document'})" for name in open_names[:5]
    )
    return (
        f"nothing has moved for {STALLED_SECONDS // 60} minutes; {len(open_names)} of {len(expected)} files are open, "
        f"e.g. {listed}; the functions' log is .local/logs/emulator.log"
    )
