"""scripts/restore: restores a backup of a folder or a bucket into an empty stack."""

from __future__ import annotations

import argparse
import json
import os
import time
import uuid
from pathlib import Path

import boto3

from command_line import CommandError
from local_stack.settings import http_address
from semantik import database, retention
from semantik.backup_storage import Folder, Storage, parse
from semantik.command import heading, last_line, run, variable
from semantik.manifest import Manifest, SavedCollection
from semantik.progress_bar import ProgressBar
from semantik.snapshots import Snapshots
from semantik.staged import OBJECT_LIST, StagingBucket
from semantik.stored_secrets import qdrant_api_key

POLL_SECONDS = 1.0
# sweep starts the operations.
STALLED_SECONDS = 15 * 60


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/restore", add_help=False)
    parser.add_argument("source")
    parser.add_argument("--backup", metavar="ID")
    options = parser.parse_args()
    place = parse(options.source)
    if place is None and options.backup:
        parser.error("--backup chooses a backup of a bucket")
    storage = retention.find(*place, options.backup) if place else Folder(Path(options.source))
    manifest = Manifest.read(storage)
    began = time.monotonic()
    check(storage, manifest)

    heading(f"{storage.url}: database")
    with storage.open(manifest.database) as dump:
        database.load(dump)
    # Backups do not contain the indexes that reindexes have replaced, so no rollback to them is possible.
    database.execute("UPDATE retired_vector_stores SET operation_id = NULL, replaced_by = NULL")
    print(f"  as of {manifest.created_at}")
    # There may be operations that were open.
    arm_sweep()

    heading("staged objects")
    if manifest.artifacts is not None:
        print(f"  {StagingBucket().load(storage, has_list=manifest.objects_sha256 is not None)}")
    else:
        print("  not in the backup; assumed to be in the bucket")

    heading("Qdrant")
    snapshots = Snapshots(os.environ.get("QDRANT_HTTP_URL") or http_address(variable("QDRANT_URL")), qdrant_api_key())
    unsaved: list[SavedCollection] = []
    for saved in manifest.collections:
        if saved.snapshot is None or saved.sha256 is None:
            unsaved.append(saved)
            continue
        size = saved.bytes if saved.bytes is not None else (Path(options.source) / saved.snapshot).stat().st_size
        with storage.open(saved.snapshot) as content:
            snapshots.upload(saved.vector_store_name, content, size, saved.sha256)
        print(f"  {saved.name}: {saved.vectors} vectors from its snapshot")
    failed = rebuild(unsaved)
    last_line({
        "collections": len(manifest.collections),
        "from_snapshots": len(manifest.collections) - len(unsaved),
        "rebuilt": len(unsaved) - failed,
        "failed": failed,
        "seconds": round(time.monotonic() - began, 1),
    })
    return failed == 0


def check(storage: Storage, manifest: Manifest) -> None:
    """Raises if the backup is damaged or the stack unsuitable, before anything is changed."""
    files = [(manifest.database, manifest.database_sha256)]
    if manifest.objects_sha256:
        files.append((OBJECT_LIST, manifest.objects_sha256))
    files += [(saved.snapshot, saved.sha256) for saved in manifest.collections if saved.snapshot and saved.sha256]
    for name, expected in files:
        storage.verify(name, expected)
    version = database.rows("SELECT max(version) AS version FROM _sqlx_migrations")[0]["version"]
    if version != manifest.schema_version:
        raise CommandError(
            f"the backup has schema {manifest.schema_version}, this stack has {version}; deploy the version that wrote "
            "the backup, restore it, then deploy the newer version")
    # The deployment has created its first administrator, whom those of the backup replace.
    if database.rows("SELECT 1 AS one FROM users WHERE NOT is_superuser UNION ALL SELECT 1 FROM collections LIMIT 1"):
        raise CommandError("this stack has users or collections; an empty stack is required")


def arm_sweep() -> None:
    """Has sweep run: functions arm it for what they write, and nothing else knows of what was written here."""
    now = int(time.time())
    boto3.client("sqs").send_message(
        QueueUrl=variable("SWEEP_QUEUE_URL"), MessageBody=json.dumps({"sweep_at": now}),
        MessageGroupId=str(now), MessageDeduplicationId=f"restore-{now}")


def rebuild(collections: list[SavedCollection]) -> int:
    """Rebuilds the indexes of these collections; returns how many failed."""
    if not collections:
        return 0
    restore = uuid.uuid4()
    ids = ", ".join(f"'{saved.id}'" for saved in collections)
    database.execute(
        "INSERT INTO operations (uuid, collection_id, user_id, type, config) "
        f"SELECT gen_random_uuid(), id, owner_id, 'rebuild', '{{\"restore\": \"{restore}\"}}' "
        f"FROM collections WHERE id IN ({ids})")
    arm_sweep()
    query = (
        "SELECT c.name, o.status, o.error_message, o.meta -> 'counts' ->> 'failed' AS failed "
        f"FROM operations o JOIN collections c ON c.id = o.collection_id WHERE o.config ->> 'restore' = '{restore}'")
    deadline = time.monotonic() + STALLED_SECONDS
    with ProgressBar("rebuilding", len(collections)) as progress:
        while True:
            operations = [row for row in database.rows(query) if row["status"] in ("completed", "failed", "cancelled")]
            progress.show(len(operations))
            if len(operations) >= len(collections):
                break
            if time.monotonic() > deadline:
                raise CommandError(
                    f"the rebuilds did not end within {STALLED_SECONDS} s; sweep starts them, see its log")
            time.sleep(POLL_SECONDS)
    failed = [row for row in operations if row["status"] != "completed" or row["failed"] != "0"]
    for row in failed:
        reason = row["error_message"] or "retry them"
        print(f"  {row['name']}: {row['status']}, {row['failed'] or 'all'} documents failed: {reason}")
    return len(failed)


if __name__ == "__main__":
    run("scripts/restore", main)
