"""The workspace as cargo describes it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from command_line import CommandError

ROOT = Path(__file__).resolve().parents[2]


def read() -> dict[str, Any]:
    """Returns the output of `cargo metadata`."""
    ended = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"], cwd=ROOT, capture_output=True, text=True)
    if ended.returncode != 0:
        raise CommandError(f"cargo metadata failed: {ended.stderr.strip()}")
    described: dict[str, Any] = json.loads(ended.stdout)
    return described


def members(metadata: dict[str, Any]) -> dict[str, Any]:
    """Returns the packages of this workspace by name."""
    packages = {package["id"]: package for package in metadata["packages"]}
    return {packages[id]["name"]: packages[id] for id in metadata["workspace_members"]}
