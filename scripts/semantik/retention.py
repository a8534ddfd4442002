"""Which backups a bucket keeps, and which staged objects those need."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

from command_line import CommandError
from semantik.backup_storage import BucketPrefix, Storage, listed
from semantik.manifest import NAME
from semantik.staged import PREFIXES, saved_objects

# S3 deletes up to so many objects in one call.
DELETED_AT_ONCE = 1000


def complete(storage: BucketPrefix) -> list[str]:
    """Returns the ids of the complete backups of the storage's prefix, oldest first."""
    root = f"{storage.prefix}backups/"
    ids = []
    for page in storage.s3.get_paginator("list_objects_v2").paginate(
            Bucket=storage.bucket, Prefix=root, Delimiter="/"):
        ids += [entry["Prefix"].removeprefix(root).rstrip("/") for entry in page.get("CommonPrefixes", [])]
    return sorted(backup for backup in ids if _exists(storage, f"{root}{backup}/{NAME}"))


def find(bucket: str, prefix: str, backup_id: str | None) -> BucketPrefix:
    """Returns a complete backup, the newest one by default."""
    storage = BucketPrefix(bucket, prefix, backup_id or "")
    found = complete(storage)
    if not found:
        raise CommandError(f"s3://{bucket}/{prefix} has no complete backup")
    if backup_id is not None and backup_id not in found:
        raise CommandError(
            f"s3://{bucket}/{prefix} has no complete backup {backup_id!r}; it has {', '.join(found[-20:])}")
    return BucketPrefix(bucket, prefix, backup_id or found[-1])


def keep_latest(storage: BucketPrefix, count: int) -> int:
    """Deletes all but the newest backups, and the staged objects that only those had; returns how many backups.

    Must not run beside another backup of the prefix.
    """
    kept = complete(storage)[-count:]
    root = f"{storage.prefix}backups/"
    deleted = set()

    def outdated() -> Iterator[str]:
        for found in listed(storage.s3, storage.bucket, root):
            backup = found.key.removeprefix(root).partition("/")[0]
            if backup not in kept:
                deleted.add(backup)
                yield found.key

    _delete(storage, outdated())
    unused = _delete(storage, unused_objects(storage, [BucketPrefix(storage.bucket, storage.prefix, i) for i in kept]))
    print(f"  {len(deleted)} backups and {unused} staged objects deleted, {len(kept)} backups kept")
    return len(deleted)


def unused_objects(storage: BucketPrefix, kept: list[BucketPrefix]) -> Iterator[str]:
    """Yields the keys of the staged objects that no kept backup has. All lists are in the order of keys."""
    needed = heapq.merge(*(_keys(backup) for backup in kept))
    other = next(needed, None)
    for prefix in PREFIXES:
        for staged in storage.staged_objects(prefix):
            while other is not None and other < staged.key:
                other = next(needed, None)
            if other != staged.key:
                yield storage.artifact_key(staged.key)


def _keys(backup: Storage) -> Iterator[str]:
    try:
        yield from (staged.key for staged in saved_objects(backup))
    except FileNotFoundError:
        # It was made without staged objects.
        return


def _exists(storage: BucketPrefix, key: str) -> bool:
    return any(found.key == key for found in listed(storage.s3, storage.bucket, key))


def _delete(storage: BucketPrefix, keys: Iterator[str]) -> int:
    """Deletes objects; returns their number."""
    count = 0
    batch: list[str] = []

    def send() -> None:
        answer: dict[str, Any] = storage.s3.delete_objects(
            Bucket=storage.bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True})
        for error in answer.get("Errors", []):
            raise CommandError(f"s3://{storage.bucket}/{error['Key']} cannot be deleted: {error['Message']}")

    for key in keys:
        batch.append(key)
        count += 1
        if len(batch) == DELETED_AT_ONCE:
            send()
            batch.clear()
    if batch:
        send()
    return count
