"""Where a backup is: a folder, or a prefix of a bucket. Both are written and read as streams."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from command_line import CommandError

BUFFER_BYTES = 1 << 20
# S3 allows 10,000 parts: 320 GB for the dump of a database or a snapshot. Four parts are in memory.
PART_BYTES = 32 << 20
TRANSFER = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)
# S3 copies larger objects in parts only.
LARGEST_COPY_BYTES = 5 << 30
CONNECTIONS = 48
# Staged objects, by their keys in the staging bucket.
ARTIFACTS = "artifacts"


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class StoredObject:
    """An object by its key in the staging bucket."""

    key: str
    size: int
    modified: datetime


class Digest:
    """A stream that computes the SHA-256 and the size of what is read from it."""

    def __init__(self, source: Readable):
        self._source, self._sha256, self.size = source, hashlib.sha256(), 0

    def read(self, size: int = -1, /) -> bytes:
        part = self._source.read(size)
        self._sha256.update(part)
        self.size += len(part)
        return part

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()


class Storage(ABC):
    """The files of one backup, and the staged objects, which all backups of a bucket's prefix share."""

    url: str

    @abstractmethod
    def write(self, name: str, source: Readable) -> None:
        """Creates a file; it appears complete or not at all."""

    @abstractmethod
    def open(self, name: str) -> Any:
        """Returns a context manager of a stream of the file. Raises FileNotFoundError."""

    @abstractmethod
    def delete(self, name: str) -> None: ...

    @abstractmethod
    def staged_objects(self, prefix: str) -> Iterator[StoredObject]:
        """Yields the staged objects in the storage, sorted by key."""

    @abstractmethod
    def take(self, s3: Any, bucket: str, staged: StoredObject) -> None:
        """Copies an object from the staging bucket. Raises FileNotFoundError if it has disappeared."""

    @abstractmethod
    def put_back(self, s3: Any, bucket: str, staged: StoredObject) -> None:
        """Copies an object into the staging bucket."""

    def write_with_digest(self, name: str, source: Readable) -> str:
        """Creates a file; returns its SHA-256."""
        digest = Digest(source)
        self.write(name, digest)
        return digest.sha256

    def verify(self, name: str, expected: str) -> None:
        """Raises if a file is missing or has another SHA-256."""
        try:
            with self.open(name) as source:
                digest = Digest(source)
                while digest.read(BUFFER_BYTES):
                    pass
        except FileNotFoundError:
            raise CommandError(f"{self.url}/{name} is missing; use another backup") from None
        if digest.sha256 != expected:
            raise CommandError(
                f"{self.url}/{name} is damaged: its SHA-256 is {digest.sha256}, expected {expected}; "
                "use another backup")


class Folder(Storage):
    def __init__(self, path: Path):
        self.path, self.url = path, str(path)

    def write(self, name: str, source: Readable) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            shutil.copyfileobj(source, file, BUFFER_BYTES)
        partial.replace(path)

    def open(self, name: str) -> Any:
        return (self.path / name).open("rb")

    def delete(self, name: str) -> None:
        (self.path / name).unlink()

    def staged_objects(self, prefix: str) -> Iterator[StoredObject]:
        root = self.path / ARTIFACTS
        files = [(path.relative_to(root).as_posix(), path) for path in (root / prefix).rglob("*") if path.is_file()]
        for key, path in sorted(files):
            state = path.stat()
            yield StoredObject(key, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))

    def take(self, s3: Any, bucket: str, staged: StoredObject) -> None:
        path = self.path / ARTIFACTS / staged.key
        path.parent.mkdir(parents=True, exist_ok=True)
        with _missing_as_file_not_found(staged.key):
            s3.download_file(bucket, staged.key, str(path), Config=TRANSFER)

    def put_back(self, s3: Any, bucket: str, staged: StoredObject) -> None:
        s3.upload_file(str(self.path / ARTIFACTS / staged.key), bucket, staged.key, Config=TRANSFER)


