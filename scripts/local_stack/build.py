"""From sources to what is deployed: the model folder, the binaries, one folder per function."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
from pathlib import Path

from local_stack.settings import BUILT, ROOT, SMALL_MODELS, TEST_MODELS, VENV, StackError, target_dir

PACKAGES = BUILT / "build"
MODELS = BUILT / "models"
FUNCTIONS = ("api", "search", "intake", "scan", "chunk", "embed", "sweep", "migrate")
# What cuts texts by subject, and nothing that embeds, reads of a model folder.
TOKEN_VECTORS = "static.safetensors"
# What each function reads of a model folder; ONNX Runtime itself goes with the weights.
MODEL_FILES = {
    "api": ["model.json", "tokenizer.json", TOKEN_VECTORS],
    "scan": ["model.json"],
    "chunk": ["model.json", "tokenizer.json", TOKEN_VECTORS],
    "search": ["*"],
    "embed": ["*"],
}


def models() -> None:
    """Makes the model folders under .local/models, and the tests' small ones beside them; what is there
    is left alone."""
    python = str(VENV / "bin" / "python")
    _run([python, str(ROOT / "scripts" / "make-model")], "scripts/make-model")
    words = MODELS / "all-MiniLM-L6-v2" / "tokenizer.json"
    _run([python, "-m", "onnx_models.small", str(TEST_MODELS), str(words)], "the tests' small models")


def small_models() -> None:
    """Makes the second model of the local stack from the first one."""
    _run([str(VENV / "bin" / "python"), str(ROOT / "scripts" / "make-small-model")], "scripts/make-small-model")


def binaries() -> Path:
    """Builds every binary of the workspace in the dev profile, and says where they are."""
    _run(["cargo", "build", "--quiet", "--workspace", "--bins"], "cargo build")
    return target_dir() / "debug"


def function_binaries(profile: str) -> Path:
    """Builds the functions in a profile of cargo's, and says where they are. In the release profile these are
    the binaries that scripts/build-lambda packs for AWS."""
    if profile == "dev":
        return binaries()
    chosen = [word for name in FUNCTIONS for word in ("--bin", name)]
    _run(["cargo", "build", "--quiet", "--release", *chosen], "cargo build --release")
    return target_dir() / "release"


def assemble(function: str, bootstrap: Path, packages: Path = PACKAGES) -> Path:
    """Lays out a function's package: bootstrap with its read-only files beside it."""
    package = packages / function
    wanted: dict[Path, Path] = {Path("bootstrap"): bootstrap}
    patterns = MODEL_FILES.get(function, [])
    for source in sorted({file for pattern in patterns for file in MODELS.glob(f"*/{pattern}")}):
        if source.name == TOKEN_VECTORS and TOKEN_VECTORS not in patterns:
            continue
        wanted[Path("models") / source.relative_to(MODELS)] = source
    if uses_onnxruntime(function):
        # Models and runtime fill most of what Lambda lets a package be (250 MB): symbols have no room.
        wanted[Path("bootstrap")] = _without_symbols(function, bootstrap)
        wanted[Path("lib/libonnxruntime.so")] = onnxruntime()
    for relative, source in wanted.items():
        if not source.exists():
            raise StackError(f"{function} needs {source}, which is not there")
        _place(source, package / relative)
    for stale in [path for path in package.rglob("*") if path.is_file()]:
        if stale.relative_to(package) not in wanted:
            stale.unlink()
    return package


def uses_onnxruntime(function: str) -> bool:
    """Whether a function embeds texts itself."""
    return "*" in MODEL_FILES.get(function, [])


def onnxruntime() -> Path:
    """The shared library inside PyPI's onnxruntime."""
    found = sorted(VENV.glob("lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*"))
    if not found:
        raise StackError("ONNX Runtime is not installed in .venv; run scripts/install")
    return found[0]


def _without_symbols(function: str, binary: Path) -> Path:
    """A copy, made anew when the binary is."""
    stripped = BUILT / "stripped" / f"{function}-{binary.parent.name}"
    modified = binary.stat().st_mtime_ns if binary.exists() else 0
    if not stripped.exists() or stripped.stat().st_mtime_ns != modified:
        stripped.parent.mkdir(parents=True, exist_ok=True)
        _run(["strip", "--strip-all", "-o", str(stripped), str(binary)], "strip (binutils)")
        os.utime(stripped, ns=(modified, modified))
    return stripped


def _place(source: Path, destination: Path) -> None:
    """Copies, unless the same bytes are there; a copy, because cargo rewrites its files."""
    if destination.exists() and filecmp.cmp(source, destination):
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(destination.name + ".partial")
    shutil.copy2(source, partial)
    partial.replace(destination)


def _run(command: list[str], what: str) -> None:
    try:
        status = subprocess.run(command, cwd=ROOT, env=os.environ).returncode
    except FileNotFoundError as error:
        raise StackError(f"{what}: {command[0]} is not there") from error
    if status != 0:
        raise StackError(f"{what} failed with status {status}")
