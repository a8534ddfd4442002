"""Injects faults into a running stack."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Awaitable
from urllib.parse import quote_plus

from botocore.exceptions import BotoCoreError, ClientError

from chaos_run.corpus import DROPPED
from chaos_run.lab import WORK_QUEUES, Lab
from chaos_run.schedule import Fault
from local_stack.proxy import Forward, Request, Response, TcpProxy, failure, success
from local_stack.settings import StackError

POLL_SECONDS = 0.05
# How long a fault waits for something to hit after all work of the phase is done.
TARGET_SECONDS = 3
# How many requests a fault of HTTP requests hits.
REQUESTS = (4, 14)
# Longer than the timeouts of clients, shorter than those of functions.
STALL_SECONDS = (1.0, 6.0)
LATE_SECONDS = (0.5, 8.0)


class Injector:
    """Injects the faults of a phase at their times, each on its own thread, so that they are independent."""

    def __init__(self, lab: Lab, faults: list[Fault], requests: dict[str, int], seed: int):
        self._lab = lab
        self._faults = faults
        self._requests = requests
        self._seed = seed
        self._lock = threading.Lock()
        # Only one part is restarted at a time.
        self._restarting = threading.Lock()
        self._is_idle = False
        self._threads: list[threading.Thread] = []
        # How many faults of each kind hit something, and how many did not.
        self.hit: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()

    def begin(self, phase: str) -> None:
        self._is_idle = False
        before = self._lab.aws.requests
        self._threads = [
            threading.Thread(target=self._do, args=(fault, before + fault.at * self._requests[phase]), daemon=True)
            for fault in self._faults if fault.phase == phase
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_done(self) -> bool:
        """Whether all faults of the phase have ended."""
        return not any(thread.is_alive() for thread in self._threads)

    def hurry(self) -> None:
        """Injects the remaining faults now, because all work of the phase is done."""
        self._is_idle = True

    def _do(self, fault: Fault, due: float) -> None:
        while self._lab.aws.requests < due and not self._is_idle:
            time.sleep(POLL_SECONDS)
        began = time.monotonic()
        try:
            was_hit = self._inject(fault)
        except (BotoCoreError, ClientError, OSError, StackError) as error:
            # Another fault has just stopped the part.
            print(f"    {fault.kind}: {error}", flush=True)
            was_hit = False
        mark = "" if was_hit else "  (hit nothing)"
        with self._lock:
            (self.hit if was_hit else self.missed)[fault.kind] += 1
            print(f"    {fault.phase} {fault.at:.2f}  {fault.kind}  {time.monotonic() - began:.1f} s{mark}", flush=True)

    def _inject(self, fault: Fault) -> bool:
        chooser = random.Random(f"{self._seed} {fault.number}")
        lab = self._lab
        match fault.name:
            case "kill function":
                return lab.kill_function(fault.target, TARGET_SECONDS) > 0
            case "kill" | "restart":
                with self._restarting:
                    lab.restart(fault.target, kill=fault.name == "kill")
                return True
            case "dead-letter queue filled":
                return self._fill_dead_letters(chooser)
            case "upload events dropped":
                return self._divert_upload_events(None)
            case "upload events dead-lettered":
                return self._divert_upload_events("IntakeDeadLetter")
            case name if name.startswith("messages"):
                return self._intercept(_Messages(lab, fault, chooser))
            case name if name.startswith(("S3", "SQS")):
                return self._intercept(_Requests(fault, chooser))
            case name:
                proxy = lab.postgres if name.startswith("PostgreSQL") else lab.qdrant
                return self._hit_connections(proxy, name.partition(" ")[2], chooser)

    def _hit_connections(self, proxy: TcpProxy, what: str, chooser: random.Random) -> bool:
        before = proxy.affected
        seconds = chooser.uniform(*STALL_SECONDS)
        if what == "connections cut":
            self._lab.wait(lambda: self._lab.loop.run(proxy.cut()) > 0 or self._is_idle, 10)
        elif what == "refuses":
            self._lab.loop.run(proxy.refuse(seconds))
        elif what == "stalls":
            self._lab.loop.run(proxy.stall(seconds))
        else:
            wanted = chooser.randint(2, 6)
            proxy.lose_responses(wanted)
            self._lab.wait(lambda: proxy.affected - before >= wanted or self._is_idle, 10)
            proxy.lose_responses(0)
        return proxy.affected > before

    def _intercept(self, interceptor: _Interceptor) -> bool:
        """Intercepts requests until enough were hit, or no more arrive."""
        proxy = self._lab.aws
        proxy.interceptors.append(interceptor)
        self._lab.wait(lambda: interceptor.left == 0 or self._is_idle, 20)
        if self._is_idle and interceptor.left > 0:
            self._lab.wait(lambda: interceptor.left == 0, TARGET_SECONDS)
        proxy.interceptors.remove(interceptor)
        return interceptor.hits > 0

    def _fill_dead_letters(self, chooser: random.Random) -> bool:
        """Sends invalid messages and messages of unknown operations to a dead-letter queue."""
        queue = chooser.choice(WORK_QUEUES)
        gone = str(uuid.UUID(int=chooser.getrandbits(128), version=4))
        bodies = [
            "{", "", "null", "[1, 2]", '{"Records": []}', "🦀" * 500,
            json.dumps({"operation_id": gone}), json.dumps({"operation_id": gone, "item_id": 2**60}),
            json.dumps({"operation_id": gone, "item_id": 2**60, "batch": 3}),
            json.dumps({"operation_id": gone, "item_ids": [2**60, 2**60 + 1]}),
        ]
        sqs = self._lab.client("sqs")
        for body in bodies * 3:
            sqs.send_message(QueueUrl=self._lab.queue_url(f"{queue}DeadLetter"), MessageBody=body or " ")
        return True

    def _divert_upload_events(self, other_queue: str | None) -> bool:
        """Removes upload events from the queue of intake, or moves them to another queue."""
        client, sqs = self._lab.client("lambda"), self._lab.client("sqs")
        url = self._lab.queue_url("Intake")
        name = url.rpartition("/")[2]
        mappings = client.list_event_source_mappings()["EventSourceMappings"]
        intake = next(one["UUID"] for one in mappings if one["EventSourceArn"].endswith(f":{name}"))
        client.update_event_source_mapping(UUID=intake, Enabled=False)
        taken = 0
        try:
            deadline = time.monotonic() + TARGET_SECONDS
            while taken < 5 and time.monotonic() < deadline:
                for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=5).get("Messages", []):
                    body = message["Body"]
                    if other_queue:
                        sqs.send_message(QueueUrl=self._lab.queue_url(other_queue), MessageBody=body)
                    elif quote_plus(DROPPED.rstrip("/")) in body:
                        # Without an announcement, this event is the only notice of the upload.
                        continue
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    taken += 1
        finally:
            client.update_event_source_mapping(UUID=intake, Enabled=True)
        return taken > 0


class _Interceptor:
    """Intercepts a number of requests."""

    def __init__(self, left: int):
        self.left = left
        self.hits = 0

    def __call__(self, request: Request, forward: Forward) -> Awaitable[Response] | None:
        """Returns the response to a request, or None for requests that it does not intercept."""
        raise NotImplementedError

    def _hit(self) -> None:
        self.left -= 1
        self.hits += 1


class _Requests(_Interceptor):
    """Errors, lost responses and delays of S3 or SQS."""

    def __init__(self, fault: Fault, chooser: random.Random):
        super().__init__(chooser.randint(*REQUESTS))
        self._is_s3 = fault.name.startswith("S3")
        self._what = fault.name.partition(" ")[2]
        self._chooser = chooser

    def __call__(self, request: Request, forward: Forward) -> Awaitable[Response] | None:
        if self.left <= 0 or request.is_s3 != self._is_s3 or self._chooser.random() < 0.2:
            return None
        self._hit()
        return self._respond(request, forward)

    async def _respond(self, request: Request, forward: Forward) -> Response:
        if self._what == "stalls":
            await asyncio.sleep(self._chooser.uniform(*STALL_SECONDS))
            return await forward(request)
        if self._what == "responses lost":
            # The request takes effect, but its response is lost.
            await forward(request)
            return None if self._chooser.random() < 0.5 else failure(500, request, "InternalError")
        if self._chooser.random() < 0.25:
            return None
        status = self._chooser.choice((500, 503))
        return failure(status, request, "InternalError" if status == 500 else "ServiceUnavailable")


class _Messages(_Interceptor):
    """Messages that are sent to a queue: dropped, duplicated, delayed or dead-lettered."""

    def __init__(self, lab: Lab, fault: Fault, chooser: random.Random):
        is_costly = fault.name in ("messages dropped", "messages dead-lettered")
        super().__init__(chooser.randint(1, 2) if is_costly else chooser.randint(3, 8))
        self._lab = lab
        self._fault = fault
        self._queue = fault.target.capitalize()
        self._name = lab.queue_url(self._queue).rpartition("/")[2]
        self._chooser = chooser

    def __call__(self, request: Request, forward: Forward) -> Awaitable[Response] | None:
        if self.left <= 0 or request.call != "SendMessageBatch":
            return None
        if json.loads(request.body)["QueueUrl"].rpartition("/")[2] != self._name:
            return None
        self._hit()
        return self._respond(request, forward)

    async def _respond(self, request: Request, forward: Forward) -> Response:
        what = self._fault.name.removeprefix("messages ")
        if what == "duplicated":
            await forward(request)
            return await forward(request)
        if what == "late and out of order":
            self._late = asyncio.get_running_loop().create_task(
                self._send_later(request, self._chooser.uniform(*LATE_SECONDS)))
        elif what == "dead-lettered":
            await asyncio.get_running_loop().run_in_executor(None, self._dead_letter, request)
        return success(_accepted(request))

    async def _send_later(self, request: Request, seconds: float) -> None:
        await asyncio.sleep(seconds)
        # The messages are lost if the emulator does not run then.
        with contextlib.suppress(OSError, EOFError):
            await self._lab.aws.send(request)

    def _dead_letter(self, request: Request) -> None:
        sqs = self._lab.client("sqs")
        for entry in json.loads(request.body)["Entries"]:
            sqs.send_message(QueueUrl=self._lab.queue_url(f"{self._queue}DeadLetter"), MessageBody=entry["MessageBody"])


def _accepted(request: Request) -> bytes:
    """Returns the response of a queue that has accepted every message of the batch."""
    entries = json.loads(request.body)["Entries"]
    accepted = [
        {
            "Id": entry["Id"], "MessageId": str(uuid.uuid4()),
            "MD5OfMessageBody": hashlib.md5(entry["MessageBody"].encode()).hexdigest(),
        }
        for entry in entries
    ]
    return json.dumps({"Successful": accepted, "Failed": []}).encode()


def table(hit: Counter[str], missed: Counter[str]) -> list[str]:
    """Returns a table of the injected faults, one line per kind."""
    names: dict[str, list[str]] = {}
    for kind in sorted(hit | missed):
        names.setdefault(kind.partition(":")[0], []).append(kind)
    lines = [f"  {'fault':32} {'hit':>5}  {'missed':>6}  target"]
    for name, kinds in names.items():
        targets = ", ".join(
            f"{kind.partition(': ')[2]} {hit[kind]}" for kind in kinds if ": " in kind and hit[kind])
        done, not_done = sum(hit[kind] for kind in kinds), sum(missed[kind] for kind in kinds)
        lines.append(f"  {name:32} {done:>5}  {not_done:>6}  {targets}".rstrip())
    lines.append(f"  {'all':32} {hit.total():>5}  {missed.total():>6}")
    return lines
