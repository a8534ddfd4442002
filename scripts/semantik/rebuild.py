"""scripts/rebuild: rebuilds indexes from staged vectors."""

from __future__ import annotations

import argparse
import getpass
import os
import time
from typing import Any

from semantik.account import UserSession
from semantik.client import Client
from semantik.command import last_line, run, variable
from semantik.http_client import Http
from semantik.progress_bar import ProgressBar


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/rebuild", add_help=False)
    parser.add_argument("collections", nargs="*")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    if options.all == bool(options.collections):
        parser.error("either collections or --all is required")
    username = os.environ.get("SEMANTIK_USER") or input("superuser: ")
    password = os.environ.get("SEMANTIK_PASSWORD") or getpass.getpass("password: ")
    began = time.monotonic()
    http = Http(notify=lambda message: print(f"  {message}", flush=True))
    account = UserSession(http, variable("API_URL"), username, password)
    account.sign_in()
    client = Client(http, variable("API_URL"), account)

    queued = client.rebuild(None if options.all else options.collections)
    ended: list[dict[str, Any]] = []
    with ProgressBar("rebuilding", len(queued)) as progress:
        for rebuild in queued:
            operation = client.wait_for_operation(rebuild["operation_id"])
            ended.append(operation)
            progress.advance()
            name = f"{rebuild['collection_name']} ({rebuild['collection_id']})"
            lost = operation["meta"].get("counts", {}).get("failed", 0)
            if operation["status"] != "completed":
                progress.say(f"{name}: {operation['status']}, {operation['error_message']}")
            elif lost:
                progress.say(f"{name}: {lost} documents were not rebuilt; retry them")
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
