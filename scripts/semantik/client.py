"""A client of the HTTP API, with the routes that the commands need."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from semantik.account import UserSession
from semantik.errors import ApiError
from semantik.http_client import Http, Response

# Limits of the API: files per announcement, entries per page.
FILES_PER_REQUEST = 100
PER_PAGE = 100
PARALLEL_UPLOADS = 8


@dataclass(frozen=True)
class File:
    """A file to index. `name` is a relative path, with `/` between folders."""

    name: str
    content: bytes
    content_type: str = "text/plain"

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class Client:
    """One method per route, which returns the parsed JSON. Raises ApiError unless the response is a success."""

    def __init__(self, http: Http, api_url: str, account: UserSession):
        self._http = http
        self._api_url = api_url.rstrip("/")
        self._account = account

    def find_collection(self, name: str) -> dict[str, Any] | None:
        """Returns the caller's own collection of that name."""
        collections = self._pages("/api/v2/collections", "collections", include_public="false")
        return next((entry for entry in collections if entry["name"] == name), None)

    def ensure_collection(self, name: str, **settings: Any) -> tuple[dict[str, Any], bool]:
        """Returns the caller's collection of that name, and whether it was created now."""
        found = self.find_collection(name)
        if found is not None:
            return found, False
        try:
            return self._json("POST", "/api/v2/collections", {"name": name, **settings}), True
        except ApiError as error:
            # The response to an earlier attempt was lost.
            created = self.find_collection(name) if error.status == 409 else None
            if created is None:
                raise
            return created, True

    def delete_collection(self, collection_id: str) -> None:
        self._json("DELETE", f"/api/v2/collections/{collection_id}")

    def collection(self, collection_id: str) -> dict[str, Any]:
        return self._object("GET", f"/api/v2/collections/{collection_id}")

    def upload(
        self, collection_id: str, files: Iterable[File], on_uploaded: Callable[[File], None] = lambda file: None,
    ) -> None:
        """Announces the files and PUTs each to its presigned URL, several in parallel."""
        remaining = list(files)
        with ThreadPoolExecutor(PARALLEL_UPLOADS) as pool:
            while remaining:
                batch, remaining = remaining[:FILES_PER_REQUEST], remaining[FILES_PER_REQUEST:]
                announced = [
                    {"name": f.name, "size": len(f.content), "content_type": f.content_type, "sha256": f.sha256}
                    for f in batch
                ]
                path = f"/api/v2/collections/{collection_id}/uploads"
                uploads = self._json("POST", path, {"files": announced})["uploads"]
                by_name = {upload["name"]: upload for upload in uploads}
                puts = {pool.submit(self._put, by_name[file.name], file): file for file in batch}
                for put in as_completed(puts):
                    put.result()
                    on_uploaded(puts[put])

    def uploads_total(self, collection_id: str, status: str) -> int:
        """Returns the number of uploads with a status, such as `expected` or `received`."""
        return self._total(f"/api/v2/collections/{collection_id}/uploads", status=status)

    def add_source(self, collection_id: str, source_type: str, source_config: dict[str, Any]) -> dict[str, Any]:
        """Adds a source, or reads it again; returns the operation."""
        body = {"source_type": source_type, "source_config": source_config}
        return self._object("POST", f"/api/v2/collections/{collection_id}/sources", body)

    def operations(self, collection_id: str, status: str) -> list[dict[str, Any]]:
        """Returns the operations of a collection with one of the given statuses, separated by commas."""
        return list(self._pages(f"/api/v2/collections/{collection_id}/operations", "operations", status=status))

    def operation(self, operation_id: str, wait_seconds: int = 0) -> dict[str, Any]:
        """Returns an operation; with `wait_seconds`, long-polls until it changes."""
        query = f"?wait_seconds={wait_seconds}" if wait_seconds else ""
        return self._object("GET", f"/api/v2/operations/{operation_id}{query}")

    def cancel(self, operation_id: str) -> None:
        self._json("POST", f"/api/v2/operations/{operation_id}/cancel")

    def documents(self, collection_id: str, **filters: str) -> Iterator[dict[str, Any]]:
        return self._pages(f"/api/v2/collections/{collection_id}/documents", "documents", **filters)

    def documents_total(self, collection_id: str, status: str) -> int:
        return self._total(f"/api/v2/collections/{collection_id}/documents", status=status)

    def delete_document(self, collection_id: str, document_id: str) -> None:
        self._json("DELETE", f"/api/v2/collections/{collection_id}/documents/{document_id}")

    def restore_document(self, collection_id: str, document_id: str) -> dict[str, Any]:
        """Restores a deleted document; returns the operation."""
        return self._object("POST", f"/api/v2/collections/{collection_id}/documents/{document_id}/restore", {})

    def rebuild(self, collection_ids: list[str] | None) -> list[dict[str, Any]]:
        """Queues a rebuild of these collections, or of all; returns the operations."""
        return list(self._json("POST", "/api/v2/admin/rebuild", {"collection_ids": collection_ids})["operations"])

    def reindex(self, collection_id: str, **settings: Any) -> dict[str, Any]:
        """Reindexes a collection with other settings; returns the operation."""
        return self._object("POST", f"/api/v2/collections/{collection_id}/reindex", settings)

    def wait_for_operation(self, operation_id: str) -> dict[str, Any]:
        """Waits for the end of an operation; returns it."""
        while True:
            operation = self.operation(operation_id, wait_seconds=10)
            if operation["status"] in ("completed", "failed", "cancelled"):
                return operation

    def create_api_key(self, name: str, scope: str, collection_ids: list[str]) -> dict[str, Any]:
        """Creates a key for these collections that is valid for a day; returns it with its secret, `api_key`."""
        body = {"name": name, "scope": scope, "collection_ids": collection_ids, "expires_in_days": 1}
        return self._object("POST", "/api/v2/api-keys", body)

    def delete_api_key(self, key_id: str) -> None:
        self._json("DELETE", f"/api/v2/api-keys/{key_id}")

    def search(
        self, collection_id: str, query: str, k: int, mode: str = "dense", *, collapse_duplicates: bool = True,
    ) -> tuple[dict[str, Any], float]:
        """Returns the response of a search, and its duration in milliseconds as measured by this client."""
        body = {
            "collection_uuids": [collection_id], "query": query, "k": k, "search_mode": mode,
            "collapse_duplicates": collapse_duplicates,
        }
        response = self._request("POST", "/api/v2/search", body)
        return json.loads(response.body), response.seconds * 1000

    def _put(self, upload: dict[str, Any], file: File) -> None:
        response = self._http.request(upload["method"], upload["url"], upload["headers"], file.content)
        # 412: the file is there already, from an attempt whose response was lost.
        if response.status not in (200, 201, 204, 412):
            raise ApiError(f"uploading {file.name}", response.status, response.body)

    def _pages(self, path: str, key: str, **query: str) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            page_body = self._json("GET", f"{path}?{urlencode({**query, 'page': page, 'per_page': PER_PAGE})}")
            # The operations of a collection are a plain array.
            entries = page_body if isinstance(page_body, list) else page_body[key]
            yield from entries
            if len(entries) < PER_PAGE:
                return
            page += 1

    def _total(self, path: str, **query: str) -> int:
        return int(self._json("GET", f"{path}?{urlencode({**query, 'per_page': 1})}")["total"])

    def _object(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return dict(self._json(method, path, body))

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        response = self._request(method, path, body)
        return json.loads(response.body) if response.body else None

    def _request(self, method: str, path: str, body: Any = None) -> Response:
        headers = {"accept": "application/json"}
        if method == "POST":
            # So that a request that is retried after a lost response takes effect once.
            headers["idempotency-key"] = str(uuid.uuid4())
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = json.dumps(body).encode()
        token = self._account.token()
        for last in (False, True):
            headers["authorization"] = f"Bearer {token}"
            response = self._http.request(method, self._api_url + path, headers, content)
            if response.status == 401 and not last:
                self._account.replace(token)
                token = self._account.token()
                continue
            break
        if not 200 <= response.status < 300:
            raise ApiError(f"{method} {path.partition('?')[0]}", response.status, response.body)
        return response
