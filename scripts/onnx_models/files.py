"""Hashes of files, manifests, and atomic replacement of folders."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

MANIFEST = "model.json"


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry(path: Path) -> dict[str, str]:
    """Returns the manifest entry of a file."""
    return {"name": path.name, "sha256": sha256_of(path)}


def fingerprint(recipe: Iterable[Path], sources: Iterable[Path], versions: Iterable[str]) -> str:
    """Returns a digest of everything that determines the contents of a model folder."""
    digest = hashlib.sha256()
    for path in [*sorted(recipe), *sources]:
        digest.update(bytes.fromhex(sha256_of(path)))
    for version in versions:
        digest.update(version.encode())
    return digest.hexdigest()


def recipe() -> list[Path]:
    """Returns the files of this package that determine the contents of model folders."""
    here = Path(__file__).parent
    return [path for path in here.iterdir() if path.suffix in (".py", ".txt") and not path.stem.endswith("_test")]


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def is_right(folder: Path, made_from: str) -> bool:
    """Returns whether a folder is up to date and complete."""
    try:
        manifest = read_json(folder / MANIFEST)
        variants = manifest["variants"].values()
        files = [
            manifest["tokenizer"], manifest["static_vectors"],
            *(variant[role] for variant in variants for role in ("graph", "weights")),
        ]
        return bool(manifest["made_from"] == made_from) and all(
            sha256_of(folder / file["name"]) == file["sha256"] for file in files
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def replace(folder: Path, write: Callable[[Path], None]) -> None:
    """Replaces a folder atomically by one that `write` has filled."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fresh = workspace / folder.name
        fresh.mkdir()
        write(fresh)
        # A folder cannot be renamed over one that is not empty.
        if folder.exists():
            folder.rename(workspace / "old")
        fresh.rename(folder)
    finally:
        shutil.rmtree(workspace)
