"""A stack with proxies between its functions and everything that they use."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chaos_run.corpus import MAX_UPLOAD_BYTES
from command_line import CommandError
from local_stack import build, deploy, emulator, functions, postgres, processes, qdrant, settings
from local_stack.proxy import HttpProxy, Loop, TcpProxy
from local_stack.settings import LOCAL, REGION, ROOT, StackError

WORK_QUEUES = ("Intake", "Scan", "Extract", "Chunk", "Embed")
# Visibility timeouts: longer than the work on a message takes on a busy machine, or another function would start with
# it, too, and shorter than in a deployment.
VISIBILITY_SECONDS = {"Intake": 20, "Scan": 30, "Extract": 30, "Chunk": 30, "Embed": 60}
# When sweep considers work lost.
SWEEP_TIMEOUTS = {
    "SWEEP_PENDING_SECONDS": "5",
    "SWEEP_LISTING_SECONDS": str(VISIBILITY_SECONDS["Scan"]),
    "SWEEP_ITEM_SECONDS": "10",
    "SWEEP_QUEUED_ITEM_SECONDS": "60",
    "SWEEP_EXPIRED_UPLOAD_SECONDS": "5",
    "SWEEP_UNPURGED_SECONDS": "20",
    # A replaced index is deleted at once, because nothing may be left at the end.
    "REINDEX_GRACE_SECONDS": "0",
}
FAULT_POINTS = LOCAL / "fault-points"


class Lab:
    """A context manager that stops and removes everything at its end."""

    def __init__(self, name: str = "chaos", environment: dict[str, str] | None = None) -> None:
        """`environment` has more variables of the functions."""
        self.loop = Loop()
        ports = _free_ports(3)
        self.postgres = TcpProxy(ports[0])
        self.qdrant = TcpProxy(ports[1])
        self.aws = HttpProxy(ports[2])
        for proxy in (self.postgres, self.qdrant, self.aws):
            self.loop.run(proxy.start())
        self.settings = replace(
            settings.load(), name=name,
            postgres_port=ports[0], qdrant_port=ports[1], emulator_port=ports[2], batch_port=0,
            external_database_url="", external_qdrant_url="", directory_roots=str(LOCAL / "sources"),
            functions_postgres_port=self.postgres.port, functions_qdrant_port=self.qdrant.port,
            functions_emulator_port=self.aws.port,
            functions_environment=SWEEP_TIMEOUTS | {
                "MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES), "FAULT_POINTS_DIR": str(FAULT_POINTS), **(environment or {}),
            },
        )
        self.outputs: dict[str, str] = {}
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._sweep_name = ""
        self.packages_digest = ""

    def __enter__(self) -> Lab:
        try:
            self._start()
        except BaseException:
            self._remove()
            raise
        return self

    def _start(self) -> None:
        self._remove()
        FAULT_POINTS.mkdir(parents=True)
        settings.remember(self.settings)
        Path(self.settings.directory_roots).mkdir()
        build.models()
        binaries = build.binaries()
        _run(["cargo", "build", "--quiet", "--workspace", "--example", "dump_points"])
        postgres.up(self.settings)
        qdrant.up(self.settings, binaries / "qdrant-local")
        emulator.up(self.settings)
        packages = {name: build.assemble(name, binaries / name) for name in build.FUNCTIONS}
        deploy.up(self.settings, packages)
        self.packages_digest = " ".join(sorted(path.name for path in deploy.ARCHIVES.iterdir()))
        deploy.grant_sources(self.settings)
        self.outputs = deploy.outputs(self.settings)
        self._sweep_name = self.function("Sweep")
        self.set_visibility_timeouts()

    def __exit__(self, *_: object) -> None:
        self._remove()
        self.loop.stop()

    @property
    def api_url(self) -> str:
        return emulator.api_url(self.settings, self.outputs["ApiId"])

    @property
    def bucket(self) -> str:
        return self.outputs["StagingBucketName"]

    @property
    def sources(self) -> Path:
        return Path(self.settings.directory_roots)

    def client(self, service: str) -> Any:
        """Returns a client with the rights of the account owner that bypasses the proxy. Threads may share it."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service, endpoint_url=self.settings.endpoint, region_name=REGION,
                    aws_access_key_id="test", aws_secret_access_key="test",
                    config=Config(retries={"max_attempts": 3}, read_timeout=90, connect_timeout=5),
                )
            return self._clients[service]

    def set_visibility_timeouts(self, seconds: int | None = None) -> None:
        """Sets the visibility timeout of all queues: `seconds`, or VISIBILITY_SECONDS."""
        sqs = self.client("sqs")
        for name, usual in VISIBILITY_SECONDS.items():
            for queue in (name, f"{name}DeadLetter"):
                sqs.set_queue_attributes(
                    QueueUrl=self.queue_url(queue), Attributes={"VisibilityTimeout": str(seconds or usual)})
        emulator.checkpoint(self.settings)

    def purge_queues(self) -> None:
        """Empties the work queues."""
        for queue in WORK_QUEUES:
            self.client("sqs").purge_queue(QueueUrl=self.queue_url(queue))

    def stop_schedule(self) -> None:
        """Disables the schedule and the queue of sweep, which then runs only when it is invoked."""
        events = self.client("events")
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])
        queue = self.client("sqs").get_queue_attributes(QueueUrl=self.queue_url("Sweep"), AttributeNames=["QueueArn"])
        functions = self.client("lambda")
        mappings = functions.list_event_source_mappings(EventSourceArn=queue["Attributes"]["QueueArn"])
        for mapping in mappings["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)

    def queue_url(self, queue: str) -> str:
        """Returns the URL of a queue, for example `Scan` or `ScanDeadLetter`."""
        return self.outputs[f"{queue}QueueUrl"]

    def messages(self) -> dict[str, int]:
        """Returns the number of messages of each non-empty queue: waiting, delayed and in flight."""
        sqs = self.client("sqs")
        found = {}
        for name in WORK_QUEUES:
            for queue in (name, f"{name}DeadLetter"):
                answer = sqs.get_queue_attributes(QueueUrl=self.queue_url(queue), AttributeNames=["All"])["Attributes"]
                count = sum(
                    int(value) for key, value in answer.items() if key.startswith("ApproximateNumberOfMessages"))
                if count:
                    found[queue] = count
        return found

    def sweep(self) -> dict[str, Any]:
        """Invokes sweep like its schedule does; returns its result."""
        answer = self.client("lambda").invoke(FunctionName=self._sweep_name, Payload=b'{"source": "aws.events"}')
        result = json.loads(answer["Payload"].read() or b"null")
        return result if isinstance(result, dict) and "FunctionError" not in answer else {}

    def try_sweep(self) -> None:
        """Invokes sweep and ignores failures."""
        with contextlib.suppress(BotoCoreError, ClientError, OSError, ValueError):
            self.sweep()

    def kill_function(self, function: str, seconds: float) -> int:
        """Sends SIGKILL to the processes of a function; waits up to `seconds` for one to exist."""
        killed: list[int] = []

        def found() -> bool:
            with contextlib.suppress(ProcessLookupError):
                killed.extend(functions.stop(self.settings, function, kill=True))
            return bool(killed)

        processes.wait_until(found, seconds)
        return len(killed)

    def restart(self, part: str, kill: bool) -> None:
        if kill:
            processes.kill(part)
        {"postgres": postgres, "qdrant": qdrant, "emulator": emulator}[part].down()
        {"postgres": postgres.up, "qdrant": qdrant.start, "emulator": emulator.up}[part](self.settings)

    def query(self, sql: str) -> Any:
        """Returns the JSON value that a query selects."""
        return json.loads(self.execute(sql))

    def execute(self, sql: str) -> str:
        """Executes a statement; returns what psql prints."""
        done = subprocess.run(
            [str(postgres.binary("psql")), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
             "-d", self.settings.database_url, "-c", sql],
            capture_output=True, text=True,
        )
        if done.returncode != 0:
            raise StackError(done.stderr.strip() or "psql failed")
        return done.stdout

    def points(self) -> list[dict[str, Any]]:
        """Returns the points of all Qdrant collections."""
        program = settings.target_dir() / "debug" / "examples" / "dump_points"
        done = subprocess.run([str(program), self.settings.qdrant_url], capture_output=True, text=True)
        if done.returncode != 0:
            raise CommandError(f"dump_points failed: {done.stderr.strip()}")
        return [json.loads(line) for line in io.StringIO(done.stdout)]

    def objects(self) -> list[str]:
        """Returns the keys of the staging bucket."""
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        return processes.wait_until(condition, seconds, every_seconds=0.2)

    def function(self, name: str) -> str:
        """Returns the full name of a function, for example of `Sweep`."""
        listed = self.client("lambda").list_functions()["Functions"]
        return next(str(one["FunctionName"]) for one in listed if f"-{name}Function-" in one["FunctionName"])

    @staticmethod
    def _remove() -> None:
        """Stops all parts, also those of an earlier run that was killed, and deletes their data except logs."""
        for part in (emulator, qdrant, postgres):
            part.down()
            part.purge()
        for name in ("sources", "fault-points"):
            shutil.rmtree(LOCAL / name, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    """Returns different unused ports."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _run(command: list[str]) -> None:
    if subprocess.run(command, cwd=ROOT, env=os.environ).returncode != 0:
        raise StackError(f"{' '.join(command)} failed")
