"""scripts/recovery-drill: backs up the running stack and restores the backup into a second, empty one."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from command_line import CommandError
from semantik import indexing, retention
from semantik.account import Account, UserSession
from semantik.backup import discard
from semantik.backup_storage import Folder, parse, s3_client
from semantik.client import Client, File
from semantik.command import LOCAL, ROOT, heading, last_line, run, variable
from semantik.http_client import Http
from semantik.manifest import Manifest
from semantik.second_stack import STACK, command, second_stack, sourced, variables

FOLDER = LOCAL / "drill"
SCRIPTS = ROOT / "scripts"
RESULTS = 10
QUESTIONS = (
    "what pulls the sea towards the shore?",
    "how does dough rise?",
    "which stone floats?",
    "who farms mushrooms underground?",
)
TEXTS = {
    "tides.md": "# Tides\n\nThe Moon pulls the sea towards it, and twice a day the water comes up the beach.\n",
    "bread.md": "# Bread\n\nFlour, water and salt. Yeast makes the dough rise before it is baked.\n",
    "pumice.txt": "Pumice is a volcanic rock so full of holes that it floats on water.\n",
    "ants.txt": "Leafcutter ants farm a fungus underground and feed their young with it.\n",
}
DELETED = "ants.txt"


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/recovery-drill", add_help=False)
    parser.add_argument("--bucket", metavar="s3://BUCKET/PREFIX")
    parser.add_argument("--into", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.bucket and parse(options.bucket) is None:
        parser.error("--bucket: s3://bucket/prefix is required")
    if options.into and not options.bucket:
        parser.error("--into needs --bucket")
    began = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    # Fails now, not after the backup, if the file is missing.
    second = sourced(options.into) if options.into else None
    source = sign_in(variable("API_URL"))

    heading("two collections")
    collections = [fill(source, name) for name in ("from its snapshot", "from staged vectors")]
    deleted = delete_one(source, collections[0])
    before = answers(source, collections)

    heading("backup")
    backup = options.bucket or str(FOLDER / "backup")
    if options.bucket and not options.into:
        make_bucket(options.bucket)
    back_up(backup, collections[1])

    with target_stack(second) as target:
        heading("restore")
        restored = json.loads(command([SCRIPTS / "restore", backup], target).splitlines()[-1])
        client = sign_in(target["API_URL"])
        after = answers(client, collections)
        revived = client.restore_document(collections[0], deleted)
        revived = client.wait_for_operation(revived["id"])

    different = sum(before[question] != after[question] for question in before)
    embedded = revived["meta"]["chunks"]["embedded"]
    print(f"  {len(before)} queries, {different} with other results; {DELETED} restored, {embedded} chunks embedded")
    last_line({
        "questions": len(before),
        "different": different,
        "embedded": embedded,
        "from_snapshots": restored["from_snapshots"],
        "rebuilt": restored["rebuilt"],
        "seconds": round(time.monotonic() - began, 1),
    })
    return different == 0 and embedded == 0 and restored["from_snapshots"] >= 1 and restored["rebuilt"] >= 1


def sign_in(api_url: str) -> Client:
    """Signs in as SEMANTIK_USER, or as an account that the drill registers. Both stacks have it after the restore."""
    http = Http()
    account: UserSession
    if username := os.environ.get("SEMANTIK_USER"):
        account = UserSession(http, api_url, username, variable("SEMANTIK_PASSWORD"))
    else:
        account = Account(http, api_url, FOLDER / "account.json", "drill")
    account.sign_in()
    return Client(http, api_url, account)


def fill(client: Client, name: str) -> str:
    collection, _ = client.ensure_collection(name, description="created by scripts/recovery-drill")
    files = [File(file, text.encode()) for file, text in TEXTS.items()]
    client.upload(collection["id"], files)
    outcome = indexing.wait(client, collection["id"], files)
    print(f"  {name}: {len(outcome.having('completed'))} documents, {outcome.chunks} chunks")
    return str(collection["id"])


def delete_one(client: Client, collection_id: str) -> str:
    document = next(entry for entry in client.documents(collection_id) if entry["file_name"] == DELETED)
    client.delete_document(collection_id, document["id"])
    while client.operations(collection_id, "pending,processing"):
        time.sleep(0.5)
    return str(document["id"])


def answers(client: Client, collections: list[str]) -> dict[tuple[str, str], list[Any]]:
    """Returns the results of each query in each collection: chunks, scores and texts, best first."""
    found = {}
    for collection in collections:
        for question in QUESTIONS:
            answer, _ = client.search(collection, question, RESULTS)
            if not answer["results"]:
                raise CommandError(f"collection {collection} has no result for {question!r}")
            found[collection, question] = [
                (result["chunk_id"], result["score"], result["text"], result["file_path"])
                for result in answer["results"]
            ]
    return found


def back_up(backup: str, without_snapshot: str) -> None:
    """Backs the stack up; removes the snapshot of one collection from the backup."""
    place = parse(backup)
    command([SCRIPTS / "backup", backup], os.environ)
    if place is not None:
        again = json.loads(command([SCRIPTS / "backup", backup, "--keep", "1"], os.environ).splitlines()[-1])
        if again["artifacts"]["copied"] != 0 or again["deleted_backups"] < 1:
            raise CommandError(f"the second backup must copy no staged object and delete the first one, got {again}")
    storage = retention.find(*place, None) if place else Folder(Path(backup))
    manifest = Manifest.read(storage)
    for saved in manifest.collections:
        if saved.id == without_snapshot:
            discard(storage, saved, "removed by the drill")
    manifest.write(storage)


def make_bucket(url: str) -> None:
    """Creates the bucket in the emulator of the first stack, unless it exists."""
    place = parse(url)
    assert place is not None
    s3_client().create_bucket(Bucket=place[0])


@contextmanager
def target_stack(existing: dict[str, str] | None) -> Iterator[dict[str, str]]:
    """Yields the environment of an empty stack: an existing one, or a local one that is removed afterwards."""
    if existing is not None:
        yield existing
        return
    heading("a second, empty stack")
    settings = second_stack(FOLDER, "drill")
    try:
        command([STACK, "up"], settings)
        exported = variables(settings)
        # The bucket is in the emulator of the first stack.
        yield exported | {"BACKUP_ENDPOINT_URL": os.environ.get("AWS_ENDPOINT_URL", "")}
    finally:
        command([STACK, "down", "--purge"], settings)
        shutil.rmtree(FOLDER / "stack", ignore_errors=True)


if __name__ == "__main__":
    run("scripts/recovery-drill", main)
