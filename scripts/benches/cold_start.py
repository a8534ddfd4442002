"""Cold starts: from the start of a function's process to its first answer.

The process is started here as Lambda starts it, in the environment that the deployed function has, and
gets its first event from a runtime API of this benchmark's own. So the time is the function's alone:
what AWS needs before it, and the download of the package, are not in it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3

from benches.line import Line
from benches.stack import Stack
from local_stack import build
from local_stack.settings import LOCAL
from semantik.errors import CommandError

RUNS = 20
PATIENCE_SECONDS = 30
TARGETS_MS = {"api": 50, "search": 300}


def run() -> list[Line]:
    with Stack.up() as stack:
        collection = stack.small_collection()
        headers = {"authorization": f"Bearer {stack.account.token()}", "content-type": "application/json"}
        query = {"collection_uuids": [collection["id"]], "query": "who may read a collection?", "k": 5}
        events = {
            "api": event("GET", "/api/v2/collections", headers, None),
            "search": event("POST", "/api/v2/search", headers, query),
        }
        lines = []
        for function, first in events.items():
            starts = [start(function, environment(stack, function), first) for _ in range(RUNS)]
            lines += describe(function, starts, stack.profile)
        return lines


def describe(function: str, starts: list[Start], profile: str) -> list[Line]:
    totals = [start.total_ms for start in starts]
    asked = statistics.median(start.asked_ms for start in starts)
    answered = statistics.median(start.total_ms - start.asked_ms for start in starts)
    parts = f"p50: {asked:.0f} ms until it asks for work, {answered:.0f} ms for the first answer"
    timings = [timings for start in starts if (timings := start.body.get("timings"))]
    if timings:
        middle = {part: statistics.median(timing[part] for timing in timings) for part in timings[0]}
        parts += " (" + ", ".join(f"{part.removesuffix('_ms')} {value:.0f}" for part, value in middle.items()) + ")"
    print(f"  {function}: {parts}")
    target = TARGETS_MS[function]
    note = f"{profile} profile, {RUNS} runs, max {max(totals):.0f} ms; {parts}"
    return [Line(f"cold_start_{function}", statistics.median(totals), "ms p50", target=target, at_most=True, note=note)]


class Start:
    """One start of a function: when it asked for work, when it answered, and what."""

    def __init__(self) -> None:
        self.asked_ms = 0.0
        self.total_ms = 0.0
        self.body: dict[str, Any] = {}
        self.answered = threading.Event()


def start(function: str, variables: dict[str, str], first: dict[str, Any]) -> Start:
    """Starts the function's process, gives it one event, and ends it after its answer."""
    package = build.PACKAGES / function
    with runtime_api(first) as (address, begin, outcome):
        log = (LOCAL / f"bench-{function}.log").open("w")
        environment = {**variables, "AWS_LAMBDA_RUNTIME_API": address, "LAMBDA_TASK_ROOT": str(package)}
        begin()
        process = subprocess.Popen([package / "bootstrap"], cwd=package, env=environment, stdout=log, stderr=log)
        try:
            if not outcome.answered.wait(PATIENCE_SECONDS):
                raise CommandError(f"{function} gave no answer in {PATIENCE_SECONDS} s; see {log.name}")
        finally:
            process.kill()
            process.wait()
            log.close()
    return outcome


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The process is killed while its call for more work waits; everything else is a defect of this server."""
        if not isinstance(sys.exception(), ConnectionResetError | BrokenPipeError):
            super().handle_error(request, client_address)


@contextmanager
def runtime_api(first: dict[str, Any]) -> Iterator[tuple[str, Any, Start]]:
    """Lambda's runtime API with one event to give (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html)."""
    outcome = Start()
    began = time.perf_counter()

    def begin() -> None:
        nonlocal began
        began = time.perf_counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if outcome.asked_ms:
                # The second call for work is never answered; the process is ended while it waits.
                outcome.answered.wait()
                return
            outcome.asked_ms = (time.perf_counter() - began) * 1000
            body = json.dumps(first).encode()
            self.send_response(200)
            deadline = int((time.time() + PATIENCE_SECONDS) * 1000)
            for name, value in {
                "Lambda-Runtime-Aws-Request-Id": "00000000-0000-0000-0000-000000000001",
                "Lambda-Runtime-Deadline-Ms": str(deadline),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:bench",
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
                "Content-Length": str(len(body)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            received = self.rfile.read(int(self.headers.get("Content-Length") or 0) or None) if self.headers.get("Content-Length") else self._chunked()
            outcome.total_ms = (time.perf_counter() - began) * 1000
            answer = json.loads(received or b"{}")
            if answer.get("statusCode") != 200:
                outcome.body = {"problem": answer}
            else:
                outcome.body = json.loads(answer.get("body") or "{}") if isinstance(answer.get("body"), str) else {}
                outcome.body = outcome.body if isinstance(outcome.body, dict) else {}
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            outcome.answered.set()

        def _chunked(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            return body

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing to say about requests."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", begin, outcome
        if "problem" in outcome.body:
            raise CommandError(f"the first answer is {json.dumps(outcome.body['problem'])[:300]}")
    finally:
        outcome.answered.set()
        server.shutdown()
        server.server_close()


def environment(stack: Stack, function: str) -> dict[str, str]:
    """The variables of the deployed function."""
    client = boto3.client("lambda", endpoint_url=stack.variables["AWS_ENDPOINT_URL"])
    prefix = f"{stack.variables['STACK_NAME']}-{function.capitalize()}Function-"
    pages = client.get_paginator("list_functions").paginate()
    found = [entry for page in pages for entry in page["Functions"] if entry["FunctionName"].startswith(prefix)]
    if not found:
        raise CommandError(f"{function} is not deployed")
    deployed = found[0]
    aws = {name: value for name, value in stack.variables.items() if name.startswith("AWS_")}
    return {
        **aws,
        **deployed.get("Environment", {}).get("Variables", {}),
        "PATH": os.environ.get("PATH", ""),
        "AWS_LAMBDA_FUNCTION_NAME": deployed["FunctionName"],
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(deployed["MemorySize"]),
        "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
    }


def event(method: str, path: str, headers: dict[str, str], body: Any) -> dict[str, Any]:
    """A request as API Gateway's HTTP API hands it over (payload version 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {**headers, "host": "bench"},
        "requestContext": {
            "accountId": "000000000000", "apiId": "bench", "domainName": "bench", "domainPrefix": "bench",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench"},
            "requestId": "bench", "routeKey": "$default", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1767225600000,
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
