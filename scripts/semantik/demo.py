"""scripts/demo: this repository's own documents, found by meaning."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import boto3

from semantik import indexing, repository
from semantik.account import Account
from semantik.client import Client, File
from semantik.command import LOCAL, ROOT, heading, last_line, run, variable
from semantik.errors import CommandError
from semantik.indexing import Outcome
from semantik.metrics import spread
from semantik.progress import Progress
from semantik.transport import Http

COLLECTION = "this repository"
FEWEST_UPLOADS = 30
ACCOUNT = LOCAL / "demo.json"
SHOWN_RESULTS = 3

# Put straight into the bucket, the way a person drops files; all others go through presigned URLs.
DROPPED = (
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "CHANGELOG.md",
    "infra/docker-compose.yml",
    "template.yaml",
)


@dataclass(frozen=True)
class Question:
    """Worded unlike the file that answers it."""

    text: str
    answered_by: str


QUESTIONS = (
    Question("must I pay contributors if they hold a patent on what they gave?", "LICENSE-APACHE"),
    Question("how are passwords hashed?", "shared/auth/src/password.rs"),
    Question("which user owns the PostgreSQL process when an administrator starts it?", "scripts/local_stack/postgres.py"),
    Question("how are words of a sentence averaged into a single vector?", "shared/embedding/src/pooling.rs"),
    Question("which texts share a batch so that little is padded?", "shared/embedding/src/batch.rs"),
)


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--started", type=float, default=time.time())
    started = parser.parse_args().started
    api_url = variable("API_URL")

    files = {file.name: file for file in repository.files(ROOT)}
    check_choice(files)
    http = Http(notify=lambda message: print(f"  {message}", flush=True))
    account = Account(http, api_url, ACCOUNT, "demo")
    account.sign_in()
    client = Client(http, api_url, account)
    heading("user and collection")
    print(f"  {'registered' if account.registered else 'logged in as'} {account.username}")
    collection, made = client.ensure_collection(COLLECTION, description="scripts/demo made it")
    print(f"  {'made' if made else 'found'} the collection {COLLECTION!r}")

    heading("indexing")
    began = time.monotonic()
    outcome = hand_in(client, collection["id"], files)
    indexing_seconds = time.monotonic() - began
    failed = report(client, collection["id"], outcome)

    heading("five questions, worded unlike the files that answer them")
    times_ms: list[float] = []
    right_first = 0
    for question in QUESTIONS:
        answer, milliseconds = client.search(collection["id"], question.text, k=20)
        times_ms.append(milliseconds)
        right_first += show(question, answer["results"], milliseconds)

    farewell(api_url, collection["id"])
    last_line({
        "documents": len(outcome.having("completed")),
        "chunks": outcome.chunks,
        "seconds": round(time.time() - started, 1),
        "searches": len(QUESTIONS),
        "right_first": right_first,
        "uploaded": len(files) - len(DROPPED),
        "dropped": len(DROPPED),
        "skipped": len(outcome.having("skipped")),
        "failed": failed,
        "indexing_seconds": round(indexing_seconds, 1),
        "search_ms": spread(times_ms),
        "collection_id": collection["id"],
        "api_url": api_url,
    })
    return not failed and right_first == len(QUESTIONS)


def check_choice(files: dict[str, File]) -> None:
    """The demo names files of this repository; one that was renamed must not pass for a bad search."""
    named = [*DROPPED, *(question.answered_by for question in QUESTIONS)]
    missing = [name for name in named if name not in files]
    if missing:
        raise CommandError(f"the demo wants {', '.join(missing)}, which this checkout does not have as text")
    if len(files) - len(DROPPED) < FEWEST_UPLOADS:
        raise CommandError(f"this checkout has only {len(files)} text files; the demo wants {FEWEST_UPLOADS}")


def hand_in(client: Client, collection_id: str, files: dict[str, File]) -> Outcome:
    """Most files through presigned URLs, a few by hand into the bucket; waits for all of them."""
    uploads = [file for name, file in files.items() if name not in DROPPED]
    with Progress("uploading", len(uploads)) as progress:
        client.upload(collection_id, uploads, lambda _: progress.advance())
    bucket = variable("STAGING_BUCKET")
    s3 = boto3.client("s3", endpoint_url=variable("AWS_ENDPOINT_URL"))
    for name in DROPPED:
        s3.put_object(Bucket=bucket, Key=f"uploads/{collection_id}/{name}", Body=files[name].content)
    print(f"  dropped {len(DROPPED)} files into s3://{bucket}/uploads/{collection_id}/")
    return indexing.wait(client, collection_id, files.values())


def report(client: Client, collection_id: str, outcome: Outcome) -> int:
    """Says what was not indexed and why; returns how many files failed."""
    completed = outcome.having("completed")
    print(f"  {len(completed)} of {len(outcome.documents)} files are searchable, in {outcome.chunks} chunks")
    for status in ("skipped", "failed"):
        for document in outcome.having(status):
            print(f"  {status}: {indexing.name_of(document)}: {document['error_message']}")
    for failure in indexing.failed_operations(client, collection_id):
        print(f"  failed operation: {failure}")
    return len(outcome.having("failed"))


def show(question: Question, results: list[dict[str, Any]], milliseconds: float) -> bool:
    """Prints the best files, each by its best chunk; True when the right one is first."""
    best: dict[str, dict[str, Any]] = {}
    for result in results:
        best.setdefault(indexing.name_of(result), result)
    right = next(iter(best), None) == question.answered_by
    print(f"\n  {question.text}   ({milliseconds:.0f} ms)")
    for rank, (name, result) in enumerate(list(best.items())[:SHOWN_RESULTS], 1):
        mark = "✓" if right and rank == 1 else " "
        print(f"   {mark} {rank}. {result['score']:.3f}  {name}")
    if not right:
        place = list(best).index(question.answered_by) + 1 if question.answered_by in best else None
        where = f"is number {place}" if place else f"is not among the {len(best)} files found"
        print(f"   ✗ expected {question.answered_by} first; it {where}")
    return right


def farewell(api_url: str, collection_id: str) -> None:
    heading("the API goes on running; try")
    print(f"""\
  API='{api_url}'
  TOKEN=$(curl -s "$API/api/auth/login" -H 'content-type: application/json' -d @{ACCOUNT.relative_to(ROOT)} \\
    | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  curl -s "$API/api/v2/search" -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \\
    -d '{{"collection_uuids": ["{collection_id}"], "query": "how are passwords kept?", "k": 3}}'
  curl -s "$API/api/v2/collections/{collection_id}/documents?per_page=5" -H "authorization: Bearer $TOKEN"
  eval "$(scripts/stack env)"   # then drop a file of your own into the bucket:
  .venv/bin/python -c 'import boto3, os; boto3.client("s3").upload_file(
      "README.md", os.environ["STAGING_BUCKET"], "uploads/{collection_id}/README.md")'
  scripts/stack status; scripts/stack logs; scripts/stack down
""")


if __name__ == "__main__":
    run("scripts/demo", main)
