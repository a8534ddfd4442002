"""scripts/rebuild: collections written into Qdrant again, from what is staged."""

from __future__ import annotations

import argparse
import getpass
import os
import time
from typing import Any

from semantik.account import SignedIn
from semantik.client import Client
from semantik.command import last_line, run, variable
from semantik.progress import Progress
from semantik.transport import Http


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/rebuild", add_help=False)
    parser.add_argument("collections", nargs="*")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    if options.all == bool(options.collections):
        parser.error("name collections, or all of them by --all")
    username = os.environ.get("SEMANTIK_USER") or input("superuser: ")
    password = os.environ.get("SEMANTIK_PASSWORD") or getpass.getpass("password: ")
    began = time.monotonic()
    http = Http(notify=lambda message: print(f"  {message}", flush=True))
    account = SignedIn(http, variable("API_URL"), username, password)
    account.sign_in()
    client = Client(http, variable("API_URL"), account)

    queued = client.rebuild(None if options.all else options.collections)
    ended: list[dict[str, Any]] = []
    with Progress("rebuilding", len(queued)) as progress:
        for rebuild in queued:
            operation = client.wait_for_operation(rebuild["operation_id"])
            ended.append(operation)
            progress.advance()
            lost = operation["meta"].get("counts", {}).get("failed", 0)
            if operation["status"] != "completed":
                progress.say(f"{rebuild['collection_name']} ({rebuild['collection_id']}): {operation['status']}, {operation['error_message']}")
            elif lost:
                progress.say(f"{rebuild['collection_name']} ({rebuild['collection_id']}): {lost} documents are lost, try them again")
    counts = [operation["meta"].get("counts", {}) for operation in ended]
    rebuilt = sum(operation["status"] == "completed" for operation in ended)
    lost_documents = sum(count.get("failed", 0) for count in counts)
    last_line({
        "collections": len(ended),
        "rebuilt": rebuilt,
        "failed": len(ended) - rebuilt,
        "documents": sum(count.get("unchanged", 0) for count in counts),
        "lost_documents": lost_documents,
        "seconds": round(time.monotonic() - began, 1),
    })
    return rebuilt == len(ended) and not lost_documents


if __name__ == "__main__":
    run("scripts/rebuild", main)
