"""Builds what is deployed: the model folder, the binaries, and one package folder per function."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
from pathlib import Path

from local_stack import libraries
from local_stack.settings import BUILT, ROOT, TEST_MODELS, VENV, StackError, target_dir

PACKAGES = BUILT / "build"
# Programs for people.
PROGRAMS = BUILT / "bin"
MODELS = BUILT / "models"
OCR_MODELS = BUILT / "ocr"
FUNCTIONS = (
    "api", "search", "console", "intake", "scan", "extract", "recognize", "chunk", "embed", "notify", "sweep",
    "migrate",
)
# Used by semantic chunking only, not for embedding.
TOKEN_VECTORS = "static.safetensors"
# The files of a model folder that each function needs. Functions that need the weights get ONNX Runtime, too.
MODEL_FILES = {
    "api": ["model.json", "tokenizer.json", TOKEN_VECTORS],
    "scan": ["model.json"],
    "chunk": ["model.json", "tokenizer.json", TOKEN_VECTORS],
    "search": ["*"],
    "embed": ["*"],
}
# The files of the package rapidocr that are copied to OCR_MODELS, by their names there.
OCR_FILES = {
    "detection.onnx": "rapidocr/models/PP-OCRv6_det_small.onnx",
    "orientation.onnx": "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "recognition.onnx": "rapidocr/models/PP-OCRv6_rec_small.onnx",
    "LICENSE": "rapidocr-*.dist-info/licenses/LICENSE",
    "MODEL_LICENSES.md": "rapidocr-*.dist-info/licenses/MODEL_LICENSES.md",
}


def models() -> None:
    """Creates the model folders in .local/models, the small ones of the tests, and that of the OCR models, unless they
    are up to date."""
    ocr_models()
    python = str(VENV / "bin" / "python")
    _run([python, str(ROOT / "scripts" / "make-model")], "scripts/make-model")
    words = MODELS / "all-MiniLM-L6-v2" / "tokenizer.json"
    _run([python, "-m", "onnx_models.small", str(TEST_MODELS), str(words)], "creating the small models of the tests")


def ocr_models() -> None:
    """Copies the OCR models of the package rapidocr, with their licences."""
    for name, pattern in OCR_FILES.items():
        found = sorted(VENV.glob(f"lib/python3*/site-packages/{pattern}"))
        if not found:
            raise StackError("the OCR models are not installed in .venv; run scripts/install")
        _place(found[0], OCR_MODELS / name)


def small_models() -> None:
    """Creates the second model of the local stack from the first one."""
    _run([str(VENV / "bin" / "python"), str(ROOT / "scripts" / "make-small-model")], "scripts/make-small-model")


def binaries() -> Path:
    """Builds every binary of the workspace in the dev profile; returns their folder."""
    _run(["cargo", "build", "--quiet", "--workspace", "--bins"], "cargo build")
    return target_dir() / "debug"


def install_command_line(built: Path) -> None:
    """Links the command line from the folder of binaries for people, which `scripts/stack env` puts into PATH."""
    link = PROGRAMS / "semantik"
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.readlink() != built / "semantik":
        link.unlink(missing_ok=True)
        link.symlink_to(built / "semantik")


def function_binaries(profile: str) -> Path:
    """Builds the functions in a cargo profile; returns the folder of the binaries."""
    if profile == "dev":
        return binaries()
    chosen = [word for name in FUNCTIONS for word in ("--bin", name)]
    _run(["cargo", "build", "--quiet", "--release", *chosen], "cargo build --release")
    return target_dir() / "release"


def assemble(
    function: str, bootstrap: Path, packages: Path = PACKAGES, architecture: str = libraries.HOST,
    reranker: Path | None = None,
) -> Path:
    """Creates the package folder of a function: bootstrap and its read-only files.

    Beside the folder of a cross-encoder, the search function has room for the models in float16 and int8 only.
    """
    package = packages / function
    wanted: dict[Path, Path] = {Path("bootstrap"): bootstrap}
    patterns = MODEL_FILES.get(function, [])
    for source in sorted({file for pattern in patterns for file in MODELS.glob(f"*/{pattern}")}):
        if source.name == TOKEN_VECTORS and TOKEN_VECTORS not in patterns:
            continue
        wanted[Path("models") / source.relative_to(MODELS)] = source
    if reranker is not None and function == "search":
        wanted = _without_float32(wanted) | _reranker_files(reranker)
    if uses_onnxruntime(function):
        if architecture == libraries.HOST:
            # Models and runtime take most of the 250 MB that Lambda allows. Of another processor, only release builds
            # exist, which have no symbols.
            wanted[Path("bootstrap")] = _without_symbols(function, bootstrap)
        wanted[Path("lib/libonnxruntime.so")] = onnxruntime(architecture)
    if function in ("extract", "recognize"):
        wanted[Path("libpdfium.so")] = pdfium(architecture)
    if function == "recognize":
        wanted |= {Path("ocr") / name: OCR_MODELS / name for name in OCR_FILES}
    for relative, source in wanted.items():
        if not source.exists():
            raise StackError(f"{function} needs {source}, which does not exist")
        _place(source, package / relative)
    for stale in [path for path in package.rglob("*") if path.is_file()]:
        if stale.relative_to(package) not in wanted:
            stale.unlink()
    return package


def uses_onnxruntime(function: str) -> bool:
    """Returns whether a function runs a model itself."""
    return function == "recognize" or "*" in MODEL_FILES.get(function, [])


def onnxruntime(architecture: str = libraries.HOST) -> Path:
    """Returns the path of the shared library in the package onnxruntime."""
    return libraries.find("onnxruntime/capi/libonnxruntime.so.*", architecture)


def pdfium(architecture: str = libraries.HOST) -> Path:
    """Returns the path of the shared library in the package pypdfium2."""
    return libraries.find("pypdfium2_raw/libpdfium.so", architecture)


def _reranker_files(folder: Path) -> dict[Path, Path]:
    """Returns the files of a cross-encoder that the search function reads, by their paths in its package."""
    graphs = [path for path in (Path("model.onnx"), Path("onnx/model.onnx")) if (folder / path).exists()]
    if not graphs:
        raise StackError(f"{folder} has neither model.onnx nor onnx/model.onnx; a Hugging Face ONNX export is required")
    names = [Path("config.json"), Path("tokenizer.json"), graphs[0]]
    return {Path("reranker") / name: folder / name for name in names}


def _without_float32(files: dict[Path, Path]) -> dict[Path, Path]:
    """Leaves out the float32 graphs of models that have others.

    The manifest in the package lacks them, too, so that queries of float32 collections are embedded in float16.
    """
    kept = dict(files)
    for relative, source in files.items():
        if source.name != "model.json":
            continue
        manifest = json.loads(source.read_text())
        variants = manifest["variants"]
        if "float32" not in variants or len(variants) == 1:
            continue
        for file in variants.pop("float32").values():
            if isinstance(file, dict):
                kept.pop(relative.with_name(file["name"]))
        slim = BUILT / "slim" / relative
        slim.parent.mkdir(parents=True, exist_ok=True)
        slim.write_text(json.dumps(manifest, indent=2) + "\n")
        kept[relative] = slim
    return kept


def _without_symbols(function: str, binary: Path) -> Path:
    """Returns a stripped copy of the binary; strips again only if the binary has changed."""
    stripped = BUILT / "stripped" / f"{function}-{binary.parent.name}"
    modified = binary.stat().st_mtime_ns if binary.exists() else 0
    if not stripped.exists() or stripped.stat().st_mtime_ns != modified:
        stripped.parent.mkdir(parents=True, exist_ok=True)
        _run(["strip", "--strip-all", "-o", str(stripped), str(binary)], "strip (binutils)")
        os.utime(stripped, ns=(modified, modified))
    return stripped


def _place(source: Path, destination: Path) -> None:
    """Copies a file unless the destination has the same contents. Not linked, because cargo rewrites its files."""
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
        raise StackError(f"{what}: {command[0]} is not installed") from error
    if status != 0:
        raise StackError(f"{what} failed with status {status}")
