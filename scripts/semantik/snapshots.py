"""Downloads and uploads of Qdrant snapshots through Qdrant's HTTP interface, as streams."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from command_line import CommandError
from semantik.backup_storage import BUFFER_BYTES, Readable

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

    @contextmanager
    def download(self, collection: str, snapshot: str) -> Iterator[urllib3.BaseHTTPResponse]:
        """Yields the content of a snapshot as a stream."""
        response = self._send("GET", f"/collections/{quote(collection)}/snapshots/{quote(snapshot)}")
        try:
            yield response
        finally:
            # Closes the connection if the response was not read to its end.
            response.close()

    def other_nodes(self, collection: str) -> int:
        """Returns how many of the collection's shards other nodes of a cluster have: a snapshot is of one node."""
        path = f"/collections/{quote(collection)}/cluster"
        response = self._request("GET", path)
        if response.status == 404:
            # infra/qdrant-local, which has one node.
            response.release_conn()
            return 0
        return len(json.loads(_checked(response, "GET", path).data)["result"]["remote_shards"])

    def delete(self, collection: str, snapshot: str) -> None:
        self._json("DELETE", f"/collections/{quote(collection)}/snapshots/{quote(snapshot)}?wait=true")

    def upload(self, collection: str, content: Readable, size: int, checksum: str) -> None:
        """Creates the collection from a snapshot."""
        query = urlencode({"wait": "true", "priority": "snapshot", "checksum": checksum})
        boundary = uuid.uuid4().hex
        head = (
            f"--{boundary}\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"{collection}.snapshot\"\r\n"
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(head) + size + len(tail)),
        }
        path = f"/collections/{quote(collection)}/snapshots/upload?{query}"
        self._json("POST", path, headers, _form(head, content, tail))

    def _json(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Iterator[bytes] | None = None,
    ) -> Any:
        return json.loads(self._send(method, path, headers, body).data)["result"]

    def _send(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Iterator[bytes] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        return _checked(self._request(method, path, headers, body), method, path)

    def _request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Iterator[bytes] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(
                method, self._url + path, headers=self._headers | (headers or {}), body=body, preload_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise CommandError(
                f"{method} {self._url}{path} failed: {error}; QDRANT_HTTP_URL must be that of Qdrant's HTTP interface"
            ) from error


def _checked(response: urllib3.BaseHTTPResponse, method: str, path: str) -> urllib3.BaseHTTPResponse:
    if response.status != 200:
        reason = response.data[:300].decode(errors="replace")
        raise CommandError(f"Qdrant rejected {method} {path}: {response.status} {reason}")
    return response


def _form(head: bytes, content: Readable, tail: bytes) -> Iterator[bytes]:
    yield head
    while part := content.read(BUFFER_BYTES):
        yield part
    yield tail
