"""The scenario that runs with and without faults: index, change, remove, sync again, reindex."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from chaos_run import corpus as corpora
from chaos_run.corpus import MAX_UPLOAD_BYTES, Corpus
from chaos_run.lab import Lab
from command_line import CommandError
from local_stack.settings import LOCAL, StackError
from semantik.account import Account
from semantik.client import Client, File
from semantik.errors import ApiError
from semantik.http_client import Http

# Phases take seconds to minutes. Work that is open after this time is stuck.
PHASE_SECONDS = 900
SWEEP_EVERY_SECONDS = 4
# Validity of presigned URLs. When it ends, sweep checks uploads whose event was lost.
UPLOAD_SECONDS = 45
# Limit of the retries of dead-lettered work per phase.
MAX_RETRIES = 5
GAVE_UP = "failed repeatedly: "

OPEN_WORK = """
SELECT json_build_object(
    'operations', (SELECT count(*) FROM operations WHERE status IN ('pending', 'processing')),
    'items', (SELECT count(*) FROM operation_items i JOIN operations o ON o.id = i.operation_id
        WHERE i.state IN ('listed', 'staged', 'chunked')),
    'uploads', (SELECT count(*) FROM uploads WHERE status = 'expected'),
    'runs', (SELECT count(*) FROM collection_sync_runs WHERE status = 'running'),
    'collections', (SELECT count(*) FROM collections WHERE deleted_at IS NOT NULL),
    'unpurged', (SELECT count(*) FROM documents WHERE status = 'deleted' AND chunk_count > 0),
    'retired', (SELECT count(*) FROM retired_vector_stores WHERE drops = 0)
)"""


class Stuck(CommandError):
    """Work that is not completed in time."""


class Story:
    """One run of the scenario."""

    def __init__(self, lab: Lab, corpus: Corpus, name: str):
        self.lab = lab
        self.corpus = corpus
        self.name = name
        self.retried = 0
        self.http = Http(retry_seconds=300)
        account = Account(self.http, lab.api_url, LOCAL / "account.json", "chaos")
        self.client = Client(self.http, lab.api_url, account)
        account.sign_in()
        self.collection_id = ""
        # A collection that is deleted in a later phase.
        self.temporary_id = ""
        self._seen_failures: set[str] = set()

    @property
    def phases(self) -> dict[str, Callable[[], None]]:
        """The phases by name. Each ends when no work is open."""
        return {
            "index": self.index, "change": self.change, "remove": self.remove, "sync again": self.sync_again,
            "reindex": self.reindex,
        }

    def index(self) -> None:
        for folder, files in (("kept", self.corpus.kept), ("removed", self.corpus.removed)):
            corpora.clear(self.lab.sources / folder)
            files.write(self.lab.sources / folder)
        settings = {"chunk_size": corpora.CHUNK_SIZE, "chunk_overlap": corpora.CHUNK_SIZE // 5}
        self.collection_id = self.client.ensure_collection(self.name, **settings)[0]["id"]
        self.temporary_id = self.client.ensure_collection(f"{self.name} temporary", **settings)[0]["id"]
        self._read(self.collection_id, "kept")
        self._read(self.collection_id, "removed")
        self._read(self.temporary_id, "removed")
        deleted_id = self.client.ensure_collection(f"{self.name} deleted", **settings)[0]["id"]
        self._read(deleted_id, "removed")
        self._check_upload_limit()
        self._upload(self.corpus.uploads)
        for file in self.corpus.dropped:
            self._put_into_bucket(file)
        # While it is being indexed.
        self._delete(f"/api/v2/collections/{deleted_id}")

    def change(self) -> None:
        self.corpus.changed.write(self.lab.sources / "kept")
        for name in self.corpus.deleted:
            self._delete_document(self._source_uri(name))
        for name in self.corpus.deleted_uploads:
            self._delete_document(f"upload://{name}")
        self._upload(self.corpus.later_uploads)
        self._sync()

    def remove(self) -> None:
        sources = self.lab.query(
            f"SELECT coalesce(json_agg(id), '[]') FROM collection_sources WHERE collection_id = '{self.collection_id}' "
            f"AND source_path = '{self.lab.sources / 'removed'}'")
        for source in sources:
            self._delete(f"/api/v2/collections/{self.collection_id}/sources/{source}")
        self._delete(f"/api/v2/collections/{self.temporary_id}")

    def sync_again(self) -> None:
        document = self._find_document(self._source_uri(self.corpus.restored), is_deleted=True)
        with _accept_conflict():
            self.client._json("POST", f"/api/v2/collections/{self.collection_id}/documents/{document}/restore")
        self._sync()
        self._retry_failed(self.collection_id)

    def reindex(self) -> None:
        """Reindexes with other chunks, and queues a sync behind it."""
        self._reindex()
        self._sync()

    def delete(self) -> None:
        """Deletes the collection."""
        self._delete(f"/api/v2/collections/{self.collection_id}")

    def mismatches(self) -> list[str]:
        """Returns what the integrity route finds wrong with the collection, one line each."""
        found: list[str] = []
        cursor = ""
        while True:
            page = self.client._json(
                "GET", f"/api/v2/collections/{self.collection_id}/integrity?limit=500&cursor={quote(cursor)}")
            found += [json.dumps(discrepancy) for discrepancy in page["discrepancies"]]
            if page["in_progress"]:
                found.append(f"{page['in_progress']} parts are in progress after everything has ended")
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def settle(self, are_faults_over: Callable[[], bool], hurry: Callable[[], None]) -> None:
        """Runs sweep until no work is open; retries dead-lettered work, as an operator would."""
        deadline = time.monotonic() + PHASE_SECONDS
        swept = 0.0
        retries = 0
        while True:
            if time.monotonic() - swept > SWEEP_EVERY_SECONDS:
                self.lab.try_sweep()
                swept = time.monotonic()
            is_over = are_faults_over()
            work = self.open_work()
            if work is not None and not work:
                hurry()
                if is_over and not (retries < MAX_RETRIES and self._retry_dead_letters()):
                    return
                retries += is_over
            if time.monotonic() > deadline:
                raise Stuck(f"open after {PHASE_SECONDS} s: {json.dumps(work)}")
            time.sleep(0.5)

    def open_work(self) -> dict[str, int] | None:
        """Returns the open work by kind; None if a part is unavailable."""
        try:
            open_rows = {name: count for name, count in self.lab.query(OPEN_WORK).items() if count}
            return open_rows | self.lab.messages()
        except (StackError, BotoCoreError, ClientError, OSError):
            return None

    def _retry_dead_letters(self) -> bool:
        """Repeats operations and documents that were dead-lettered; returns whether there were any."""
        operations = self.lab.query(f"""
            SELECT coalesce(json_agg(json_build_object(
                'id', o.uuid, 'type', o.type, 'collection', o.collection_id, 'source', s.id, 'path', s.source_path,
                'source_type', s.source_type, 'given', o.config ->> 'work_list',
                'uris', (SELECT json_agg(i.uri) FROM operation_items i WHERE i.operation_id = o.id)
            ) ORDER BY o.id), '[]')
            FROM operations o LEFT JOIN collection_sources s ON s.id = o.source_id
            WHERE o.status = 'failed' AND (o.error_message LIKE '{GAVE_UP}%' OR o.type = 'reindex')""")
        fresh = [one for one in operations if one["id"] not in self._seen_failures]
        for operation in fresh:
            self._seen_failures.add(operation["id"])
            self._run_again(operation)
        failed = self.lab.query(
            f"SELECT coalesce(json_agg(DISTINCT collection_id), '[]') FROM documents "
            f"WHERE status = 'failed' AND error_message LIKE '{GAVE_UP}%'")
        for collection_id in failed:
            self._retry_failed(collection_id)
        self.retried += len(fresh) + len(failed)
        return bool(fresh or failed)

    def _run_again(self, operation: dict[str, Any]) -> None:
        match operation["type"]:
            case "append" if operation["source_type"] == "directory" and not operation["given"]:
                self._read(operation["collection"], operation["path"].rpartition("/")[2])
            case "append" if operation["source_type"] == "upload":
                known = {f"upload://{file.name}": file for file in self.corpus.all_uploads}
                self._upload([known[uri] for uri in operation["uris"] or []])
            case "append":
                self._sync()
            case "remove_source":
                if operation["source"] is not None:
                    self._delete(f"/api/v2/collections/{operation['collection']}/sources/{operation['source']}")
            case "restore_documents":
                self.sync_again()
            # One dead-lettered document is enough for the old index to be kept.
            case "reindex":
                self._reindex()
            # The next operation repairs a failed creation, and sweep repairs removals and deletions.
            case _:
                pass

    def _read(self, collection_id: str, folder: str) -> None:
        self.client.add_source(collection_id, "directory", {"path": str(self.lab.sources / folder)})

    def _sync(self) -> None:
        with _accept_conflict():
            self.client._json("POST", f"/api/v2/collections/{self.collection_id}/sync/run")

    def _reindex(self) -> None:
        size = corpora.REINDEXED_CHUNK_SIZE
        with _accept_conflict():
            self.client._json("POST", f"/api/v2/collections/{self.collection_id}/reindex",
                              {"chunk_size": size, "chunk_overlap": size // 5})

    def _retry_failed(self, collection_id: str) -> None:
        self.client._json("POST", f"/api/v2/collections/{collection_id}/documents/retry-failed")

    def _upload(self, files: list[File]) -> None:
        """Uploads files; repeats uploads whose presigned URL has expired."""
        for start in range(0, len(files), 20):
            remaining = files[start : start + 20]
            while remaining:
                announced = [
                    {"name": f.name, "size": len(f.content), "content_type": f.content_type, "sha256": f.sha256}
                    for f in remaining
                ]
                body = {"files": announced, "expires_in_seconds": UPLOAD_SECONDS}
                created = self.client._json("POST", f"/api/v2/collections/{self.collection_id}/uploads", body)
                late = []
                for upload, file in zip(created["uploads"], remaining, strict=True):
                    put = self.http.request(upload["method"], upload["url"], upload["headers"], file.content)
                    if put.status == 403:
                        late.append(file)
                    # 412: the file is there already, from an attempt whose response was lost.
                    elif put.status not in (200, 412):
                        raise ApiError(f"uploading {file.name}", put.status, put.body)
                remaining = late

    def _put_into_bucket(self, file: File) -> None:
        """Puts a file directly into the bucket; retries until it succeeds."""
        key = f"uploads/{self.collection_id}/{file.name}"

        def put() -> bool:
            with contextlib.suppress(BotoCoreError, ClientError, OSError):
                self.lab.client("s3").put_object(Bucket=self.lab.bucket, Key=key, Body=file.content)
                return True
            return False

        if not self.lab.wait(put, 120):
            raise CommandError(f"putting {key} into the bucket failed for 120 s")

    def _check_upload_limit(self) -> None:
        body = {"files": [{"name": "too-large.txt", "size": MAX_UPLOAD_BYTES + 1}]}
        try:
            self.client._json("POST", f"/api/v2/collections/{self.collection_id}/uploads", body)
        except ApiError as error:
            if error.status == 422:
                return
            raise
        raise CommandError("an upload beyond the limit was accepted")

    def _delete_document(self, uri: str) -> None:
        document = self._find_document(uri, is_deleted=False)
        self._delete(f"/api/v2/collections/{self.collection_id}/documents/{document}")

    def _delete(self, path: str) -> None:
        """Deletes a resource. 404 is accepted, because the response of an earlier attempt may be lost."""
        try:
            self.client._json("DELETE", path)
        except ApiError as error:
            if error.status != 404:
                raise

    def _find_document(self, uri: str, is_deleted: bool) -> str:
        quoted = uri.replace("'", "''")
        found: list[str] = []

        def responds() -> bool:
            with contextlib.suppress(StackError):
                found.extend(self.lab.query(
                    f"SELECT coalesce(json_agg(id), '[]') FROM documents WHERE collection_id = '{self.collection_id}' "
                    f"AND uri = '{quoted}'"))
                return True
            return False

        if not self.lab.wait(responds, 60) or not found:
            raise CommandError(f"no document has the URI {uri}")
        return found[0]

    def _source_uri(self, name: str) -> str:
        return f"file://{self.lab.sources}/kept/{name}"


@contextlib.contextmanager
def _accept_conflict() -> Iterator[None]:
    """Accepts 409: a request that is repeated after a lost response conflicts with its own operation."""
    try:
        yield
    except ApiError as error:
        if error.status != 409:
            raise
