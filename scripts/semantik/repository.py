"""This repository as a corpus: documentation, configuration, migrations, scripts and shared crates."""

from __future__ import annotations

import subprocess
from pathlib import Path

from command_line import CommandError
from semantik.client import File

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
# Git pathspecs, in which * also matches / unless they are globs. Of the crates, the modules at the top: all of them
# take minutes, and show no more.
CHOSEN = (
    "*.md", "LICENSE-*", "*.yaml", "*.yml", "clippy.toml", "deny.toml", "migrations/*.up.sql",
    ":(glob)scripts/*", ":(glob)scripts/local_stack/*", ":(glob)shared/*/src/*.rs", ":(glob)functions/*/src/lib.rs",
)
# README.md and the demo contain the demo's queries word for word, and would be the best hits of each. Samples and
# tests are about anything.
EXCLUDED = ("README.md", "scripts/demo", "scripts/semantik/*", "*/tests/*", "*/tests.rs", "*_test.py", "*/samples/*")
MAX_BYTES = 128 * 1024


def files(root: Path) -> list[File]:
    """Returns the chosen text files that git tracks or would add, named by their paths."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--",
         *CHOSEN, *(f":(exclude){path}" for path in EXCLUDED)],
        cwd=root, capture_output=True, text=True,
    )
    if listing.returncode != 0:
        raise CommandError(f"git ls-files failed: {listing.stderr.strip()}")
    paths = sorted(Path(path) for path in set(listing.stdout.split("\0")) if path)
    return [
        File(str(path), (root / path).read_bytes(), CONTENT_TYPES[path.suffix])
        for path in paths
        if path.suffix in CONTENT_TYPES and (root / path).is_file()
        and 0 < (root / path).stat().st_size <= MAX_BYTES
    ]
