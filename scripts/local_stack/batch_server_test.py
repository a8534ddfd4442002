"""The runner of AWS Batch jobs starts real processes, and ends them as AWS does."""

from __future__ import annotations

import ctypes
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

SERVER = Path(__file__).with_name("batch_server.py")
# Writes "ready" once it handles SIGTERM, and "terminated" when it receives it.
WAITS = "trap 'echo terminated >\"$OUT\"; exit 0' TERM; echo ready >\"$OUT\"; while :; do sleep 0.05; done"


class BatchServerTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "out"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.server = subprocess.Popen(
            [sys.executable, str(SERVER), "--port", str(port), "--definitions", str(self.folder)],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        assert self.server.stdout is not None
        self.server.stdout.readline()
        self.batch: Any = boto3.client("batch", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
                                       aws_access_key_id="test", aws_secret_access_key="test")
        self.addCleanup(self.batch.close)

    def stop(self) -> None:
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
        # Waits for the end of the output, so for the end of the jobs, which inherit it.
        self.server.communicate(timeout=40)

    def define(self, script: str, name: str = "job") -> None:
        definition = {"queue": "jobs", "command": ["/bin/sh", "-c", script],
                      "environment": {"PATH": "/usr/bin:/bin", "OUT": str(self.out), "GREETING": "hello"}}
        (self.folder / f"{name}.json").write_text(json.dumps(definition))

    def submit(self, name: str = "one", **more: Any) -> str:
        return str(self.batch.submit_job(jobName=name, jobQueue="jobs", jobDefinition="job", **more)["jobId"])

    def describe(self, id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.batch.describe_jobs(jobs=[id])["jobs"][0]
        return job

    def await_end(self, id: str) -> dict[str, Any]:
        self.await_that(lambda: self.describe(id)["status"] in ("SUCCEEDED", "FAILED"))
        return self.describe(id)

    def await_that(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def is_ready(self) -> bool:
        return self.out.exists() and self.out.read_text() == "ready\n"

    def names(self, status: str) -> list[str]:
        listed = self.batch.list_jobs(jobQueue="jobs", jobStatus=status)
        return [job["jobName"] for job in listed["jobSummaryList"]]

    def test_job_is_a_process_with_its_environment(self) -> None:
        self.define('echo "$GREETING $NAME" >"$OUT"')
        id = self.submit(containerOverrides={"environment": [{"name": "NAME", "value": "Ada"}]})
        job = self.await_end(id)
        self.assertEqual((job["status"], job["jobName"], job["container"]["exitCode"]), ("SUCCEEDED", "one", 0))
        self.assertEqual(self.out.read_text(), "hello Ada\n")

    def test_failing_or_missing_program_fails_its_job(self) -> None:
        self.define("exit 3")
        job = self.await_end(self.submit())
        self.assertEqual((job["status"], job["container"]["exitCode"]), ("FAILED", 3))
        job = self.await_end(self.submit(containerOverrides={"command": ["/no/such/program"]}))
        self.assertEqual(job["status"], "FAILED")
        self.assertIn("CannotStartContainerError", job["statusReason"])

    def test_jobs_are_listed_by_status_and_terminated_by_sigterm(self) -> None:
        self.define(WAITS)
        id = self.submit("waiting")
        self.await_that(self.is_ready)
        self.assertEqual((self.names("RUNNING"), self.names("SUCCEEDED")), (["waiting"], []))
        self.batch.terminate_job(jobId=id, reason="the test is over")
        job = self.await_end(id)
        self.assertEqual(self.out.read_text(), "terminated\n")
        self.assertEqual((job["status"], job["statusReason"]), ("FAILED", "the test is over"))
        self.assertEqual(job["container"]["exitCode"], 0)
        self.assertEqual((self.names("RUNNING"), self.names("FAILED")), ([], ["waiting"]))

    def test_end_of_the_runner_terminates_its_jobs(self) -> None:
        self.define(WAITS)
        self.submit()
        self.await_that(self.is_ready)
        self.stop()
        self.assertEqual(self.out.read_text(), "terminated\n")

    def test_runner_ends_whichever_thread_receives_the_signal(self) -> None:
        self.define(WAITS)
        self.submit()
        self.await_that(self.is_ready)
        pid = self.server.pid
        thread = next(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if int(task.name) != pid)
        self.assertEqual(ctypes.CDLL(None).tgkill(pid, thread, signal.SIGTERM), 0)
        self.server.communicate(timeout=15)
        self.assertEqual(self.out.read_text(), "terminated\n")

    def test_requests_that_aws_would_reject_are_rejected(self) -> None:
        self.define("true")
        for wrong in ({"jobQueue": "other"}, {"jobDefinition": "other"}, {"jobName": "a/b"}):
            request = {"jobName": "one", "jobQueue": "jobs", "jobDefinition": "job"} | wrong
            with self.assertRaises(ClientError) as refused:
                self.batch.submit_job(**request)
            self.assertEqual(refused.exception.response["Error"]["Code"], "ClientException", wrong)


if __name__ == "__main__":
    unittest.main()
