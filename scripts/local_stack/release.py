"""The last step of scripts/build-lambda: creates the packages for AWS and checks their sizes."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

from command_line import run
from local_stack import build
from local_stack.settings import ROOT

PACKAGES = ROOT / "target" / "lambda"
MEGABYTE = 1_000_000
# A small package starts fast. Packages with ONNX Runtime have only the limit that AWS sets for unzipped packages.
ZIPPED_BUDGET = 15 * MEGABYTE
UNZIPPED_LIMIT = 250 * 1024 * 1024
# The version of Amazon Linux 2023.
NEWEST_GLIBC = (2, 34)


def main() -> bool:
    architecture, reranker, functions = sys.argv[1], Path(sys.argv[2]) if sys.argv[2] else None, sys.argv[3:]
    return not sum(_package(function, architecture, reranker) for function in functions)


def _package(function: str, architecture: str, reranker: Path | None) -> int:
    """Creates the package of one function and prints its sizes; returns how many limits it exceeds."""
    # Where cargo-lambda puts it. The other files are added there.
    built = PACKAGES / function / "bootstrap"
    package = build.assemble(function, built, PACKAGES, architecture, reranker)
    zipped = package.with_suffix(".zip")
    files = sorted(path for path in package.rglob("*") if path.is_file())
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(package))
    unzipped_bytes, zipped_bytes = sum(path.stat().st_size for path in files), zipped.stat().st_size
    zipped.unlink()
    problems = []
    if not build.uses_onnxruntime(function) and zipped_bytes > ZIPPED_BUDGET:
        problems.append(f"over {ZIPPED_BUDGET // MEGABYTE} MB zipped")
    if unzipped_bytes > UNZIPPED_LIMIT:
        problems.append("over the AWS limit of 250 MB unzipped")
    glibc = newest_glibc(built)
    if glibc > NEWEST_GLIBC:
        problems.append(f"needs glibc {glibc[0]}.{glibc[1]}, Amazon Linux 2023 has 2.34")
    print(f"{function:9} {zipped_bytes / MEGABYTE:7.1f} MB zipped {unzipped_bytes / MEGABYTE:7.1f} MB unzipped"
          f"  glibc {glibc[0]}.{glibc[1]}  {'; '.join(problems) or 'ok'}")
    return len(problems)


def newest_glibc(binary: Path) -> tuple[int, int]:
    """Returns the newest glibc version among the symbol versions of a binary, which contains them as text."""
    versions = re.findall(rb"GLIBC_(\d+)\.(\d+)", binary.read_bytes())
    return max(((int(major), int(minor)) for major, minor in versions), default=(0, 0))


if __name__ == "__main__":
    run("scripts/build-lambda", main)
