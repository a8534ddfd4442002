"""This repository as a corpus: its documents, migrations, templates and sources."""

from __future__ import annotations

import subprocess
from pathlib import Path

from semantik.client import File
from semantik.errors import CommandError

# What a reader would call text here, and what it is announced as.
CONTENT_TYPES = {
    ".md": "text/markdown",
    ".rs": "text/x-rust",
    ".sql": "application/sql",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".py": "text/x-python",
    "": "text/plain",
}
# Documents first: where the limit cuts, it cuts sources.
ORDER = [".md", "", ".sql", ".yaml", ".yml", ".toml", ".py", ".rs"]
LARGEST_BYTES = 48 * 1024
MOST_FILES = 120
# Nobody asks what these say.
LEFT_OUT = (".sqlx/", ".lock", "Cargo.toml", ".down.sql", ".gitignore", "/tests.rs")


def files(root: Path) -> list[File]:
    """Up to MOST_FILES text files that git knows or would add, with their path as their name."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True,
    )
    if listing.returncode != 0:
        raise CommandError(f"git cannot list this checkout's files: {listing.stderr.strip()}")
    chosen = [
        path for path in map(Path, filter(None, listing.stdout.split("\0")))
        if path.suffix in CONTENT_TYPES and not any(part in str(path) for part in LEFT_OUT)
        and (root / path).is_file() and 0 < (root / path).stat().st_size <= LARGEST_BYTES
    ]
    chosen.sort(key=lambda path: (ORDER.index(path.suffix), str(path)))
    return [
        File(str(path), (root / path).read_bytes(), CONTENT_TYPES[path.suffix]) for path in chosen[:MOST_FILES]
    ]
