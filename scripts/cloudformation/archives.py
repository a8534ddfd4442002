"""Zip archives of packages, named by their contents, and the template that refers to them."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from command_line import CommandError

_CODE_URI = re.compile(r"^(?P<head>\s+CodeUri:\s+)target/lambda/(?P<function>\w+)/\s*$", re.MULTILINE)
# Zip cannot represent an earlier time. Equal contents give equal archives.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive(function: str, package: Path, folder: Path, *, compress: bool) -> Path:
    """Creates the archive of a package unless it exists, and deletes older ones of the function; returns its path."""
    files = sorted(path for path in package.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(package)}\0{_file_digest(path)}\n".encode())
    created = folder / f"{function}-{digest.hexdigest()[:24]}.zip"
    if not created.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = created.with_suffix(".partial")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as out:
            for path in files:
                _add(out, path, path.relative_to(package))
        partial.replace(created)
        for older in folder.glob(f"{function}-*"):
            if older != created:
                older.unlink()
    return created


def with_archives(template: str, locations: Mapping[str, str]) -> str:
    """Replaces the CodeUri of every function by the S3 URI of its archive."""
    functions = [match["function"] for match in _CODE_URI.finditer(template)]
    if sorted(functions) != sorted(locations):
        raise CommandError(
            f"template.yaml has a CodeUri for {', '.join(sorted(functions)) or 'no function'}; packages exist for "
            f"{', '.join(sorted(locations))}")
    return _CODE_URI.sub(lambda match: f"{match['head']}{locations[match['function']]}", template)


def schema_version(migrations: Path) -> str:
    """Returns a digest of the migrations; when it changes, CloudFormation runs the migration resource."""
    digest = hashlib.sha256()
    for path in sorted(migrations.glob("*.sql")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _add(archive: zipfile.ZipFile, path: Path, name: Path) -> None:
    entry = zipfile.ZipInfo(name.as_posix(), _EPOCH)
    entry.compress_type = archive.compression
    entry.external_attr = (path.stat().st_mode & 0xFFFF) << 16
    with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as out:
        while block := source.read(1 << 20):
            out.write(block)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
