"""The runner of AWS Batch jobs starts real processes, and ends them as AWS does."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

SERVER = Path(__file__).with_name("batch_server.py")
# Says that it is there, and what it was told; ends orderly on SIGTERM alone.
WAITS = "trap 'echo told >\"$OUT\"; exit 0' TERM; echo ready >\"$OUT\"; while :; do sleep 0.05; done"


class BatchServerTest(unittest.TestCase):
    def setUp(self):
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
        self.addCleanup(self.end)
        self.server.stdout.readline()
        self.batch = boto3.client("batch", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
                                  aws_access_key_id="test", aws_secret_access_key="test")

    def end(self):
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
        self.server.communicate(timeout=40)

    def define(self, script, name="job"):
        definition = {"queue": "jobs", "command": ["/bin/sh", "-c", script],
                      "environment": {"PATH": "/usr/bin:/bin", "OUT": str(self.out), "GREETING": "hello"}}
        (self.folder / f"{name}.json").write_text(json.dumps(definition))

    def submit(self, name="one", **more):
        return self.batch.submit_job(jobName=name, jobQueue="jobs", jobDefinition="job", **more)["jobId"]

    def describe(self, id):
        return self.batch.describe_jobs(jobs=[id])["jobs"][0]

    def await_end(self, id):
        self.await_that(lambda: self.describe(id)["status"] in ("SUCCEEDED", "FAILED"))
        return self.describe(id)

    def await_that(self, holds):
        deadline = time.monotonic() + 20
        while not holds():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def is_ready(self):
        return self.out.exists() and self.out.read_text() == "ready\n"

    def names(self, status):
        listed = self.batch.list_jobs(jobQueue="jobs", jobStatus=status)
        return [job["jobName"] for job in listed["jobSummaryList"]]

    def test_a_job_is_a_process_with_its_environment(self):
        self.define('echo "$GREETING $NAME" >"$OUT"')
        id = self.submit(containerOverrides={"environment": [{"name": "NAME", "value": "Ada"}]})
        job = self.await_end(id)
        self.assertEqual((job["status"], job["jobName"], job["container"]["exitCode"]), ("SUCCEEDED", "one", 0))
        self.assertEqual(self.out.read_text(), "hello Ada\n")

    def test_a_program_that_fails_or_is_not_there_fails_its_job(self):
        self.define("exit 3")
        job = self.await_end(self.submit())
        self.assertEqual((job["status"], job["container"]["exitCode"]), ("FAILED", 3))
        job = self.await_end(self.submit(containerOverrides={"command": ["/no/such/program"]}))
        self.assertEqual(job["status"], "FAILED")
        self.assertIn("CannotStartContainerError", job["statusReason"])

    def test_jobs_are_listed_by_how_far_they_are_and_terminated_by_sigterm(self):
        self.define(WAITS)
        id = self.submit("waiting")
        self.await_that(self.is_ready)
        self.assertEqual((self.names("RUNNING"), self.names("SUCCEEDED")), (["waiting"], []))
        self.batch.terminate_job(jobId=id, reason="the test is over")
        job = self.await_end(id)
        self.assertEqual(self.out.read_text(), "told\n")
        self.assertEqual((job["status"], job["statusReason"]), ("FAILED", "the test is over"))
        self.assertEqual(job["container"]["exitCode"], 0)
        self.assertEqual((self.names("RUNNING"), self.names("FAILED")), ([], ["waiting"]))

    def test_the_end_of_the_runner_tells_its_jobs(self):
        self.define(WAITS)
        self.submit()
        self.await_that(self.is_ready)
        self.end()
        self.assertEqual(self.out.read_text(), "told\n")

    def test_what_aws_would_refuse_is_refused(self):
        self.define("true")
        for wrong in ({"jobQueue": "other"}, {"jobDefinition": "other"}, {"jobName": "a/b"}):
            request = {"jobName": "one", "jobQueue": "jobs", "jobDefinition": "job"} | wrong
            with self.assertRaises(ClientError) as refused:
                self.batch.submit_job(**request)
            self.assertEqual(refused.exception.response["Error"]["Code"], "ClientException", wrong)


if __name__ == "__main__":
    unittest.main()
