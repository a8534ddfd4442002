"""The smoke test: the deployed program is used once from end to end, and cleans up after itself."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from command_line import CommandError
from semantik import indexing
from semantik.account import UserSession
from semantik.client import Client, File
from semantik.errors import ApiError
from semantik.http_client import Http

TEXTS = {
    "tides.md": "# Tides\n\nThe Moon pulls the sea towards it, and twice a day the water comes up the beach.\n",
    "bread.md": "# Bread\n\nFlour, water and salt. Yeast makes the dough rise before it is baked.\n",
}
QUESTION, EXPECTED = "what pulls the sea towards the shore?", "tides.md"
DELETION_SECONDS = 300


class ApiKeySession(UserSession):
    """An API key in the place of an access token."""

    def __init__(self, http: Http, api_url: str, key: str):
        super().__init__(http, api_url, "", "")
        self._key = key

    def token(self) -> str:
        return self._key

    def replace(self, rejected: str) -> None:
        """Does nothing: a key is not renewed."""


def run(api_url: str, administrator: dict[str, Any], say: Callable[[str], None]) -> dict[str, float]:
    """Signs in, creates a collection and a key, uploads, searches, and deletes all of it; returns seconds by step.

    Raises at the first step that fails. What was created is deleted in any case.
    """
    # Long enough for cold starts; a function that crashes should not be waited for.
    http = Http(retry_seconds=40, notify=say)
    seconds: dict[str, float] = {}

    def timed(step: str, action: Callable[[], Any]) -> Any:
        began = time.monotonic()
        try:
            result = action()
        except ApiError as error:
            raise CommandError(f"smoke test, {step}: {error}") from error
        seconds[step] = round(time.monotonic() - began, 2)
        return result

    session = UserSession(http, api_url, administrator["username"], administrator["password"])
    try:
        timed("sign in", session.sign_in)
    except CommandError as error:
        if isinstance(error.__cause__, ApiError) and error.__cause__.status in (401, 403):
            raise CommandError(
                f"smoke test: {administrator['username']} cannot sign in; if the password was changed in the program, "
                "store it in the administrator's secret, too, or run with --no-smoke-test") from error
        raise
    client = Client(http, api_url, session)
    name = f"smoke-test-{secrets.token_hex(4)}"
    collection, _ = timed("collection", lambda: client.ensure_collection(name, description="of scripts/deploy"))
    key: dict[str, Any] = {}
    try:
        key = timed("API key", lambda: client.create_api_key(name, "write", [collection["id"]]))
        caller = Client(http, api_url, ApiKeySession(http, api_url, key["api_key"]))
        files = [File(file, text.encode(), "text/markdown") for file, text in TEXTS.items()]
        timed("upload", lambda: caller.upload(collection["id"], files))
        outcome = timed("indexing", lambda: indexing.wait(caller, collection["id"], files))
        if len(outcome.having("completed")) != len(files):
            reasons = [f"{document['file_path']}: {document['status']}" for document in outcome.documents.values()]
            raise CommandError(f"smoke test, indexing: {'; '.join(reasons)}")
        answer, _ = timed("search", lambda: caller.search(collection["id"], QUESTION, 1, "hybrid"))
        first = answer["results"][0]["file_path"] if answer["results"] else "nothing"
        if not first.endswith(EXPECTED):
            raise CommandError(f"smoke test, search: {EXPECTED} was expected first, got {first}")
    finally:
        if key:
            client.delete_api_key(key["id"])
        timed("deletion", lambda: _delete(client, collection["id"]))
    return seconds


def _delete(client: Client, collection_id: str) -> None:
    client.delete_collection(collection_id)
    deadline = time.monotonic() + DELETION_SECONDS
    while time.monotonic() < deadline:
        try:
            client.collection(collection_id)
        except ApiError as error:
            if error.status == 404:
                return
            raise
        time.sleep(1)
    raise CommandError(f"smoke test: the collection {collection_id} is not deleted after {DELETION_SECONDS} s")
