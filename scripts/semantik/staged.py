"""The staging bucket's objects that no other object can be made of: documents, chunks and vectors."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from semantik.command import variable

# What a client uploaded is copied to raw/ before it is indexed.
PREFIXES = ("raw/", "chunks/", "vectors/")
PARALLEL = 16


class StagingBucket:
    def __init__(self) -> None:
        self._bucket = variable("STAGING_BUCKET")
        # AWS_ENDPOINT_URL counts where it is set.
        self._s3: Any = boto3.client("s3", config=Config(max_pool_connections=PARALLEL, retries={"max_attempts": 10}))

    def save(self, folder: Path) -> dict[str, int]:
        """Copies every object below `folder`; says how many and how many bytes."""
        pages = self._s3.get_paginator("list_objects_v2")
        found = [
            entry
            for prefix in PREFIXES
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix)
            for entry in page.get("Contents", [])
        ]

        def fetch(key: str) -> None:
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            self._s3.download_file(self._bucket, key, str(path))

        _all(fetch, (entry["Key"] for entry in found))
        return {"objects": len(found), "bytes": sum(entry["Size"] for entry in found)}

    def load(self, folder: Path) -> int:
        """Puts every file below `folder` back; says how many."""
        files = [path for prefix in PREFIXES for path in sorted((folder / prefix).rglob("*")) if path.is_file()]

        def put(path: Path) -> None:
            self._s3.upload_file(str(path), self._bucket, path.relative_to(folder).as_posix())

        _all(put, files)
        return len(files)


def _all(work: Any, items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(PARALLEL) as pool:
        for _ in pool.map(work, items):
            pass
