"""Shared libraries that packages contain, of the wheels in requirements.lock: for this machine's processor, or for
another one."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import subprocess
from pathlib import Path

from local_stack.settings import BUILT, ROOT, VENV, StackError

# Lambda's names of processors.
HOST = {"aarch64": "arm64"}.get(platform.machine(), "x86_64")
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
_WHEELS = ("onnxruntime", "pypdfium2")
# Amazon Linux 2023 has glibc 2.34. Each wheel is for the oldest system that it runs on.
_SYSTEMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")


def find(pattern: str, architecture: str) -> Path:
    """Returns the library that matches a pattern below site-packages."""
    if architecture == HOST:
        found = sorted(VENV.glob(f"lib/python3*/site-packages/{pattern}"))
    else:
        found = sorted(_foreign(architecture).glob(pattern))
    if not found:
        raise StackError(f"{pattern} is not installed; run scripts/install")
    return found[0]


def _foreign(architecture: str) -> Path:
    """Installs the wheels for another processor unless they are there; returns their folder."""
    folder = BUILT / "libraries" / architecture
    wanted = "".join(_locked(name) for name in _WHEELS)
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    stamp = folder / ".installed-from"
    if stamp.exists() and stamp.read_text() == digest:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(wanted)
    platforms = [word for system in _SYSTEMS for word in ("--platform", f"{system}_{_MACHINES[architecture]}")]
    command = [
        str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
        "--no-deps", "--require-hashes", "--only-binary", ":all:", *platforms, "--target", str(folder),
        "-r", str(requirements)]
    if subprocess.run(command).returncode != 0:
        raise StackError(f"the wheels of {', '.join(_WHEELS)} for {architecture} could not be installed")
    stamp.write_text(digest)
    return folder


def _locked(name: str) -> str:
    """Returns the entry of a package in requirements.lock, with its hashes."""
    lock = (ROOT / "requirements.lock").read_text()
    entry = re.search(rf"^{re.escape(name)}==.*(?:\n    --hash=.*)+\n", lock, re.MULTILINE)
    if entry is None:
        raise StackError(f"requirements.lock has no package {name}")
    return entry[0]
