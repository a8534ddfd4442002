"""What a backup holds, in one file that is written last: a backup without it is not one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from semantik.errors import CommandError

NAME = "manifest.json"
FORMAT = 1


@dataclass
class SavedCollection:
    """A collection, and the snapshot of its points. Without one they are rebuilt from staged vectors."""

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
    # Staged objects: how many of them lie in the backup, and how many bytes. None if they were left out.
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
            raise CommandError(f"{folder} has no {NAME}: it is no backup, or one that was interrupted") from error
        if content.get("format") != FORMAT:
            raise CommandError(f"{folder} is of format {content.get('format')}; this version reads {FORMAT}")
        collections = [SavedCollection(**entry) for entry in content.pop("collections")]
        return cls(**content, collections=collections)
