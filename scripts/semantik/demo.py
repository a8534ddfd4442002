"""scripts/demo: indexes files of this repository and runs semantic queries."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import boto3

from command_line import CommandError
from semantik import indexing, repository
from semantik.account import Account
from semantik.client import Client, File
from semantik.command import LOCAL, ROOT, heading, last_line, run, variable
from semantik.http_client import Http
from semantik.indexing import Outcome
from semantik.metrics import spread
from semantik.progress_bar import ProgressBar

COLLECTION = "this repository"
MIN_UPLOADS = 30
ACCOUNT = LOCAL / "demo.json"
SHOWN_RESULTS = 3

# Put directly into the bucket, as users can do; all others are uploaded to presigned URLs.
DROPPED = (
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "CHANGELOG.md",
    "infra/docker-compose.yml",
    "template.yaml",
)


@dataclass(frozen=True)
class Question:
    """A query whose words differ from those of the expected file."""

    text: str
    answered_by: str


QUESTIONS = (
    Question("must I pay contributors if they hold a patent on what they gave?", "LICENSE-APACHE"),
    Question("how are passwords hashed?", "shared/auth/src/password.rs"),
    Question(
        "which user owns the PostgreSQL process when an administrator starts it?", "scripts/local_stack/postgres.py"),
    Question("mean, first or last: how is the output of a transformer summarized?", "shared/embedding/src/pooling.rs"),
    Question("which texts share a batch so that little is padded?", "shared/embedding/src/batch.rs"),
)


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--started", type=float, default=time.time())
    started = parser.parse_args().started
    api_url = variable("API_URL")

    files = {file.name: file for file in repository.files(ROOT)}
    check_files(files)
    http = Http(notify=lambda message: print(f"  {message}", flush=True))
    account = Account(http, api_url, ACCOUNT, "demo")
    account.sign_in()
    client = Client(http, api_url, account)
    heading("user and collection")
    print(f"  {'registered' if account.registered else 'logged in as'} {account.username}")
    collection, is_new = client.ensure_collection(COLLECTION, description="created by scripts/demo")
    print(f"  {'created' if is_new else 'found'} the collection {COLLECTION!r}")

    heading("indexing")
    began = time.monotonic()
    outcome = upload(client, collection["id"], files)
    indexing_seconds = time.monotonic() - began
    failed = report(client, collection["id"], outcome)

    heading("five queries, in other words than the files that answer them")
    times_ms: list[float] = []
    right_first = 0
    for question in QUESTIONS:
        answer, milliseconds = client.search(collection["id"], question.text, k=20)
        times_ms.append(milliseconds)
        right_first += show(question, answer["results"], milliseconds)

    print_next_steps(api_url, collection["id"])
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


def check_files(files: dict[str, File]) -> None:
    """Raises if a file that the demo names was renamed, which would look like a bad search result."""
    named = [*DROPPED, *(question.answered_by for question in QUESTIONS)]
    missing = [name for name in named if name not in files]
    if missing:
        raise CommandError(f"the demo needs {', '.join(missing)}, which this checkout does not have as text files")
    if len(files) - len(DROPPED) < MIN_UPLOADS:
        raise CommandError(f"the demo needs {MIN_UPLOADS} text files to upload; this checkout has {len(files)} in all")


def upload(client: Client, collection_id: str, files: dict[str, File]) -> Outcome:
    """Uploads most files to presigned URLs and puts a few into the bucket; waits until all are indexed."""
    uploads = [file for name, file in files.items() if name not in DROPPED]
    with ProgressBar("uploading", len(uploads)) as progress:
        client.upload(collection_id, uploads, lambda _: progress.advance())
    bucket = variable("STAGING_BUCKET")
    s3 = boto3.client("s3", endpoint_url=variable("AWS_ENDPOINT_URL"))
    for name in DROPPED:
        s3.put_object(Bucket=bucket, Key=f"uploads/{collection_id}/{name}", Body=files[name].content)
    print(f"  put {len(DROPPED)} files into s3://{bucket}/uploads/{collection_id}/")
    return indexing.wait(client, collection_id, files.values())


def report(client: Client, collection_id: str, outcome: Outcome) -> int:
    """Prints what was not indexed and why; returns how many files failed."""
    completed = outcome.having("completed")
    print(f"  {len(completed)} of {len(outcome.documents)} files are searchable, in {outcome.chunks} chunks")
    for status in ("skipped", "failed"):
        for document in outcome.having(status):
            print(f"  {status}: {indexing.name_of(document)}: {document['error_message']}")
    for failure in indexing.failed_operations(client, collection_id):
        print(f"  failed operation: {failure}")
    return len(outcome.having("failed"))


def show(question: Question, results: list[dict[str, Any]], milliseconds: float) -> bool:
    """Prints the best files, each with the score of its best chunk; returns whether the expected one is first."""
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
        where = f"has rank {place}" if place else f"is not among the {len(best)} files found"
        print(f"   ✗ expected {question.answered_by} first; it {where}")
    return right


def print_next_steps(api_url: str, collection_id: str) -> None:
    heading("the API keeps running; try")
    print(f"""\
  API='{api_url}'
  TOKEN=$(curl -s "$API/api/auth/login" -H 'content-type: application/json' -d @{ACCOUNT.relative_to(ROOT)} \\
    | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  curl -s "$API/api/v2/search" -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \\
    -d '{{"collection_uuids": ["{collection_id}"], "query": "how are passwords stored?", "k": 3}}'
  curl -s "$API/api/v2/collections/{collection_id}/documents?per_page=5" -H "authorization: Bearer $TOKEN"
  eval "$(scripts/stack env)"   # then put a file of your own into the bucket:
  .venv/bin/python -c 'import boto3, os; boto3.client("s3").upload_file(
      "README.md", os.environ["STAGING_BUCKET"], "uploads/{collection_id}/README.md")'
  scripts/stack status; scripts/stack logs; scripts/stack down
""")


if __name__ == "__main__":
    run("scripts/demo", main)
