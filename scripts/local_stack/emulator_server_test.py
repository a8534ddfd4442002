"""What the emulator acknowledged survives SIGKILL."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import boto3
from botocore.config import Config

SERVER = Path(__file__).with_name("emulator_server.py")


class Emulator:
    """An emulator of its own, on a free port, with its state in a temporary folder."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = None

    def start(self):
        environment = {
            "PATH": os.environ["PATH"], "TMPDIR": self.folder, "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "PERSIST_STATE": "1", "STATE_DIR": f"{self.folder}/state",
            "S3_PERSIST": "1", "S3_DATA_DIR": f"{self.folder}/s3",
        }
        Path(self.folder, "state").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the emulator did not start")
            time.sleep(0.05)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def client(self, service):
        return boto3.client(
            service, endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test", config=Config(retries={"max_attempts": 5}))

    def checkpoint(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/_stack/checkpoint")
        status = connection.getresponse().status
        connection.close()
        if status != 204:
            raise AssertionError(f"checkpoint answered {status}")


class SurvivesKill(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.emulator = Emulator(folder.name)
        self.emulator.start()
        self.addCleanup(self.emulator.kill)
        self.sqs = self.emulator.client("sqs")
        self.s3 = self.emulator.client("s3")
        self.addCleanup(self.sqs.close)
        self.addCleanup(self.s3.close)
        self.queue = self.sqs.create_queue(
            QueueName="work", Attributes={"VisibilityTimeout": "600", "Policy": '{"Statement": [{"Effect": "Allow", '
            '"Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}'})["QueueUrl"]
        self.s3.create_bucket(Bucket="staging")
        self.s3.put_bucket_notification_configuration(
            Bucket="staging", NotificationConfiguration={"QueueConfigurations": [
                {"QueueArn": "arn:aws:sqs:us-east-1:000000000000:work", "Events": ["s3:ObjectCreated:*"]}]})
        self.drain()
        self.emulator.checkpoint()

    def kill_and_restart(self):
        self.emulator.kill()
        self.emulator.start()

    def drain(self):
        """Receives and deletes all messages that are visible now."""
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def test_acknowledged_messages_are_there_once(self):
        sent = [f"message {number}" for number in range(50)]
        for body in sent:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        self.kill_and_restart()
        self.kill_and_restart()
        self.assertEqual(sorted(self.drain()), sorted(sent))

    def test_a_message_that_somebody_was_working_on_is_visible_at_once(self):
        self.sqs.send_message(QueueUrl=self.queue, MessageBody="in flight")
        self.assertIn("Messages", self.sqs.receive_message(QueueUrl=self.queue))
        self.emulator.checkpoint()
        self.kill_and_restart()
        self.assertEqual(self.drain(), ["in flight"])

    def test_a_deleted_message_stays_deleted(self):
        self.sqs.send_message(QueueUrl=self.queue, MessageBody="done")
        self.assertEqual(self.drain(), ["done"])
        self.kill_and_restart()
        self.assertEqual(self.drain(), [])

    def test_an_acknowledged_upload_keeps_its_bytes_and_its_event(self):
        self.s3.put_object(Bucket="staging", Key="uploads/a.txt", Body=b"bytes")
        self.kill_and_restart()
        self.assertEqual(self.s3.get_object(Bucket="staging", Key="uploads/a.txt")["Body"].read(), b"bytes")
        self.assertEqual(sum("uploads/a.txt" in body for body in self.drain()), 1)


if __name__ == "__main__":
    unittest.main()
