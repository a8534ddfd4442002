"""Downloads and uploads of Qdrant snapshots through Qdrant's HTTP interface."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from command_line import CommandError

BUFFER_BYTES = 1 << 20
# The server writes or reads the whole snapshot before it responds.
TIMEOUT_SECONDS = 3600


class Snapshots:
    """The snapshots of one server. A rejected request raises CommandError with the response."""

    def __init__(self, url: str, api_key: str | None = None):
        self._url = url.rstrip("/")
        self._headers = {"api-key": api_key} if api_key else {}
        self._pool = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=False)

    def create(self, collection: str) -> dict[str, Any]:
        """Creates a snapshot on the server; returns its `name`, `size` and `checksum`."""
        return dict(self._json("POST", f"/collections/{quote(collection)}/snapshots?wait=true"))

    def download(self, collection: str, snapshot: str, destination: Path) -> None:
        response = self._send("GET", f"/collections/{quote(collection)}/snapshots/{quote(snapshot)}")
        with destination.open("wb") as file:
            shutil.copyfileobj(response, file, BUFFER_BYTES)
        response.release_conn()

    def delete(self, collection: str, snapshot: str) -> None:
        self._json("DELETE", f"/collections/{quote(collection)}/snapshots/{quote(snapshot)}?wait=true")

    def upload(self, collection: str, snapshot: Path, checksum: str) -> None:
        """Creates the collection from a snapshot."""
        query = urlencode({"wait": "true", "priority": "snapshot", "checksum": checksum})
        boundary = uuid.uuid4().hex
        head = (
            f"--{boundary}\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"{snapshot.name}\"\r\n"
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(head) + snapshot.stat().st_size + len(tail)),
        }
        path = f"/collections/{quote(collection)}/snapshots/upload?{query}"
        self._json("POST", path, headers, _read(head, snapshot, tail))

    def _json(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Iterator[bytes] | None = None,
    ) -> Any:
        return json.loads(self._send(method, path, headers, body).data)["result"]

    def _send(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Iterator[bytes] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        try:
            response = self._pool.request(
                method, self._url + path, headers=self._headers | (headers or {}), body=body, preload_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise CommandError(
                f"{method} {self._url}{path} failed: {error}; QDRANT_HTTP_URL must be that of Qdrant's HTTP interface"
            ) from error
        if response.status != 200:
            reason = response.data[:300].decode(errors="replace")
            raise CommandError(f"Qdrant rejected {method} {path}: {response.status} {reason}")
        return response


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(head: bytes, file: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with file.open("rb") as content:
        while part := content.read(BUFFER_BYTES):
            yield part
    yield tail
