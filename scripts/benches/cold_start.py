"""Cold starts: from the start of the process of a function to its first response.

The process is started like in Lambda, with the environment of the deployed function, and receives its first event
from a runtime API in this benchmark. The time does not include what AWS needs before, and the download of the package.
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
from command_line import CommandError
from local_stack import build
from local_stack.settings import LOCAL

RUNS = 20
TIMEOUT_SECONDS = 30
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
    ready = statistics.median(start.ready_ms for start in starts)
    response = statistics.median(start.total_ms - start.ready_ms for start in starts)
    parts = f"p50: {ready:.0f} ms until it requests an event, {response:.0f} ms for the first response"
    timings = [timings for start in starts if (timings := start.body.get("timings"))]
    if timings:
        middle = {part: statistics.median(timing[part] for timing in timings) for part in timings[0]}
        parts += " (" + ", ".join(f"{part.removesuffix('_ms')} {value:.0f}" for part, value in middle.items()) + ")"
    print(f"  {function}: {parts}")
    target = TARGETS_MS[function]
    note = f"{profile} profile, {RUNS} runs, max {max(totals):.0f} ms; {parts}"
    return [Line(f"cold_start_{function}", statistics.median(totals), "ms p50", target=target, at_most=True, note=note)]


class Start:
    """One start of a function: when it requested an event, when it responded, and the body of the response."""

    def __init__(self) -> None:
        self.ready_ms = 0.0
        self.total_ms = 0.0
        self.body: dict[str, Any] = {}
        self.responded = threading.Event()


def start(function: str, variables: dict[str, str], first: dict[str, Any]) -> Start:
    """Starts the process of a function, gives it one event, and ends it after its response."""
    package = build.PACKAGES / function
    with runtime_api(first) as (address, begin, outcome):
        log = (LOCAL / f"bench-{function}.log").open("w")
        environment = {**variables, "AWS_LAMBDA_RUNTIME_API": address, "LAMBDA_TASK_ROOT": str(package)}
        begin()
        process = subprocess.Popen([package / "bootstrap"], cwd=package, env=environment, stdout=log, stderr=log)
        try:
            if not outcome.responded.wait(TIMEOUT_SECONDS):
                raise CommandError(f"{function} did not respond within {TIMEOUT_SECONDS} s; see {log.name}")
        finally:
            process.kill()
            process.wait()
            log.close()
    return outcome


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores that the process is killed while it waits for the next event."""
        if not isinstance(sys.exception(), ConnectionResetError | BrokenPipeError):
            super().handle_error(request, client_address)


@contextmanager
def runtime_api(first: dict[str, Any]) -> Iterator[tuple[str, Any, Start]]:
    """Runs a Lambda runtime API with one event (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html)."""
    outcome = Start()
    began = time.perf_counter()

    def begin() -> None:
        nonlocal began
        began = time.perf_counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if outcome.ready_ms:
                # The process is ended while it waits for a second event.
                outcome.responded.wait()
                return
            outcome.ready_ms = (time.perf_counter() - began) * 1000
            body = json.dumps(first).encode()
            self.send_response(200)
            deadline = int((time.time() + TIMEOUT_SECONDS) * 1000)
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
            length = self.headers.get("Content-Length")
            received = self.rfile.read(int(length)) if length else self._chunked()
            outcome.total_ms = (time.perf_counter() - began) * 1000
            response = json.loads(received or b"{}")
            if response.get("statusCode") != 200:
                outcome.body = {"problem": response}
            else:
                body = json.loads(response.get("body") or "{}") if isinstance(response.get("body"), str) else {}
                outcome.body = body if isinstance(body, dict) else {}
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            outcome.responded.set()

        def _chunked(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            return body

        def log_message(self, format: str, *args: Any) -> None:
            """Logs nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", begin, outcome
        if "problem" in outcome.body:
            raise CommandError(f"the first response was {json.dumps(outcome.body['problem'])[:300]}")
    finally:
        outcome.responded.set()
        server.shutdown()
        server.server_close()


def environment(stack: Stack, function: str) -> dict[str, str]:
    """Returns the environment variables of the deployed function."""
    client = boto3.client("lambda", endpoint_url=stack.variables["AWS_ENDPOINT_URL"])
    prefix = f"{stack.variables['STACK_NAME']}-{function.capitalize()}Function-"
    pages = client.get_paginator("list_functions").paginate()
    found = [entry for page in pages for entry in page["Functions"] if entry["FunctionName"].startswith(prefix)]
    if not found:
        raise CommandError(f"{function} is not deployed; run scripts/stack up")
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
    """Returns a request as an HTTP API of API Gateway passes it to a function (payload version 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {**headers, "host": "bench"},
        "requestContext": {
            "accountId": "000000000000", "apiId": "bench", "domainName": "bench", "domainPrefix": "bench",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench",
            },
            "requestId": "bench", "routeKey": "$default", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1767225600000,
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
