"""The objects of the staging bucket that are backed up: documents, their text, chunks and vectors."""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from semantik.backup_storage import Storage, StoredObject, listed, s3_client
from semantik.command import variable

# In the order of keys. uploads/ is not backed up: uploads are copied to raw/ before they are indexed.
PREFIXES = ("chunks/", "raw/", "text/", "vectors/")
PARALLEL = 32
LINE_EVERY_SECONDS = 10
# The objects of a backup: a JSON array of key and size per line, sorted by key.
OBJECT_LIST = "objects.jsonl.gz"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Counts:
    """What a backup has, and what was copied for it. The rest was there from the backup before."""

    objects: int = 0
    bytes: int = 0
    copied: int = 0
    copied_bytes: int = 0
    # Erased while they were copied, with the collection that they belonged to.
    vanished: int = 0

    def __str__(self) -> str:
        vanished = f", {self.vanished} deleted meanwhile" if self.vanished else ""
        return (f"{self.objects} objects, {self.bytes / 1e6:.1f} MB; copied {self.copied}, "
                f"{self.copied_bytes / 1e6:.1f} MB{vanished}")


class StagingBucket:
    def __init__(self) -> None:
        self._bucket = variable("STAGING_BUCKET")
        self._s3 = s3_client()

    def save(self, storage: Storage) -> tuple[Counts, str]:
        """Copies to the storage what it lacks, and writes the list of all objects; returns the SHA-256 of the list.

        Memory does not grow with their number: both sides are listed in the order of keys.
        """
        counts, progress = Counts(), _Progress()
        with tempfile.TemporaryFile() as file:
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as lines:
                for prefix in PREFIXES:
                    current = listed(self._s3, self._bucket, prefix)
                    compared = _compare(current, storage.staged_objects(prefix))
                    for staged, outcome in _parallel(lambda pair: self._save(storage, *pair), compared):
                        _count(counts, staged, outcome)
                        if outcome != "vanished":
                            lines.write(json.dumps([staged.key, staged.size]).encode() + b"\n")
                        progress.show(counts)
            file.seek(0)
            sha256 = storage.write_with_digest(OBJECT_LIST, file)
        return counts, sha256

    def _save(self, storage: Storage, staged: StoredObject, is_saved: bool) -> tuple[StoredObject, str]:
        if is_saved:
            return staged, "kept"
        try:
            storage.take(self._s3, self._bucket, staged)
        except FileNotFoundError:
            return staged, "vanished"
        return staged, "copied"

    def load(self, storage: Storage, has_list: bool) -> Counts:
        """Copies the objects of a backup into the bucket. Backups of the first format have no list, and all objects."""
        counts, progress = Counts(), _Progress()

        def put_back(staged: StoredObject) -> StoredObject:
            storage.put_back(self._s3, self._bucket, staged)
            return staged

        objects = saved_objects(storage) if has_list else _all(storage)
        for staged in _parallel(put_back, objects):
            _count(counts, staged, "copied")
            progress.show(counts)
        return counts


def saved_objects(storage: Storage) -> Iterator[StoredObject]:
    """Yields the objects of one backup, sorted by key."""
    with storage.open(OBJECT_LIST) as file, gzip.GzipFile(fileobj=file) as lines:
        for line in lines:
            key, size = json.loads(line)
            yield StoredObject(key, size, datetime.min.replace(tzinfo=UTC))


def _all(storage: Storage) -> Iterator[StoredObject]:
    for prefix in PREFIXES:
        yield from storage.staged_objects(prefix)


def _compare(
    staged: Iterable[StoredObject], saved: Iterator[StoredObject],
) -> Iterator[tuple[StoredObject, bool]]:
    """Yields each staged object, and whether the storage has it: of the same size, and written after it."""
    other = next(saved, None)
    for current in staged:
        while other is not None and other.key < current.key:
            other = next(saved, None)
        is_saved = (
            other is not None and other.key == current.key and other.size == current.size
            and other.modified > current.modified)
        yield current, is_saved


def _count(counts: Counts, staged: StoredObject, outcome: str) -> None:
    if outcome == "vanished":
        counts.vanished += 1
        return
    counts.objects += 1
    counts.bytes += staged.size
    if outcome == "copied":
        counts.copied += 1
        counts.copied_bytes += staged.size


def _parallel(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yields the results in order; a bounded number of items is under way."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(PARALLEL) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 4 * PARALLEL:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _Progress:
    """Prints a line every ten seconds: their total is known only at the end."""

    def __init__(self) -> None:
        self._printed_at = time.monotonic()

    def show(self, counts: Counts) -> None:
        if time.monotonic() - self._printed_at >= LINE_EVERY_SECONDS:
            self._printed_at = time.monotonic()
            print(f"  {counts} ...", flush=True)
