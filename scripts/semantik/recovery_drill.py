"""scripts/recovery-drill: backs up the running stack and restores the backup into a second, empty one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from command_line import CommandError
from semantik import indexing
from semantik.account import Account
from semantik.client import Client, File
from semantik.command import LOCAL, ROOT, heading, last_line, run, variable
from semantik.http_client import Http
from semantik.manifest import Manifest

FOLDER = LOCAL / "drill"
STACK = ROOT / "scripts" / "stack"
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
    began = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    account = FOLDER / "account.json"
    source = sign_in(variable("API_URL"), account)

    heading("two collections")
    collections = [fill(source, name) for name in ("from its snapshot", "from staged vectors")]
    deleted = delete_one(source, collections[0])
    before = answers(source, collections)

    heading("backup")
    backup = FOLDER / "backup"
    command([ROOT / "scripts" / "backup", backup], os.environ)
    manifest = Manifest.read(backup)
    for saved in manifest.collections:
        if saved.id == collections[1]:
            saved.snapshot, saved.sha256, saved.reason = None, None, "removed by the drill"
    manifest.write(backup)

    heading("a second, empty stack")
    second = second_stack()
    try:
        command([STACK, "up"], second)
        exported = json.loads(command(
            ["bash", "-c", 'eval "$("$0" env)"; "$1" -c "import json, os; print(json.dumps(dict(os.environ)))"',
             STACK, ROOT / ".venv" / "bin" / "python"], second, quiet=True))
        heading("restore")
        restored = json.loads(command([ROOT / "scripts" / "restore", backup], exported).splitlines()[-1])
        client = sign_in(exported["API_URL"], account)
        after = answers(client, collections)
        revived = client.restore_document(collections[0], deleted)
        revived = client.wait_for_operation(revived["id"])
    finally:
        command([STACK, "down", "--purge"], second)
        shutil.rmtree(FOLDER / "stack", ignore_errors=True)

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


def sign_in(api_url: str, path: Path) -> Client:
    http = Http()
    account = Account(http, api_url, path, "drill")
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


def second_stack() -> dict[str, str]:
    """Returns the environment of a second stack: another folder, other ports, another name."""
    others = ("AWS_", "STACK_", "QDRANT_", "DATABASE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    postgres, qdrant_http, emulator, batch = free_ports()
    return kept | {
        "STACK_DIR": str(FOLDER / "stack"),
        "STACK_NAME": "drill",
        "STACK_POSTGRES_PORT": str(postgres),
        "STACK_QDRANT_PORT": str(qdrant_http + 1),
        "STACK_EMULATOR_PORT": str(emulator),
        "STACK_BATCH_PORT": str(batch),
    }


def free_ports() -> tuple[int, int, int, int]:
    """Returns unused ports; the port above the second one is unused, too."""
    found: list[int] = []
    for port in range(21000, 32000, 10):
        if len(found) == 4:
            break
        if all(is_free(port + offset) for offset in (0, 1)):
            found.append(port)
    return found[0], found[1], found[2], found[3]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def command(words: list[Any], environment: Any, quiet: bool = False) -> str:
    """Runs a command and returns its output; also prints it unless `quiet`."""
    done = subprocess.run([str(word) for word in words], env=dict(environment), stdout=subprocess.PIPE, text=True)
    if not quiet:
        print("".join(f"  {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
    if done.returncode != 0:
        raise CommandError(f"{words[0]} failed with status {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    run("scripts/recovery-drill", main)
