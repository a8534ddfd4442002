"""Waits until every file is indexed, skipped or failed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from command_line import CommandError
from semantik.client import Client, File
from semantik.progress_bar import ProgressBar

# The final statuses of a document.
FINAL_STATUSES = ("completed", "skipped", "failed")
# Longer than any visibility timeout of the local stack.
STALLED_SECONDS = 20 * 60
POLL_SECONDS = 2


@dataclass(frozen=True)
class Outcome:
    """The document of each file, by file name."""

    documents: dict[str, dict[str, Any]]

    def having(self, status: str) -> list[dict[str, Any]]:
        return [document for document in self.documents.values() if document["status"] == status]

    @property
    def chunks(self) -> int:
        return sum(document["chunk_count"] for document in self.documents.values())


def wait(client: Client, collection_id: str, files: Iterable[File]) -> Outcome:
    """Waits for all `files`, whichever way they were uploaded.

    They are done when no announced upload is missing, no operation is open, and each file has a document with a final
    status and with the hash of the file.
    """
    expected = {file.name: file for file in files}
    last_change = time.monotonic()
    last_seen: Any = None
    stages: dict[str, int] = {}
    with ProgressBar("indexing ", len(expected)) as progress:
        while True:
            counts = {status: client.documents_total(collection_id, status) for status in FINAL_STATUSES}
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
                # Long polling: returns as soon as the operation changes.
                began = time.monotonic()
                stages = client.operation(running["id"], wait_seconds=POLL_SECONDS)["progress"]["by_state"]
                # Large operations change all the time, and each request costs CPU time.
                time.sleep(max(0.0, POLL_SECONDS / 2 - (time.monotonic() - began)))


def name_of(document: dict[str, Any]) -> str:
    """Returns the file name of an uploaded document."""
    return str(document["file_path"]).removeprefix("upload://")


def failed_operations(client: Client, collection_id: str) -> list[str]:
    """Returns one line per failed operation."""
    failed = client.operations(collection_id, "failed")
    return [f"{operation['type']} {operation['id']}: {operation['error_message']}" for operation in failed]


def _outcome(client: Client, collection_id: str, expected: dict[str, File]) -> Outcome | None:
    """Returns the documents of all expected files; None unless all are final."""
    found = {name_of(document): document for document in client.documents(collection_id)}
    if not all(_is_final(found.get(name), file) for name, file in expected.items()):
        return None
    return Outcome({name: found[name] for name in expected})


def _is_final(document: dict[str, Any] | None, file: File) -> bool:
    if document is None or document["status"] not in FINAL_STATUSES:
        return False
    # Documents that could not be read have no hash.
    return document["content_hash"] in (None, file.sha256)


def _note(counts: dict[str, int], missing: int, operations: list[Any], stages: dict[str, int]) -> str:
    parts = [f"{counts[status]} {status}" for status in ("skipped", "failed") if counts[status]]
    parts += [f"{stages[state]} {state}" for state in ("listed", "staged", "chunked") if stages.get(state)]
    if missing:
        parts.append(f"{missing} not yet uploaded")
    if len(operations) > 1:
        parts.append(f"{len(operations)} operations")
    return ", ".join(parts)


def _stalled(client: Client, collection_id: str, expected: dict[str, File]) -> str:
    found = {name_of(document): document for document in client.documents(collection_id)}
    open_names = [name for name, file in expected.items() if not _is_final(found.get(name), file)]
    listed = ", ".join(
        f"{name} ({found[name]['status'] if name in found else 'no document'})" for name in open_names[:5]
    )
    return (
        f"no progress for {STALLED_SECONDS // 60} minutes; {len(open_names)} of {len(expected)} files are not final, "
        f"e.g. {listed}; the functions' log is .local/logs/emulator.log"
    )
