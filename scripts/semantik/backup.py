"""scripts/backup: writes the database, Qdrant snapshots and staged objects into one folder."""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from command_line import CommandError
from local_stack.settings import http_address
from semantik import database
from semantik.command import heading, last_line, run, variable
from semantik.manifest import Manifest, SavedCollection
from semantik.snapshots import Snapshots, sha256
from semantik.staged import StagingBucket

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
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without-snapshots", action="store_true")
    parser.add_argument("--without-artifacts", action="store_true")
    options = parser.parse_args()
    folder: Path = options.folder
    if folder.exists() and any(folder.iterdir()):
        raise CommandError(f"{folder} is not empty; an empty or new folder is required")
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    began = time.monotonic()
    with database.without_erasures():
        manifest = back_up(folder, options)
    manifest.write(folder)
    last_line({
        "folder": str(folder),
        "schema_version": manifest.schema_version,
        "collections": len(manifest.collections),
        "snapshots": sum(saved.snapshot is not None for saved in manifest.collections),
        "artifacts": manifest.artifacts,
        "seconds": round(time.monotonic() - began, 1),
    })
    return True


def back_up(folder: Path, options: argparse.Namespace) -> Manifest:
    """Writes the three parts of the backup; returns what it consists of."""
    heading("database")
    before = state()
    dump = folder / "database.dump"
    database.dump(dump)
    version = database.rows("SELECT max(version) AS version FROM _sqlx_migrations")[0]["version"]
    print(f"  {dump.stat().st_size} bytes, schema {version}")
    manifest = Manifest(
        created_at=datetime.now(UTC).isoformat(), schema_version=version,
        database=dump.name, database_sha256=sha256(dump))

    heading("Qdrant")
    snapshots = Snapshots(
        os.environ.get("QDRANT_HTTP_URL") or http_address(variable("QDRANT_URL")), os.environ.get("QDRANT_API_KEY"))
    (folder / "snapshots").mkdir()
    for row in before.values():
        saved = SavedCollection(row["id"], row["name"], row["vector_store_name"], int(row["vectors"]))
        manifest.collections.append(saved)
        if options.without_snapshots:
            saved.reason = "excluded"
        else:
            save(snapshots, saved, folder)
    after = state()
    for saved in manifest.collections:
        if saved.snapshot and not is_unchanged(before[saved.id], after.get(saved.id)):
            (folder / saved.snapshot).unlink()
            saved.snapshot = saved.sha256 = None
            saved.reason = "an operation ran during the backup"
        result = saved.snapshot or f"no snapshot ({saved.reason}); scripts/restore uses staged vectors"
        print(f"  {saved.name}: {saved.vectors} vectors, {result}")

    heading("staged objects")
    if not options.without_artifacts:
        manifest.artifacts = StagingBucket().save(folder / "artifacts")
        print(f"  {manifest.artifacts['objects']} objects, {manifest.artifacts['bytes']} bytes")
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


def save(snapshots: Snapshots, saved: SavedCollection, folder: Path) -> None:
    """Downloads a new snapshot; records the reason if there can be none."""
    try:
        written = snapshots.create(saved.vector_store_name)
    except CommandError as error:
        saved.reason = str(error)
        return
    path = f"snapshots/{saved.vector_store_name}.snapshot"
    try:
        snapshots.download(saved.vector_store_name, written["name"], folder / path)
    finally:
        snapshots.delete(saved.vector_store_name, written["name"])
    saved.snapshot, saved.sha256 = path, sha256(folder / path)
    if written.get("checksum") not in (None, saved.sha256):
        raise CommandError(
            f"{path} is damaged: its SHA-256 is {saved.sha256}, expected {written['checksum']}; run the backup again")


if __name__ == "__main__":
    run("scripts/backup", main)
