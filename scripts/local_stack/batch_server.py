"""The part of AWS Batch that this project uses, on one machine: a job is a child process of this server.

Implements SubmitJob, ListJobs, DescribeJobs and TerminateJob. Job definitions are files, FOLDER/<name>.json:

  {"queue": "embed-jobs", "command": ["/path/of/the/program"], "environment": {"NAME": "value"},
   "role": {"arn": "arn:aws:iam::…:role/…", "endpoint": "http://127.0.0.1:4566"}}

A job starts at once, with that environment, the overrides of the submission, and credentials of the role if there
is one. It inherits this server's output. TerminateJob and the end of the server send it SIGTERM, and SIGKILL
30 seconds later, as AWS does. The history of jobs is lost when the server ends.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REGION = "us-east-1"
ACCOUNT = "000000000000"
GRACE_SECONDS = 30
KILL_SECONDS = 5
JOBS_REMEMBERED = 1000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class ClientException(Exception):
    """A request that AWS Batch would reject."""


@dataclass
class Job:
    """One job and its state."""

    id: str
    name: str
    queue: str
    definition: str
    created_at: int
    status: str = "SUBMITTED"
    reason: str = ""
    exit_code: int | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    # Starts the process and waits for its end.
    thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        return self.status in ("SUCCEEDED", "FAILED")

    def summary(self) -> dict[str, Any]:
        described = {
            "jobId": self.id, "jobName": self.name, "jobArn": f"arn:aws:batch:{REGION}:{ACCOUNT}:job/{self.id}",
            "status": self.status, "statusReason": self.reason, "createdAt": self.created_at,
            "startedAt": self.started_at, "stoppedAt": self.stopped_at, "jobDefinition": self.definition,
            "container": {} if self.exit_code is None else {"exitCode": self.exit_code},
        }
        return {name: value for name, value in described.items() if value is not None}

    def detail(self) -> dict[str, Any]:
        return self.summary() | {"jobQueue": self.queue, "dependsOn": [], "attempts": []}


class Runner:
    """Starts, lists and ends the jobs of this server."""

    def __init__(self, definitions: Path) -> None:
        self.definitions = definitions
        self.jobs: dict[str, Job] = {}
        self.lock = threading.Lock()
        self.is_closing = False

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        name = _text(request, "jobName")
        if not NAME.fullmatch(name):
            raise ClientException(f"Job name {name!r} should match valid pattern")
        queue, definition_name = _text(request, "jobQueue"), _text(request, "jobDefinition")
        definition = self._definition(definition_name)
        if definition is None:
            raise ClientException(f"JobDefinition {definition_name} not found")
        if definition["queue"] != queue:
            raise ClientException(f"JobQueue {queue} not found")
        overrides = request.get("containerOverrides") or {}
        environment = dict(definition["environment"])
        environment |= {entry["name"]: entry["value"] for entry in overrides.get("environment") or []}
        command = overrides.get("command") or definition["command"]
        job = Job(str(uuid.uuid4()), name, queue, definition_name, _now())
        environment |= {"AWS_BATCH_JOB_ID": job.id, "AWS_BATCH_JQ_NAME": queue, "AWS_BATCH_JOB_ATTEMPT": "1"}
        with self.lock:
            if self.is_closing:
                raise ClientException("the runner is being stopped")
            job.thread = threading.Thread(
                target=self._run, args=(job, command, environment, definition.get("role")), daemon=True)
            self.jobs[job.id] = job
            for old in [old.id for old in self.jobs.values() if old.is_over][:-JOBS_REMEMBERED]:
                del self.jobs[old]
            job.thread.start()
        return {"jobId": job.id, "jobName": name, "jobArn": job.summary()["jobArn"]}

    def list_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        queue, status = _text(request, "jobQueue"), request.get("jobStatus") or "RUNNING"
        with self.lock:
            found = [job.summary() for job in self.jobs.values() if (job.queue, job.status) == (queue, status)]
        return {"jobSummaryList": found}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            found = [self.jobs[id] for id in request.get("jobs") or [] if id in self.jobs]
            return {"jobs": [job.detail() for job in found]}

    def terminate(self, request: dict[str, Any]) -> dict[str, Any]:
        id, reason = _text(request, "jobId"), _text(request, "reason")
        with self.lock:
            job = self.jobs.get(id)
            if job is not None and not job.is_over:
                job.reason = reason
                self._signal(job)
        return {}

    def close(self) -> None:
        """Ends every job and waits until all have ended."""
        with self.lock:
            self.is_closing = True
            jobs = list(self.jobs.values())
            for job in jobs:
                if not job.is_over:
                    job.reason = "the runner is being stopped"
                    self._signal(job)
        deadline = time.monotonic() + GRACE_SECONDS
        for job in jobs:
            if job.thread:
                job.thread.join(max(0.0, deadline - time.monotonic()))
        for job in jobs:
            # Not left to the timers, which end with this process.
            if job.process and job.process.poll() is None:
                job.process.kill()
            if job.thread:
                job.thread.join(KILL_SECONDS)

    def _definition(self, name: str) -> dict[str, Any] | None:
        path = self.definitions / f"{name}.json"
        return json.loads(path.read_text()) if NAME.fullmatch(name) and path.exists() else None

    def _run(self, job: Job, command: list[str], environment: dict[str, str], role: dict[str, str] | None) -> None:
        problem = ""
        try:
            if role:
                environment = environment | _credentials(role, job.id)
            with self.lock:
                # A reason means that it was terminated before it started.
                if not job.reason:
                    job.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, cwd="/")
                    job.status, job.started_at = "RUNNING", _now()
        except Exception as error:
            problem = f"CannotStartContainerError: {error}"
        exit_code = job.process.wait() if job.process else None
        with self.lock:
            job.exit_code, job.stopped_at = exit_code, _now()
            # In AWS, a terminated job has failed, whatever its exit code.
            job.status = "SUCCEEDED" if exit_code == 0 and not job.reason else "FAILED"
            job.reason = job.reason or problem or "Essential container in task exited"
        print(json.dumps({"message": "job ended", "job.id": job.id, "job.name": job.name, "status": job.status,
                          "reason": job.reason, "exit_code": exit_code}), flush=True)

    def _signal(self, job: Job) -> None:
        process = job.process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        timer = threading.Timer(GRACE_SECONDS, process.kill)
        timer.daemon = True
        timer.start()


def _credentials(role: dict[str, str], job_id: str) -> dict[str, str]:
    """Returns the credentials of the role, which in AWS the task metadata service provides."""
    import boto3

    sts = boto3.client("sts", endpoint_url=role["endpoint"], region_name=REGION,
                       aws_access_key_id="test", aws_secret_access_key="test")
    given = sts.assume_role(RoleArn=role["arn"], RoleSessionName=job_id, DurationSeconds=43200)["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise ClientException(f"{name} is required")
    return value


def _now() -> int:
    return int(time.time() * 1000)


def handler(runner: Runner) -> type[BaseHTTPRequestHandler]:
    """Returns a request handler class that serves `runner`."""
    actions = {
        "/v1/submitjob": runner.submit, "/v1/listjobs": runner.list_jobs,
        "/v1/describejobs": runner.describe, "/v1/terminatejob": runner.terminate,
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            action = actions.get(self.path)
            try:
                if action is None:
                    raise ClientException(f"{self.path}: unknown call; this runner implements {', '.join(actions)}")
                self._answer(200, action(json.loads(body or b"{}")))
            except (ClientException, ValueError, KeyError, TypeError) as error:
                self._answer(400, {"message": str(error)}, "ClientException")

        def _answer(self, status: int, body: dict[str, Any], error: str = "") -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            if error:
                self.send_header("x-amzn-ErrorType", error)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Logs nothing: sweep calls ListJobs in every run."""

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--definitions", type=Path, required=True, help="folder of job definitions")
    arguments = parser.parse_args()
    runner = Runner(arguments.definitions)
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), handler(runner))
    server.daemon_threads = True
    termination = termination_socket()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"message": "runner started", "port": server.server_port, "pid": os.getpid()}), flush=True)
    termination.recv(1)
    server.shutdown()
    runner.close()


def termination_socket() -> socket.socket:
    """Returns a socket that becomes readable on SIGTERM or SIGINT.

    The kernel may deliver a signal on any thread, for example on one that just started a job and unblocked its
    signals. Python runs handlers on the main thread only, which does not wake up for that if it waits for a lock.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach())
    for number in (signal.SIGTERM, signal.SIGINT):
        # Any handler: without one, the signal would end the process.
        signal.signal(number, lambda *_: None)
    return reader


if __name__ == "__main__":
    main()
