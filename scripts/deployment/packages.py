"""The packages of the functions: built, checked, and uploaded to the deployment bucket."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

from cloudformation.archives import archive
from command_line import CommandError
from deployment.bucket import DeploymentBucket
from deployment.config import Config
from local_stack.build import FUNCTIONS
from local_stack.release import NEWEST_GLIBC, newest_glibc
from local_stack.settings import ROOT

BUILT = ROOT / "target" / "lambda"
ARCHIVES = ROOT / "target" / "lambda-archives"
# e_machine of an ELF header.
_MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}


def build(config: Config) -> Path:
    """Builds all packages; returns the folder with one folder per function."""
    command = [str(ROOT / "scripts" / "build-lambda"), "--compiler", config.compiler]
    if config.architecture == "arm64":
        command.append("--arm64")
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise CommandError("scripts/build-lambda failed; its output is above")
    return BUILT


def archives(folder: Path) -> dict[str, Path]:
    """Creates the archives of the packages; returns their paths by function."""
    return {function: archive(function, folder / function, ARCHIVES, compress=True) for function in FUNCTIONS}


def problems(folder: Path, architecture: str) -> list[str]:
    """Returns what would keep the packages from starting on Lambda."""
    found = []
    for function in FUNCTIONS:
        binary = folder / function / "bootstrap"
        if not binary.exists():
            found.append(f"{binary} is missing; run scripts/build-lambda")
            continue
        with binary.open("rb") as file:
            header = file.read(20)
        if header[:4] == b"\x7fELF":
            machine = struct.unpack_from("<H", header, 18)[0]
            if machine != _MACHINES[architecture]:
                built = next((name for name, number in _MACHINES.items() if number == machine), f"machine {machine}")
                found.append(f"{function} is built for {built}, architecture is {architecture}")
        glibc = newest_glibc(binary)
        if glibc > NEWEST_GLIBC:
            found.append(
                f"{function} needs glibc {glibc[0]}.{glibc[1]}, Lambda has {NEWEST_GLIBC[0]}.{NEWEST_GLIBC[1]}; "
                'set compiler = "zig"')
    return found


def keys(bucket: DeploymentBucket, archives: dict[str, Path]) -> dict[str, str]:
    """Returns the key of each archive in the bucket."""
    return {function: bucket.key("packages", path.name) for function, path in archives.items()}


def upload(bucket: DeploymentBucket, archives: dict[str, Path], say: Callable[[str], None]) -> None:
    """Uploads the archives that the bucket does not have."""
    present = bucket.keys("packages")
    wanted = {key: archives[function] for function, key in keys(bucket, archives).items()}
    missing = {key: path for key, path in wanted.items() if key not in present}
    for key, path in missing.items():
        bucket.upload(path, key)
    size = sum(path.stat().st_size for path in missing.values()) / 1e6
    place = f"s3://{bucket.name}/{bucket.key('packages')}/"
    say(f"{len(missing)} of {len(wanted)} packages uploaded to {place} ({size:.0f} MB)")
