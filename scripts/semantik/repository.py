"""This repository as a corpus: its documents, configuration, migrations, scripts and shared crates."""

from __future__ import annotations

import subprocess
from pathlib import Path

from semantik.client import File
from semantik.errors import CommandError

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
# As git's pathspecs, in which * also crosses folders.
CHOSEN = (
    "*.md", "LICENSE-*", "*.yaml", "*.yml", "clippy.toml", "deny.toml", "scripts/*",
    "migrations/*.up.sql", "shared/*/src/*.rs", "functions/*/src/lib.rs",
)
# README.md quotes the demo's questions and the demo asks them: either would be every question's best
# answer, word for word. Samples and tests speak about anything.
LEFT_OUT = ("README.md", "scripts/demo", "scripts/semantik/*", "*/tests/*", "*/tests.rs", "*_test.py", "*/samples/*")
LARGEST_BYTES = 64 * 1024


def files(root: Path) -> list[File]:
    """The chosen text files that git knows or would add, with their path as their name."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--",
         *CHOSEN, *(f":(exclude){path}" for path in LEFT_OUT)],
        cwd=root, capture_output=True, text=True,
    )
    if listing.returncode != 0:
        raise CommandError(f"git cannot list this checkout's files: {listing.stderr.strip()}")
    paths = sorted(Path(path) for path in set(listing.stdout.split("\0")) if path)
    return [
        File(str(path), (root / path).read_bytes(), CONTENT_TYPES[path.suffix])
        for path in paths
        if path.suffix in CONTENT_TYPES and (root / path).is_file()
        and 0 < (root / path).stat().st_size <= LARGEST_BYTES
    ]
