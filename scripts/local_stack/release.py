"""The last step of scripts/build-lambda: packages for AWS, weighed against their budgets."""

from __future__ import annotations

import platform
import re
import sys
import zipfile
from pathlib import Path

from local_stack import build
from local_stack.settings import ROOT, StackError

PACKAGES = ROOT / "target" / "lambda"
MEGABYTE = 1_000_000
# Without ONNX Runtime a function is to start fast; with it, AWS's own limit for an unzipped package holds.
ZIPPED_BUDGET = 15 * MEGABYTE
UNZIPPED_LIMIT = 250 * 1024 * 1024
# What Amazon Linux 2023 has.
NEWEST_GLIBC = (2, 34)


def main() -> int:
    architecture, functions = sys.argv[1], sys.argv[2:]
    try:
        return sum(_package(function, architecture) for function in functions) and 1
    except StackError as error:
        print(f"scripts/build-lambda: {error}", file=sys.stderr)
        return 1


def _package(function: str, architecture: str) -> int:
    """Lays out and weighs one function; prints its line; 1 when it is over a limit."""
    # Where cargo-lambda put it; the rest of the package joins it there.
    built = PACKAGES / function / "bootstrap"
    if architecture == "arm64" and build.uses_onnxruntime(function) and platform.machine() != "aarch64":
        raise StackError(f"{function} needs ONNX Runtime for arm64; build it on an arm64 machine")
    package = build.assemble(function, built, PACKAGES)
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
        problems.append("over AWS's 250 MB unzipped")
    glibc = newest_glibc(built)
    if glibc > NEWEST_GLIBC:
        problems.append(f"needs glibc {glibc[0]}.{glibc[1]}, Amazon Linux 2023 has 2.34")
    print(f"{function:9} {zipped_bytes / MEGABYTE:7.1f} MB zipped {unzipped_bytes / MEGABYTE:7.1f} MB unzipped"
          f"  glibc {glibc[0]}.{glibc[1]}  {'; '.join(problems) or 'ok'}")
    return len(problems)


def newest_glibc(binary: Path) -> tuple[int, int]:
    """The newest glibc symbol version that a binary names; the names are plain text in it."""
    versions = re.findall(rb"GLIBC_(\d+)\.(\d+)", binary.read_bytes())
    return max(((int(major), int(minor)) for major, minor in versions), default=(0, 0))


if __name__ == "__main__":
    sys.exit(main())
