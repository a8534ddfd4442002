"""Runs MiniStack so that what it has acknowledged survives `kill -9`, as it would in AWS.

MiniStack keeps queues and control-plane state in memory and writes them on an orderly stop only. This wrapper
adds, without changing its files:

- A journal of queue messages. The response to a request that may have enqueued a message is sent after the message
  is on disk; the journal is replayed at start. Deletions are journalled within half a second, so a kill may lead to
  a redelivery, never to a lost message.
- Bucket notifications are delivered before the upload is acknowledged, instead of by a thread afterwards.
- `POST /_stack/checkpoint` writes all other state (functions, roles, routes, stacks). The deployment calls it at
  its end.
- `OPTIONS` requests reach the function, as AWS routes them for an HTTP API without CORS settings of its own.
  MiniStack would answer 403 itself.
- A function's response of more than 6,291,556 bytes fails its invocation, as it does in AWS: API Gateway then answers
  502. MiniStack would deliver a response of any size.
- Messages that were in flight when the emulator was killed become visible at once: their functions were killed, too.
- A queue delivers messages of quiet message groups first (emulator_fair_queues.py).
- Functions of queues have a low priority, those that run a model for documents the lowest: in AWS each instance has
  processors of its own, and here they would take them from the servers and from requests.
- Memory is bounded (emulator_memory.py).
- CloudWatch has the metrics that AWS makes by itself, and those of log lines (emulator_metrics.py).
- Only this user can read the state.

It also disables Nagle's algorithm in the Lambda runtime API, which otherwise adds 40 ms to every invocation.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socketserver
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ministack import app as ministack
from ministack.core import lambda_runtime, persistence
from ministack.services import apigateway, s3, sqs

from local_stack import emulator_fair_queues, emulator_memory, emulator_metrics

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
# The key of a queue in MiniStack's table, and the id of a message.
MessageKey = tuple[tuple[str, ...], str]

COMPACT_AFTER_LINES = 20_000

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_RESPONSE_BYTES = 6_291_556


# By parts of the names of functions; others read queues.
NICENESS = {"ApiFunction": 0, "SearchFunction": 0, "MigrateFunction": 0, "EmbedFunction": 15, "RecognizeFunction": 15}
QUEUE_NICENESS = 5


class Journal:
    """An append-only file of the messages enqueued and deleted since the queues were last written as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: set[MessageKey] = set()
        self.lines = 0
        self.file: io.TextIOWrapper | None = None
        self.lock = threading.RLock()

    def open(self) -> None:
        """Replays the journal of an emulator that was killed, then starts a new one."""
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                self._replay(line)
        now = time.time()
        for queue in sqs._queues._data.values():
            for message in queue["messages"]:
                if message["receive_count"] > 0:
                    message["visible_at"] = min(message["visible_at"], now)
        self.restart()
        threading.Thread(target=self._commit_forever, name="queue-journal", daemon=True).start()

    def restart(self) -> None:
        """Writes the queues as a whole and empties the journal."""
        with self.lock:
            self.known = set(_messages())
            persistence.save_state("sqs", sqs.get_state())
            if self.file is not None:
                self.file.close()
            self.file = self.path.open("w")
            self.lines = 0

    def commit(self) -> None:
        """Appends the changes since the last commit and hands them to the operating system."""
        with self.lock:
            if self.file is None:
                return
            current = _messages()
            added = [key for key in current if key not in self.known]
            removed = self.known.difference(current)
            if not added and not removed:
                return
            for key in added:
                self._append({"queue": key[0], "message": current[key]})
            for queue, message_id in removed:
                self._append({"queue": queue, "removed": message_id})
            self.file.flush()
            self.known = set(current)
            if self.lines > COMPACT_AFTER_LINES:
                self.restart()

    def _commit_forever(self) -> None:
        """Journals deletions after which no other request arrives."""
        while True:
            time.sleep(0.5)
            self.commit()

    def _append(self, entry: dict[str, Any]) -> None:
        assert self.file is not None
        self.file.write(json.dumps(entry) + "\n")
        self.lines += 1

    def _replay(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            # The last line, truncated by the kill. Its request was never acknowledged.
            return
        queue = sqs._queues._data.get(tuple(entry["queue"]))
        if queue is None:
            return
        messages = queue["messages"]
        if "removed" in entry:
            queue["messages"] = [m for m in messages if m["id"] != entry["removed"]]
        elif all(m["id"] != entry["message"]["id"] for m in messages):
            messages.append(entry["message"])


def _messages() -> dict[MessageKey, dict[str, Any]]:
    return {
        (key, message["id"]): message
        for key, queue in list(sqs._queues._data.items())
        for message in list(queue["messages"])
    }


def durable(app: Callable[[Scope, Receive, Send], Awaitable[None]], journal: Journal) -> Any:
    """Wraps an ASGI application so that its responses wait for the journal."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        async def lifespan_send(event: dict[str, Any]) -> None:
            if event["type"] == "lifespan.startup.complete":
                journal.open()
            elif event["type"] == "lifespan.shutdown.complete":
                journal.restart()
            await send(event)

        async def committed_send(event: dict[str, Any]) -> None:
            if event["type"] == "http.response.start":
                journal.commit()
            await send(event)

        if scope["type"] == "lifespan":
            await app(scope, receive, lifespan_send)
        elif scope["type"] == "http" and scope["path"] == "/_stack/checkpoint":
            await _checkpoint(scope, send, journal)
        elif scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            await app(scope, receive, committed_send)
        else:
            await app(scope, receive, send)

    return handle


async def _checkpoint(scope: Scope, send: Send, journal: Journal) -> None:
    if scope["method"] == "POST":
        persistence.save_all(ministack._build_persistence_save_dict())
        emulator_memory.release_packages()
        journal.restart()
    status = 204 if scope["method"] == "POST" else 405
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def deliver_notifications_at_once() -> None:
    """Enqueues the event of an upload before the upload is acknowledged."""

    def fire(bucket: str, key: str, event: str, size: int = 0, etag: str = "",
             deletion_type: str | None = None, **details: Any) -> None:
        if bucket in s3._bucket_notifications:
            sequencer = s3._next_event_sequencer(event)
            s3._fire_s3_event(bucket, key, event, size, etag, deletion_type,
                              sequencer=sequencer, **details)

    # Fails loudly if an upgrade of the pinned emulator renames them.
    assert callable(s3._fire_s3_event_async) and callable(s3._next_event_sequencer)
    s3._fire_s3_event_async = fire


class Forwarded(str):
    """An HTTP method that compares unequal to every string, so that no special case matches it."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True


def forward_preflights() -> None:
    """Routes OPTIONS requests to the $default route."""
    execute = apigateway.handle_execute

    async def handle(api_id: str, stage: str, path: str, method: str, *rest: Any, **named: Any) -> Any:
        forwarded = Forwarded(method) if method == "OPTIONS" else method
        return await execute(api_id, stage, path, forwarded, *rest, **named)

    apigateway.handle_execute = handle


def limit_responses() -> None:
    """Fails invocations whose response is larger than Lambda's limit."""
    worker = lambda_runtime.ProvidedWorker
    build = worker._build_handler_class

    def build_limited(self: Any, *arguments: Any) -> type:
        handler = build(self, *arguments)

        class Limited(handler):  # type: ignore[misc, valid-type]
            path: str

            def _read_body(self) -> bytes:
                body: bytes = super()._read_body()
                if not self.path.endswith("/response") or len(body) <= MAX_RESPONSE_BYTES:
                    return body
                # The function reports success; the invocation fails nevertheless.
                self.path = self.path.removesuffix("/response") + "/error"
                message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
                error = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
                return json.dumps(error).encode()

        return Limited

    worker._build_handler_class = build_limited


def lower_priorities() -> None:
    """Starts functions with a priority below that of the servers and of the HTTP functions."""
    worker = lambda_runtime.ProvidedWorker
    spawn = worker._spawn

    def spawn_politely(self: Any, *arguments: Any, **options: Any) -> Any:
        result = spawn(self, *arguments, **options)
        niceness = next((value for name, value in NICENESS.items() if name in self.func_name), QUEUE_NICENESS)
        # Of threads: a process has none of its own in Linux. Those that start later inherit it.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for thread in os.listdir(f"/proc/{self._proc.pid}/task"):
                os.setpriority(os.PRIO_PROCESS, int(thread), niceness)
        return result

    worker._spawn = spawn_politely


def close_state(folder: Path) -> None:
    """Lets only this user read the state: it holds the secrets that the functions get by their environment."""
    os.umask(0o077)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)


def main() -> None:
    close_state(Path(os.environ["STATE_DIR"]))
    # Set to find this package; the functions inherit the environment and need nothing of it.
    os.environ.pop("PYTHONPATH", None)
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    deliver_notifications_at_once()
    forward_preflights()
    limit_responses()
    lower_priorities()
    emulator_fair_queues.install()
    emulator_memory.install()
    emulator_metrics.install()
    journal = Journal(Path(os.environ["STATE_DIR"]) / "queue-journal.jsonl")
    ministack.app = durable(ministack.app, journal)
    ministack.main()


if __name__ == "__main__":
    main()
