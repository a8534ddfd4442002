"""Delivers the messages of LocalStack's queues to the functions, as Lambda's event source mappings do.

The mappings are those that CloudFormation made in the emulator: function, batch size, concurrency, and whether they are
enabled, so `scripts/stack pause` works as ever. The process also runs the proxy in front of LocalStack's S3.
"""

from __future__ import annotations

import base64
import json
import signal
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from local_stack import emulator, localstack, localstack_s3, settings
from local_stack.proxy import Loop
from local_stack.settings import ACCOUNT, REGION, Settings

WAIT_SECONDS = 5
REFRESH_SECONDS = 0.5
# A batch of each queue at a time would keep two stages from overlapping.
MAX_CONCURRENCY = 2


class Poller:
    """Polls the queue of one event source mapping."""

    def __init__(self, stack: Settings, mapping: dict[str, Any], stopped: threading.Event) -> None:
        self.queue_arn: str = mapping["EventSourceArn"]
        self.function: str = mapping["FunctionArn"]
        self.batch_size: int = min(int(mapping.get("BatchSize", 10)), 10)
        self.enabled = threading.Event()
        self.stopped = stopped
        self.lambda_ = emulator.client(stack, "lambda")
        self.sqs = localstack.client(stack, "sqs")
        name = self.queue_arn.rpartition(":")[2]
        self.queue_url = f"{stack.localstack_url}/{ACCOUNT}/{name}"
        concurrency = int((mapping.get("ScalingConfig") or {}).get("MaximumConcurrency", MAX_CONCURRENCY))
        for number in range(min(concurrency, MAX_CONCURRENCY)):
            threading.Thread(target=self._poll, name=f"{name}-{number}", daemon=True).start()

    def _poll(self) -> None:
        while not self.stopped.is_set():
            if not self.enabled.wait(REFRESH_SECONDS):
                continue
            try:
                self._deliver_batch()
            except Exception as error:
                # Either emulator may be restarting. Undeleted messages are redelivered.
                print(f"{self.queue_arn}: {type(error).__name__}: {error}", file=sys.stderr)
                self.stopped.wait(1)

    def _deliver_batch(self) -> None:
        messages = self.sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=self.batch_size, WaitTimeSeconds=WAIT_SECONDS,
            MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            return
        event = {"Records": [record(message, self.queue_arn) for message in messages]}
        response = self.lambda_.invoke(FunctionName=self.function, Payload=json.dumps(event))
        payload = response["Payload"].read()
        if "FunctionError" in response:
            print(f"{self.function}: {payload[:300].decode(errors='replace')}", file=sys.stderr)
            return
        failed = failures(payload)
        done = [message for message in messages if message["MessageId"] not in failed]
        if done:
            self.sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(done)])


def record(message: dict[str, Any], queue_arn: str) -> dict[str, Any]:
    """Returns a received message in the form in which Lambda passes it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    binary = {"binaryValue": base64.b64encode(value["BinaryValue"]).decode()} if "BinaryValue" in value else {}
    text = {"stringValue": value["StringValue"]} if "StringValue" in value else {}
    return {**text, **binary, "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}


def failures(payload: bytes) -> set[str]:
    """Returns the ids of the messages that a function reported as failed (ReportBatchItemFailures)."""
    answer = json.loads(payload) if payload else None
    entries = (answer or {}).get("batchItemFailures") or []
    return {entry["itemIdentifier"] for entry in entries}


def main() -> None:
    stack = settings.load()
    s3 = localstack_s3.proxy(urlsplit(stack.localstack_url).port or 80, stack.localstack_s3_port)
    Loop().run(s3.start())
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    pollers: dict[str, Poller] = {}
    while not stopped.is_set():
        try:
            mappings = emulator.client(stack, "lambda").list_event_source_mappings()["EventSourceMappings"]
        except Exception as error:
            print(f"the emulator does not answer: {error}", file=sys.stderr)
            time.sleep(1)
            continue
        for mapping in mappings:
            if mapping["UUID"] not in pollers:
                pollers[mapping["UUID"]] = Poller(stack, mapping, stopped)
            enabled = pollers[mapping["UUID"]].enabled
            if mapping.get("State", "Enabled") in ("Enabled", "Enabling"):
                enabled.set()
            else:
                enabled.clear()
        for uuid in pollers.keys() - {mapping["UUID"] for mapping in mappings}:
            pollers.pop(uuid).enabled.clear()
        stopped.wait(REFRESH_SECONDS)


if __name__ == "__main__":
    main()
