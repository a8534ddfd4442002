"""The objects of the staging bucket that are backed up: documents, chunks and vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from semantik.command import variable

# uploads/ is not backed up: uploads are copied to raw/ before they are indexed.
PREFIXES = ("raw/", "chunks/", "vectors/")
PARALLEL = 16


class StagingBucket:
    def __init__(self) -> None:
        self._bucket = variable("STAGING_BUCKET")
        # boto3 uses AWS_ENDPOINT_URL if it is set.
        self._s3: Any = boto3.client("s3", config=Config(max_pool_connections=PARALLEL, retries={"max_attempts": 10}))

    def save(self, folder: Path) -> dict[str, int]:
        """Downloads all objects into `folder`; returns their number and size in bytes."""
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

        _for_each(fetch, (entry["Key"] for entry in found))
        return {"objects": len(found), "bytes": sum(entry["Size"] for entry in found)}

    def load(self, folder: Path) -> int:
        """Uploads all files of `folder`; returns their number."""
        files = [path for prefix in PREFIXES for path in sorted((folder / prefix).rglob("*")) if path.is_file()]

        def put(path: Path) -> None:
            self._s3.upload_file(str(path), self._bucket, path.relative_to(folder).as_posix())

        _for_each(put, files)
        return len(files)


def _for_each(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(PARALLEL) as pool:
        for _ in pool.map(work, items):
            pass
