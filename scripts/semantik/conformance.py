"""scripts/conformance: runs schemathesis against the running stack and its OpenAPI document."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_line import CommandError
from semantik import indexing
from semantik.account import Account
from semantik.client import Client, File
from semantik.command import LOCAL, ROOT, heading, last_line, run, variable
from semantik.http_client import Http

FOLDER = LOCAL / "conformance"
HOOKS = Path(__file__).with_name("conformance_hooks.py")
SCHEMATHESIS = ROOT / ".venv" / "bin" / "schemathesis"
SEED = 20261124
EXAMPLES = 10
# Collections that the run may delete or transfer.
DISPOSABLE = 4
# Accounts whose sessions the run may end.
EXPENDABLE = 24

# One worker per session and sessions in parallel processes, because threads of one Python share a lock. Requests that
# the schema allows may be rejected by rules that a schema cannot express, such as fields that need each other.
COMMON = """\
seed = {seed}
workers = 1
request-timeout = 60
generation = {{ max-examples = {examples}, database = "none" }}
reports.json.path = {report}

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 422, 429, 503]

# A missing token is a 400 there, for clients of the v2 API.
[[operations]]
include-path = "/api/auth/refresh"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 422, 429, 503]

# DELETE does not end what can be read there: it cancels an operation, withdraws an upload, starts the removal of a
# source, and keeps a document until it is purged.
[[operations]]
include-path-regex = "^/api/v2/operations/|/(documents|sources|uploads)/"
checks.use_after_free.enabled = false
"""
ANONYMOUS = """
[auth]
auto-signup = false
"""


@dataclass(frozen=True)
class Session:
    """One run of schemathesis."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    report: Path

    @classmethod
    def start(
        cls, api_url: str, name: str, settings: str, tokens: dict[str, Any] | None, options: argparse.Namespace,
    ) -> Session:
        folder = FOLDER / name.replace(" ", "-")
        folder.mkdir()
        if tokens:
            path = folder / "tokens.json"
            path.touch(mode=0o600)
            path.write_text(json.dumps(tokens))
        report = folder / "report.json"
        common = COMMON.format(seed=options.seed, examples=options.examples, report=json.dumps(str(report)))
        (folder / "schemathesis.toml").write_text(common + settings)
        log = folder / "output.txt"
        command = [str(SCHEMATHESIS), "--no-color", "run", f"{api_url}/api/openapi.json", "--url", api_url]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=folder, env=os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS)},
                stdout=output, stderr=subprocess.STDOUT)
        return cls(name, process, log, report)

    def result(self) -> dict[str, Any]:
        """Waits for the end and returns the totals; prints the output of schemathesis if there is a failure."""
        status = self.process.wait()
        if not self.report.exists():
            raise CommandError(f"schemathesis ended with status {status}; see {self.log}")
        report = json.loads(self.report.read_text())
        errors = sum(error["count"] for error in report["errors"])
        result = {
            "session": self.name,
            "operations": report["operations"]["tested"],
            "requests": report["test_cases"]["generated"],
            "failures": report["test_cases"]["unique_failures"] + errors,
            "complete": report["complete"] and report["operations"]["tested"] == report["operations"]["total"],
        }
        if status != 0 or result["failures"] or not result["complete"]:
            print(self.log.read_text(errors="replace"))
        print(f"  {self.name}: {result['requests']} requests of {result['operations']} operations, "
              f"{result['failures']} failures", flush=True)
        return result


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/conformance")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    options = parser.parse_args()
    api_url = variable("API_URL")

    heading("an account with one resource of each kind")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    account = Account(Http(), api_url, FOLDER / "account.json", "conformance")
    account.sign_in()
    known = create_resources(Client(Http(), api_url, account))
    tokens = {"lasting": account.token(), "expendable": [expendable(api_url, number) for number in range(EXPENDABLE)]}

    heading("schemathesis: examples, boundary values, random values and sequences of every operation")
    started = time.monotonic()
    sessions = [
        Session.start(api_url, "signed in", signed_in(known), tokens, options),
        Session.start(api_url, "anonymous", ANONYMOUS, None, options),
    ]
    try:
        results = [session.result() for session in sessions]
    finally:
        for session in sessions:
            session.process.terminate()
            session.process.wait()
    seconds = time.monotonic() - started
    requests, failures = (sum(result[key] for result in results) for key in ("requests", "failures"))
    print(f"schemathesis: {requests} requests, {failures} failures, {seconds:.0f} s, seed {options.seed}", flush=True)
    last_line({
        "seed": options.seed, "requests": requests, "failures": failures, "seconds": round(seconds, 1),
        "sessions": results,
    })
    return failures == 0 and all(result["complete"] for result in results)


def create_resources(client: Client) -> dict[str, list[Any]]:
    """Creates a collection with a source and documents, and some disposable collections.

    Returns ids by the names of path parameters.
    """
    def collection(name: str) -> str:
        created, _ = client.ensure_collection(
            f"{name} {secrets.token_hex(4)}", description="created by scripts/conformance")
        return str(created["id"])

    lasting = collection("conformance")
    files = [File("tides.txt", b"The Moon pulls the sea."), File("bread.md", b"# Bread\n\nFlour, water, salt.\n")]
    client.upload(lasting, files)
    documents = indexing.wait(client, lasting, files).documents.values()
    folder = Path(variable("DIRECTORY_ROOT")) / "conformance"
    folder.mkdir(exist_ok=True)
    source = client.add_source(lasting, "directory", {"path": str(folder)})
    return {
        "collection_id": [lasting],
        "disposable": [collection("disposable") for _ in range(DISPOSABLE)],
        "document_id": [document["id"] for document in documents],
        "operation_id": [operation["id"] for operation in client.operations(lasting, "completed")],
        "source_id": [source["source_id"]],
    }


def expendable(api_url: str, number: int) -> str:
    """Registers another account and returns its access token."""
    account = Account(Http(), api_url, FOLDER / f"expendable-{number}.json", "expendable")
    account.sign_in()
    return account.token()


def signed_in(known: dict[str, list[Any]]) -> str:
    """Returns the settings of the authenticated session: existing ids among random ones."""
    lines = []
    for name, values in known.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
    lines.append("[parameters]")
    lines += [
        f'"path.{name}" = {{ dictionary = "{name}", probability = 0.8 }}' for name in known if name != "disposable"]
    for name in ("DELETE /api/v2/collections/{collection_id}", "POST /api/v2/collections/{collection_id}/owner"):
        lines += [
            "[[operations]]",
            f'include-name = "{name}"',
            'parameters = { "path.collection_id" = { dictionary = "disposable", probability = 0.8 } }',
        ]
    return "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    run("scripts/conformance", main)
