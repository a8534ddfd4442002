"""The faults that raise the alarms, each against a running stack."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chaos_run.lab import Lab
from command_line import CommandError
from local_stack.proxy import Forward, Interceptor, Request, Response, TcpProxy, failure
from local_stack.settings import LOCAL
from semantik.account import Account
from semantik.client import Client, File
from semantik.errors import ApiError
from semantik.http_client import Http

# The functions behind queues.
STAGES = ("Intake", "Scan", "Extract", "Recognize", "Chunk", "Embed", "Notify")
# How long the effect of a fault may take. Long, because the machine may be busy.
TIME_LIMIT_SECONDS = 60
# More than SlowSearchAlarm allows, less than the time limit of the function.
STALL_SECONDS = 3.6


class Drill:
    """A stack with an account, a collection and one searchable document."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        http = Http(retry_seconds=60)
        account = Account(http, lab.api_url, LOCAL / "account.json", "drill")
        account.sign_in()
        self.client = Client(http, lab.api_url, account)
        # Its failures are what is measured: nothing is retried.
        self._impatient = Client(_Once(), lab.api_url, account)
        self.collection_id: str = self.client.ensure_collection("drill")[0]["id"]
        self.queues = {
            stage: next(url for url in lab.client("sqs").list_queues()["QueueUrls"] if f"-{stage}Queue-" in url)
            for stage in STAGES
        }

    def index(self, name: str, wait: bool = True) -> None:
        """Uploads a document, and waits until it is searchable."""
        before = self.client.documents_total(self.collection_id, "completed")
        self.client.upload(self.collection_id, [File(name, f"The tide follows the Moon: {name}.".encode())])
        if wait:
            self.await_effect(
                lambda: self.client.documents_total(self.collection_id, "completed") > before, f"{name} is not indexed")

    def search(self, times: int = 1) -> int:
        """Searches without retries; returns how many searches failed."""
        return sum(not self._try(lambda: self._impatient.search(self.collection_id, "tide", 3)) for _ in range(times))

    @contextlib.contextmanager
    def queues_paused(self) -> Iterator[None]:
        """Delivers no messages meanwhile, and one message to each queue, which concerns nothing that exists."""
        with self._mappings_disabled():
            self.send_to_all()
            yield

    def send_to_all(self) -> None:
        """Sends each stage a message about nothing that exists."""
        nothing = {"operation_id": str(uuid.uuid4()), "item_id": 999_999_999}
        bodies = {
            "Intake": {"check_uploads": [str(uuid.uuid4())]},
            "Scan": {"task": "run_operation", "operation_id": nothing["operation_id"]},
            "Embed": {**nothing, "batch": 0},
            "Notify": {"delivery_id": str(uuid.uuid4()), "webhook_id": str(uuid.uuid4()), "attempts": 0},
        }
        for stage, url in self.queues.items():
            self.lab.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(bodies.get(stage, nothing)))

    def database_refuses(self) -> None:
        with self._refusing(self.lab.postgres):
            self._times(6, lambda: self.search())
            self.lab.sweep()

    def vector_database_refuses(self) -> dict[str, Any]:
        """Returns the operation that waits for it."""
        with self._refusing(self.lab.qdrant):
            self.search(4)
            self.index("waiting.txt", wait=False)
            waiting: list[dict[str, Any]] = []

            def is_waiting() -> bool:
                waiting[:] = [one for one in self.client.operations(self.collection_id, "pending,processing")
                              if one["waiting_for"] == "vector_database"]
                return bool(waiting)

            self.await_effect(is_waiting, "no operation says that it waits for the vector database")
        self.await_effect(lambda: not self.client.operations(self.collection_id, "pending,processing"),
                          "the operation did not go on")
        return waiting[0]

    def searches_are_slow(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            stall = threading.Thread(target=lambda: self.lab.loop.run(self.lab.qdrant.stall(STALL_SECONDS)))
            stall.start()
            time.sleep(0.1)
            self.search()
            stall.join()

    def bucket_refuses_until_dead_letter(self) -> None:
        """S3 refuses to read what chunk needs until its message has used up its deliveries."""
        sqs, url = self.lab.client("sqs"), self.queues["Chunk"]
        policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
        few = json.dumps({**json.loads(policy), "maxReceiveCount": 3})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": few})
        with self._intercepted(_refuse_raw):
            self.index("refused.txt", wait=False)
            self.await_effect(
                lambda: self.client.documents_total(self.collection_id, "failed") > 0, "the document has not failed")
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})

    def operation_is_stuck(self) -> None:
        """Backdates an operation whose message is not delivered."""
        folder = self.lab.sources / "stuck"
        folder.mkdir(exist_ok=True)
        self.client.add_source(self.collection_id, "directory", {"path": str(folder)})
        self.lab.execute("UPDATE operations SET updated_at = now() - interval '7 hours' WHERE status = 'pending'")
        self.lab.sweep()

    def counter_is_wrong(self) -> None:
        self.lab.execute("UPDATE collections SET document_count = document_count + 1")
        self.lab.sweep()
        self.lab.execute("UPDATE collections SET document_count = document_count - 1")

    def sweep_fails(self, seconds: float) -> None:
        """Makes a step of sweep fail in runs that are `seconds` apart."""
        self.lab.execute("ALTER TABLE login_attempts RENAME TO hidden")
        for _ in range(3):
            self.lab.sweep()
            time.sleep(seconds)
        self.lab.execute("ALTER TABLE hidden RENAME TO login_attempts")

    def functions_crash(self, times: int) -> None:
        """Kills all functions while each handles a message."""
        for _ in range(times):
            stall = threading.Thread(target=lambda: self.lab.loop.run(self.lab.postgres.stall(6)))
            stall.start()
            self.send_to_all()
            sweep = threading.Thread(target=self.lab.try_sweep)
            sweep.start()
            time.sleep(4)
            for function in (*(stage.lower() for stage in STAGES), "sweep"):
                self.lab.kill_function(function, 1)
            stall.join()
            sweep.join()

    def functions_are_throttled(self) -> None:
        functions, name = self.lab.client("lambda"), self.lab.function("Search")
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        try:
            self.search(12)
        finally:
            functions.delete_function_concurrency(FunctionName=name)

    def await_effect(self, condition: Callable[[], bool], otherwise: str) -> None:
        if not self.lab.wait(condition, TIME_LIMIT_SECONDS):
            raise CommandError(otherwise)

    @contextlib.contextmanager
    def _mappings_disabled(self) -> Iterator[None]:
        functions = self.lab.client("lambda")
        mappings = [one for one in functions.list_event_source_mappings()["EventSourceMappings"]
                    if "DeadLetter" not in one["EventSourceArn"]]
        for mapping in mappings:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            for mapping in mappings:
                functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    @contextlib.contextmanager
    def _refusing(self, proxy: TcpProxy) -> Iterator[None]:
        ended = threading.Event()
        refusal = threading.Thread(target=lambda: self.lab.loop.run(_refuse_until(proxy, ended)))
        refusal.start()
        try:
            yield
        finally:
            ended.set()
            refusal.join()

    @contextlib.contextmanager
    def _intercepted(self, interceptor: Interceptor) -> Iterator[None]:
        self.lab.aws.interceptors.append(interceptor)
        try:
            yield
        finally:
            self.lab.aws.interceptors.remove(interceptor)

    @staticmethod
    def _times(times: int, act: Callable[[], Any]) -> None:
        for _ in range(times):
            act()

    @staticmethod
    def _try(act: Callable[[], Any]) -> bool:
        try:
            act()
        except (ApiError, CommandError, BotoCoreError, ClientError):
            return False
        return True


class _Once(Http):
    """Sends each request once."""

    def request(self, *arguments: Any, **named: Any) -> Any:
        return super().request(*arguments, **{**named, "retry": False})


async def _refuse_until(proxy: TcpProxy, ended: threading.Event) -> None:
    while not ended.is_set():
        await proxy.refuse(0.2)


def _refuse_raw(request: Request, forward: Forward) -> Awaitable[Response] | None:
    """Refuses reads of staged documents."""
    async def refuse() -> Response:
        return failure(503, request, "SlowDown")

    is_read = request.is_s3 and request.method in ("GET", "HEAD") and "/raw/" in request.target
    return refuse() if is_read else None
