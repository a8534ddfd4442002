"""What the emulator has acknowledged survives SIGKILL, its memory is bounded, and it has Lambda's limits."""

from __future__ import annotations

import http.client
import io
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local_stack import emulator_memory
from local_stack.settings import ROOT

# A function in Python, which MiniStack runs like any other executable.
BOOTSTRAP = f"""#!{sys.executable}
import http.client, json, os
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2018-06-01/runtime/invocation"
while True:
    connection.request("GET", f"{{base}}/next")
    event = connection.getresponse()
    size = json.loads(event.read() or "{{}}").get("size")
    response = b'"done"' if size is None else b'"' + b"x" * (size - 2) + b'"'
    id = event.getheader("Lambda-Runtime-Aws-Request-Id")
    connection.request("POST", f"{{base}}/{{id}}/response", response)
    connection.getresponse().read()
"""
PADDING_BYTES = 64 * 1024 * 1024
MAX_RESPONSE_BYTES = 6_291_556
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


class Emulator:
    """An emulator on a free port, with its state in a temporary folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self) -> None:
        environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "scripts"), "TMPDIR": self.folder,
            "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "PERSIST_STATE": "1", "STATE_DIR": f"{self.folder}/state",
            "S3_PERSIST": "1", "S3_DATA_DIR": f"{self.folder}/s3",
        }
        Path(self.folder, "state").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local_stack.emulator_server"], env=environment, cwd="/",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the emulator did not start")
            time.sleep(0.05)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test", config=Config(retries={"max_attempts": 5}))

    def checkpoint(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/_stack/checkpoint")
        status = connection.getresponse().status
        connection.close()
        if status != 204:
            raise AssertionError(f"the checkpoint was answered with {status}")

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


class EmulatorTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.emulator = Emulator(folder.name)
        self.emulator.start()
        self.addCleanup(self.emulator.kill)

    def client(self, service: str) -> Any:
        client = self.emulator.client(service)
        self.addCleanup(client.close)
        return client

    def kill_and_restart(self) -> None:
        self.emulator.kill()
        self.emulator.start()


class SecrecyTest(unittest.TestCase):
    def test_only_the_user_reads_the_state(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder, "state")
            state.mkdir(mode=0o755)
            # Of an emulator of an earlier version.
            (state / "acm.json").write_text("{}")
            (state / "acm.json").chmod(0o644)
            emulator = Emulator(folder)
            emulator.start()
            self.addCleanup(emulator.kill)
            client = emulator.client("iam")
            client.create_role(RoleName="secret", AssumeRolePolicyDocument=json.dumps(POLICY))
            client.close()
            emulator.checkpoint()
            files = [path for path in state.rglob("*") if path.is_file()]
            self.assertTrue(any("secret" in path.read_text() for path in files))
            for path in files:
                self.assertEqual(oct(path.stat().st_mode & 0o777), "0o600", path.name)
            emulator.kill()


class DurabilityTest(EmulatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.sqs = self.client("sqs")
        self.s3 = self.client("s3")
        self.queue = self.sqs.create_queue(
            QueueName="work", Attributes={"VisibilityTimeout": "600", "Policy": '{"Statement": [{"Effect": "Allow", '
            '"Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}'})["QueueUrl"]
        self.s3.create_bucket(Bucket="staging")
        self.s3.put_bucket_notification_configuration(
            Bucket="staging", NotificationConfiguration={"QueueConfigurations": [
                {"QueueArn": "arn:aws:sqs:us-east-1:000000000000:work", "Events": ["s3:ObjectCreated:*"]}]})
        self.drain()
        self.emulator.checkpoint()

    def drain(self) -> list[str]:
        """Receives and deletes all messages that are visible now."""
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def test_acknowledged_messages_are_delivered_once_after_a_kill(self) -> None:
        sent = [f"message {number}" for number in range(50)]
        for body in sent:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        self.kill_and_restart()
        self.kill_and_restart()
        self.assertEqual(sorted(self.drain()), sorted(sent))

    def test_message_in_flight_is_visible_at_once_after_a_kill(self) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody="in flight")
        self.assertIn("Messages", self.sqs.receive_message(QueueUrl=self.queue))
        self.emulator.checkpoint()
        self.kill_and_restart()
        self.assertEqual(self.drain(), ["in flight"])

    def test_deleted_message_stays_deleted_after_a_kill(self) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody="done")
        self.assertEqual(self.drain(), ["done"])
        self.kill_and_restart()
        self.assertEqual(self.drain(), [])

    def test_acknowledged_upload_keeps_its_bytes_and_its_event_after_a_kill(self) -> None:
        self.s3.put_object(Bucket="staging", Key="uploads/a.txt", Body=b"bytes")
        self.kill_and_restart()
        self.assertEqual(self.s3.get_object(Bucket="staging", Key="uploads/a.txt")["Body"].read(), b"bytes")
        self.assertEqual(sum("uploads/a.txt" in body for body in self.drain()), 1)


class FunctionTest(EmulatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.functions = self.client("lambda")
        iam = self.client("iam")
        self.role = iam.create_role(RoleName="function", AssumeRolePolicyDocument=json.dumps(POLICY))["Role"]["Arn"]

    def package(self, padding_bytes: int = 0) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            bootstrap = zipfile.ZipInfo("bootstrap")
            bootstrap.external_attr = 0o755 << 16
            archive.writestr(bootstrap, BOOTSTRAP)
            archive.writestr("padding", secrets.token_bytes(padding_bytes))
        return content.getvalue()

    def invoke(self, **event: Any) -> Any:
        response = self.functions.invoke(FunctionName="function", Payload=json.dumps(event).encode())
        return json.loads(response["Payload"].read())


class LimitTest(FunctionTest):
    def test_a_response_above_the_limit_of_lambda_fails_the_invocation(self) -> None:
        self.functions.create_function(
            FunctionName="function", Runtime="provided.al2023", Role=self.role, Handler="bootstrap",
            Code={"ZipFile": self.package()})
        self.assertEqual(len(self.invoke(size=MAX_RESPONSE_BYTES)), MAX_RESPONSE_BYTES - 2)
        self.assertEqual(self.invoke(size=MAX_RESPONSE_BYTES + 1)["errorType"], "Function.ResponseSizeTooLarge")
        self.assertEqual(self.invoke(), "done")


class MemoryTest(FunctionTest):
    def test_deployed_package_is_on_disk_only_and_its_function_runs_on(self) -> None:
        at_start = self.emulator.resident_bytes()
        s3 = self.client("s3")
        s3.create_bucket(Bucket="packages")
        for version in range(2):
            s3.put_object(Bucket="packages", Key=f"{version}.zip", Body=self.package(PADDING_BYTES))
        # Closes the connection, in whose buffers the emulator keeps the last request.
        s3.close()
        code = {"S3Bucket": "packages", "S3Key": "0.zip"}
        self.functions.create_function(
            FunctionName="function", Runtime="provided.al2023", Role=self.role, Handler="bootstrap", Code=code)
        self.assertEqual(self.invoke(), "done")
        self.emulator.checkpoint()
        self.assertLess(self.emulator.resident_bytes() - at_start, PADDING_BYTES / 2)
        self.assertEqual(self.invoke(), "done")
        self.kill_and_restart()
        self.assertEqual(self.invoke(), "done")
        self.functions.update_function_code(FunctionName="function", S3Bucket="packages", S3Key="1.zip")
        self.assertEqual(self.invoke(), "done")
        self.emulator.checkpoint()
        self.emulator.checkpoint()
        self.kill_and_restart()
        self.assertEqual(self.invoke(), "done")

    def test_only_the_newest_log_streams_are_kept(self) -> None:
        kept = emulator_memory.RECENT_STREAMS
        group = {"streams": {str(number): number for number in range(2 * kept - 1)}}
        emulator_memory.trim(group)
        self.assertEqual(len(group["streams"]), 2 * kept - 1)
        group["streams"]["newest"] = -1
        emulator_memory.trim(group)
        self.assertEqual(list(group["streams"]), [*(str(number) for number in range(kept, 2 * kept - 1)), "newest"])


if __name__ == "__main__":
    unittest.main()