class BucketPrefix(Storage):
    """`backups/<id>/` below the prefix has the files of one backup, `artifacts/` the staged objects of all of them."""

    def __init__(self, bucket: str, prefix: str, backup_id: str):
        self.bucket, self.prefix, self.backup_id = bucket, prefix, backup_id
        self.url = f"s3://{bucket}/{prefix}backups/{backup_id}"
        # A bucket elsewhere, which cannot copy from the staging bucket by itself.
        endpoint = os.environ.get("BACKUP_ENDPOINT_URL") or None
        self._is_elsewhere = bool(endpoint)
        self.s3 = s3_client(endpoint)

    def write(self, name: str, source: Readable) -> None:
        self.s3.upload_fileobj(source, self.bucket, self._key(name), Config=TRANSFER)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with _missing_as_file_not_found(name):
            body = self.s3.get_object(Bucket=self.bucket, Key=self._key(name))["Body"]
        with body:
            yield body

    def delete(self, name: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=self._key(name))

    def staged_objects(self, prefix: str) -> Iterator[StoredObject]:
        root = f"{self.prefix}{ARTIFACTS}/"
        for found in listed(self.s3, self.bucket, root + prefix):
            yield StoredObject(found.key.removeprefix(root), found.size, found.modified)

    def take(self, s3: Any, bucket: str, staged: StoredObject) -> None:
        with _missing_as_file_not_found(staged.key):
            _copy(
                s3, bucket, staged.key, self.s3, self.bucket, self.artifact_key(staged.key), staged.size,
                self._is_elsewhere)

    def put_back(self, s3: Any, bucket: str, staged: StoredObject) -> None:
        _copy(
            self.s3, self.bucket, self.artifact_key(staged.key), s3, bucket, staged.key, staged.size,
            self._is_elsewhere)

    def _key(self, name: str) -> str:
        return f"{self.prefix}backups/{self.backup_id}/{name}"

    def artifact_key(self, key: str) -> str:
        """Returns the key of a staged object in the storage."""
        return f"{self.prefix}{ARTIFACTS}/{key}"


def parse(destination: str) -> tuple[str, str] | None:
    """Returns bucket and prefix of s3://bucket/prefix; the prefix is empty or ends with a slash. None for a folder."""
    if not destination.startswith("s3://"):
        return None
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]+)(?:/(.*))?", destination)
    if not match:
        raise CommandError(f"s3://bucket/prefix is required, got {destination!r}")
    prefix = (match[2] or "").strip("/")
    return match[1], f"{prefix}/" if prefix else ""


def s3_client(endpoint: str | None = None) -> Any:
    # boto3 uses AWS_ENDPOINT_URL if there is no endpoint.
    config = Config(max_pool_connections=CONNECTIONS, retries={"max_attempts": 10, "mode": "standard"})
    return boto3.client("s3", endpoint_url=endpoint, config=config)


def listed(s3: Any, bucket: str, prefix: str) -> Iterator[StoredObject]:
    """Yields the objects below a prefix, sorted by key."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            yield StoredObject(entry["Key"], entry["Size"], entry["LastModified"])


def _copy(
    source_s3: Any, source_bucket: str, source_key: str, s3: Any, bucket: str, key: str, size: int,
    through_here: bool,
) -> None:
    """Copies an object: S3 itself does, unless one of the buckets is elsewhere."""
    source = {"Bucket": source_bucket, "Key": source_key}
    if through_here:
        s3.upload_fileobj(source_s3.get_object(**source)["Body"], bucket, key, Config=TRANSFER)
    elif size <= LARGEST_COPY_BYTES:
        s3.copy_object(CopySource=source, Bucket=bucket, Key=key)
    else:
        s3.copy(source, bucket, key)


@contextmanager
def _missing_as_file_not_found(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            raise FileNotFoundError(name) from error
        raise
