"""Qdrant's snapshots, in and out of a server by its HTTP interface."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from semantik.errors import CommandError

PIECE_BYTES = 1 << 20
# The server writes or reads the whole snapshot before it answers.
TIMEOUT_SECONDS = 3600


class Snapshots:
    """Of one server. What it refuses ends the command with what it said."""

    def __init__(self, url: str, api_key: str | None = None):
        self._url = url.rstrip("/")
        self._headers = {"api-key": api_key} if api_key else {}

    def create(self, collection: str) -> dict[str, Any]:
        """Has the server write a snapshot; `name`, `size` and `checksum` describe it."""
        return self._json("POST", f"/collections/{quote(collection)}/snapshots?wait=true")

    def download(self, collection: str, snapshot: str, destination: Path) -> None:
        path = f"/collections/{quote(collection)}/snapshots/{quote(snapshot)}"
        with self._open("GET", path) as answer, destination.open("wb") as file:
            shutil.copyfileobj(answer, file, PIECE_BYTES)

    def delete(self, collection: str, snapshot: str) -> None:
        self._json("DELETE", f"/collections/{quote(collection)}/snapshots/{quote(snapshot)}?wait=true")

    def upload(self, collection: str, snapshot: Path, checksum: str) -> None:
        """Makes the collection of a snapshot."""
        query = urlencode({"wait": "true", "priority": "snapshot", "checksum": checksum})
        boundary = uuid.uuid4().hex
        head = (
            f"--{boundary}\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"{snapshot.name}\"\r\n"
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = self._headers | {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(head) + snapshot.stat().st_size + len(tail)),
        }
        address = urlsplit(self._url)
        connect = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        connection = connect(address.netloc, timeout=TIMEOUT_SECONDS)
        try:
            path = f"{address.path}/collections/{quote(collection)}/snapshots/upload?{query}"
            connection.request("POST", path, body=_pieces(head, snapshot, tail), headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        except OSError as error:
            raise CommandError(f"uploading {snapshot.name} to {self._url}: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise CommandError(f"Qdrant refused {snapshot.name}: {answer.status} {body[:300].decode(errors='replace')}")

    def _json(self, method: str, path: str) -> Any:
        with self._open(method, path) as answer:
            return json.load(answer)["result"]

    def _open(self, method: str, path: str) -> Any:
        request = urllib.request.Request(self._url + path, method=method, headers=self._headers)
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            said = error.read(300).decode(errors="replace")
            raise CommandError(f"Qdrant refused {method} {path}: {error.code} {said}") from error
        except OSError as error:
            raise CommandError(f"{method} {self._url}{path}: {error}; QDRANT_HTTP_URL names Qdrant's HTTP interface") from error


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pieces(head: bytes, file: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with file.open("rb") as content:
        while piece := content.read(PIECE_BYTES):
            yield piece
    yield tail
