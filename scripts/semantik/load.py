"""scripts/load: how long a small file of one user takes while another user imports many documents."""

from __future__ import annotations

import argparse
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from command_line import CommandError
from semantik.account import Account
from semantik.client import Client, File
from semantik.command import LOCAL, heading, last_line, run, variable
from semantik.http_client import Http
from semantik.large_documents import PARAGRAPH

TARGET = 3
# How often a client asks whether its file is indexed.
POLL_SECONDS = 0.1
TIMEOUT_SECONDS = 1800
# The import is under way in all stages then.
WARM_UP_SHARE = 0.02


class Import:
    """The import of many documents by a user of its own, in a thread."""

    def __init__(self, options: argparse.Namespace):
        self.documents: int = options.documents
        self.client = sign_in("importer")
        self.collection = empty_collection(self.client, f"import {secrets.token_hex(4)}")
        text = PARAGRAPH * max(1, options.document_kilobytes * 1024 // len(PARAGRAPH))
        # Distinct texts, so that no vector is reused.
        self.texts = [f"Note {number} {secrets.token_hex(8)}. {text}" for number in range(self.documents)]
        self.is_upload = options.by == "upload"
        self.folder = Path(variable("DIRECTORY_ROOT")) / f"load-{secrets.token_hex(4)}"
        self._thread = threading.Thread(target=self._start, daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        self.began = time.monotonic()
        self._thread.start()

    def done(self) -> int:
        """Returns how many documents are searchable."""
        if self.error is not None:
            raise CommandError(f"the import failed: {self.error}")
        return self.client.documents_total(self.collection["id"], "completed")

    def clean_up(self) -> None:
        self._thread.join()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.client.delete_collection(self.collection["id"])

    def _start(self) -> None:
        try:
            if self.is_upload:
                files = (File(f"{number:05}.txt", text.encode()) for number, text in enumerate(self.texts))
                self.client.upload(self.collection["id"], files)
                return
            self.folder.mkdir(parents=True)
            for number, text in enumerate(self.texts):
                (self.folder / f"{number:05}.txt").write_text(text)
            self.client.add_source(self.collection["id"], "directory", {"path": str(self.folder)})
        except BaseException as error:
            self.error = error


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/load", add_help=False)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--document-kilobytes", type=int, default=1)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--by", choices=("directory", "upload"), default="directory")
    options = parser.parse_args()

    client = sign_in("small")
    collection = empty_collection(client, f"small {secrets.token_hex(4)}")
    # Starts the functions.
    small_file(client, collection)
    heading("on an idle stack")
    idle = [small_file(client, collection) for _ in range(options.samples)]
    print(f"  a small file is searchable after {seconds(idle)}")

    heading(f"while another user imports {options.documents} documents by {options.by}")
    bulk = Import(options)
    bulk.start()
    wait_until(lambda: bulk.done() >= max(1, WARM_UP_SHARE * options.documents), "the import")
    loaded: list[float] = []
    while (done := bulk.done()) < options.documents:
        loaded.append(small_file(client, collection))
        print(f"  {loaded[-1]:6.2f} s at {done} of {options.documents} documents", flush=True)
    took = time.monotonic() - bulk.began
    bulk.clean_up()
    client.delete_collection(collection["id"])
    if len(loaded) < options.samples:
        raise CommandError(f"the import ended after {len(loaded)} small files; --documents: choose more")
    ratio = median(loaded) / median(idle)
    print(f"  a small file is searchable after {seconds(loaded)}, {ratio:.1f} times as long")
    print(f"  the import: {options.documents / took:.1f} documents per second")
    last_line({
        "idle_seconds": round(median(idle), 2), "loaded_seconds": round(median(loaded), 2),
        "loaded_max_seconds": round(max(loaded), 2), "ratio": round(ratio, 2), "documents": options.documents,
        "documents_per_second": round(options.documents / took, 1)})
    return ratio <= TARGET


def sign_in(name: str) -> Client:
    http = Http()
    account = Account(http, variable("API_URL"), LOCAL / f"load-{name}.json", f"load_{name}")
    account.sign_in()
    return Client(http, variable("API_URL"), account)


def empty_collection(client: Client, name: str) -> dict[str, Any]:
    collection, _ = client.ensure_collection(name, description="created by scripts/load")
    wait_until(lambda: not client.operations(collection["id"], "pending,processing"), "a new collection")
    return collection


def small_file(client: Client, collection: dict[str, Any]) -> float:
    """Uploads a file of one sentence; returns the seconds until it is searchable."""
    known = client.documents_total(collection["id"], "completed")
    word = secrets.token_hex(6)
    began = time.monotonic()
    client.upload(collection["id"], [File(f"{word}.txt", f"The code word is {word}.".encode())])
    wait_until(lambda: client.documents_total(collection["id"], "completed") > known, f"{word}.txt")
    took = time.monotonic() - began
    found, _ = client.search(collection["id"], word, 1, "sparse")
    if not found["results"] or word not in found["results"][0]["text"]:
        raise CommandError(f"{word}.txt is indexed, and a search for {word} does not find it: {found}")
    return took


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    while not is_true():
        if time.monotonic() - began > TIMEOUT_SECONDS:
            raise CommandError(f"{what} took longer than {TIMEOUT_SECONDS} s; scripts/stack logs shows why")
        time.sleep(POLL_SECONDS)


def seconds(values: list[float]) -> str:
    return f"{median(values):.2f} s (median of {len(values)}, {min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    run("scripts/load", main)
