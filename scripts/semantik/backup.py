"""scripts/backup: writes the database, Qdrant snapshots and staged objects into a folder or a bucket."""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from command_line import CommandError
from local_stack.settings import http_address
from semantik import database, retention
from semantik.backup_storage import BucketPrefix, Digest, Folder, Storage, parse
from semantik.command import heading, last_line, run, variable
from semantik.manifest import Manifest, SavedCollection
from semantik.snapshots import Snapshots
from semantik.staged import StagingBucket
from semantik.stored_secrets import qdrant_api_key

DUMP = "database.dump"
# The last operation of each collection: a snapshot matches the dump if no operation ran in between.
STATE = """
SELECT c.id, c.name, c.vector_store_name, c.vector_count AS vectors,
    coalesce(max(o.id) FILTER (WHERE o.started_at IS NOT NULL), 0) AS last_operation,
    count(o.id) FILTER (WHERE o.status = 'processing') AS running
FROM collections c LEFT JOIN operations o ON o.collection_id = c.id
WHERE c.deleted_at IS NULL GROUP BY c.id ORDER BY c.created_at, c.id
"""


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/backup", add_help=False)
    parser.add_argument("destination")
    parser.add_argument("--without-snapshots", action="store_true")
    parser.add_argument("--without-artifacts", action="store_true")
    parser.add_argument("--keep", type=int, default=0)
    options = parser.parse_args()
    if options.keep < 0 or (options.keep and not parse(options.destination)):
        parser.error("--keep: the number of backups that a bucket keeps, 1 or more, is allowed")
    storage = destination(options.destination)
    began = time.monotonic()
    deleted = 0
    with database.without_erasures():
        manifest = back_up(storage, options)
        manifest.write(storage)
        if options.keep and isinstance(storage, BucketPrefix):
            heading("older backups")
            deleted = retention.keep_latest(storage, options.keep)
    last_line({
        "backup": storage.url,
        "schema_version": manifest.schema_version,
        "collections": len(manifest.collections),
        "snapshots": sum(saved.snapshot is not None for saved in manifest.collections),
        "artifacts": manifest.artifacts,
        "deleted_backups": deleted,
        "seconds": round(time.monotonic() - began, 1),
    })
    return True


def destination(name: str) -> Storage:
    """Returns where a new backup is written to."""
    place = parse(name)
    if place is not None:
        backup_id = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        return BucketPrefix(*place, backup_id)
    folder = Path(name)
    if folder.exists() and any(folder.iterdir()):
        raise CommandError(f"{folder} is not empty; an empty or new folder is required")
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    return Folder(folder)


def back_up(storage: Storage, options: argparse.Namespace) -> Manifest:
    """Writes the three parts of the backup; returns what it consists of."""
    heading(f"{storage.url}: database")
    before = state()
    with database.dump() as dump:
        content = Digest(dump)
        storage.write(DUMP, content)
    version = database.rows("SELECT max(version) AS version FROM _sqlx_migrations")[0]["version"]
    print(f"  {content.size} bytes, schema {version}")
    manifest = Manifest(
        created_at=datetime.now(UTC).isoformat(), schema_version=version,
        database=DUMP, database_sha256=content.sha256)

    heading("Qdrant")
    snapshots = Snapshots(os.environ.get("QDRANT_HTTP_URL") or http_address(variable("QDRANT_URL")), qdrant_api_key())
    for row in before.values():
        saved = SavedCollection(row["id"], row["name"], row["vector_store_name"], int(row["vectors"]))
        manifest.collections.append(saved)
        if options.without_snapshots:
            saved.reason = "excluded"
        else:
            save(snapshots, saved, storage)
    after = state()
    for saved in manifest.collections:
        if saved.snapshot and not is_unchanged(before[saved.id], after.get(saved.id)):
            discard(storage, saved, "an operation ran during the backup")
        result = saved.snapshot or f"no snapshot ({saved.reason}); scripts/restore uses staged vectors"
        print(f"  {saved.name}: {saved.vectors} vectors, {result}")

    heading("staged objects")
    if not options.without_artifacts:
        counts, manifest.objects_sha256 = StagingBucket().save(storage)
        manifest.artifacts = {"objects": counts.objects, "bytes": counts.bytes, "copied": counts.copied}
        print(f"  {counts}")
    else:
        print("  excluded; without the bucket itself, documents cannot be restored, retried or rebuilt")
    return manifest


def state() -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in database.rows(STATE)}


def is_unchanged(before: dict[str, str], after: dict[str, str] | None) -> bool:
    """Returns whether no operation ran on the collection at or between both times."""
    if after is None or before["running"] != "0" or after["running"] != "0":
        return False
    return before["last_operation"] == after["last_operation"]


def save(snapshots: Snapshots, saved: SavedCollection, storage: Storage) -> None:
    """Stores a new snapshot; records the reason if there can be none."""
    name = saved.vector_store_name
    try:
        if others := snapshots.other_nodes(name):
            saved.reason = f"other nodes have {others} of its shards, and a snapshot is of one node"
            return
        written = snapshots.create(name)
    except CommandError as error:
        saved.reason = str(error)
        return
    path = f"snapshots/{name}.snapshot"
    try:
        with snapshots.download(name, written["name"]) as response:
            content = Digest(response)
            storage.write(path, content)
    finally:
        snapshots.delete(name, written["name"])
    saved.snapshot, saved.sha256, saved.bytes = path, content.sha256, content.size
    if written.get("checksum") not in (None, saved.sha256):
        raise CommandError(
            f"{path} is damaged: its SHA-256 is {saved.sha256}, expected {written['checksum']}; run the backup again")


def discard(storage: Storage, saved: SavedCollection, reason: str) -> None:
    """Deletes the snapshot of a collection from the backup."""
    if saved.snapshot:
        storage.delete(saved.snapshot)
    saved.snapshot = saved.sha256 = saved.bytes = None
    saved.reason = reason


if __name__ == "__main__":
    run("scripts/backup", main)
