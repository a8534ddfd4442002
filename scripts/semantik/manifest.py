"""The contents of a backup, in one file that is written last: without it, a backup is incomplete."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from command_line import CommandError

NAME = "manifest.json"
FORMAT = 1


@dataclass
class SavedCollection:
    """A collection and the snapshot of its index. Without a snapshot, the index is rebuilt from staged vectors."""

    id: str
    name: str
    vector_store_name: str
    vectors: int
    snapshot: str | None = None
    sha256: str | None = None
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
    collections: list[SavedCollection] = field(default_factory=list)
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        partial = folder / f"{NAME}.partial"
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n")
        partial.replace(folder / NAME)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        try:
            content: dict[str, Any] = json.loads((folder / NAME).read_text())
        except FileNotFoundError as error:
            raise CommandError(
                f"{folder} has no {NAME}: it is not a backup or was interrupted; use another one") from error
        if content.get("format") != FORMAT:
            raise CommandError(f"{folder}: format {FORMAT} is required, got {content.get('format')}")
        collections = [SavedCollection(**entry) for entry in content.pop("collections")]
        return cls(**content, collections=collections)
