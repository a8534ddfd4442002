"""The contents of a backup, in one file that is written last: without it, a backup is incomplete."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from command_line import CommandError
from semantik.backup_storage import Storage

NAME = "manifest.json"
# Format 1 had no list of objects.
FORMAT = 2
READABLE = (1, 2)


@dataclass
class SavedCollection:
    """A collection and the snapshot of its index. Without a snapshot, the index is rebuilt from staged vectors."""

    id: str
    name: str
    vector_store_name: str
    vectors: int
    snapshot: str | None = None
    sha256: str | None = None
    # The size of the snapshot; absent in format 1.
    bytes: int | None = None
    # Why there is no snapshot.
    reason: str | None = None


@dataclass
class Manifest:
    created_at: str
    schema_version: str
    database: str
    database_sha256: str
    # Number and bytes of the staged objects in the backup; None if they were excluded.
    artifacts: dict[str, int] | None = None
    # The SHA-256 of the list of staged objects.
    objects_sha256: str | None = None
    collections: list[SavedCollection] = field(default_factory=list)
    format: int = FORMAT

    def write(self, storage: Storage) -> None:
        storage.write(NAME, io.BytesIO(json.dumps(asdict(self), indent=2).encode() + b"\n"))

    @classmethod
    def read(cls, storage: Storage) -> Manifest:
        try:
            with storage.open(NAME) as file:
                content: dict[str, Any] = json.loads(file.read())
        except FileNotFoundError as error:
            raise CommandError(
                f"{storage.url} has no {NAME}: it is not a backup or was interrupted; use another one") from error
        if content.get("format") not in READABLE:
            raise CommandError(f"{storage.url}: format {FORMAT} or older is required, got {content.get('format')}")
        collections = [SavedCollection(**entry) for entry in content.pop("collections")]
        return cls(**content, collections=collections)
