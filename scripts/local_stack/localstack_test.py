"""The parts of the LocalStack mode that need no LocalStack."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
import unittest
import unittest.mock
from dataclasses import replace
from typing import Any, ClassVar

from local_stack import localstack, localstack_poller, localstack_s3, settings
from local_stack.external_test import unused_port
from local_stack.proxy import Loop
from local_stack.settings import StackError

QUEUE = "arn:aws:sqs:us-east-1:000000000000:chunk"


class HealthTest(unittest.TestCase):
    def require(self, body: bytes) -> None:
        class Health(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            try:
                url = f"http://127.0.0.1:{server.server_port}"
                localstack.require(replace(settings.load(), localstack_url=url))
            finally:
                thread.join(10)

    def test_s3_and_sqs_are_required(self) -> None:
        self.require(json.dumps({"services": {"s3": "running", "sqs": "available"}}).encode())
        for body in ({"services": {"s3": "running", "sqs": "disabled"}}, {"services": {"s3": "running"}}):
            with self.assertRaisesRegex(StackError, "does not serve S3 and SQS"):
                self.require(json.dumps(body).encode())
        for text in (b"", b"{}", b"<html>"):
            with self.assertRaisesRegex(StackError, "is unreachable"):
                self.require(text)

    def test_only_this_machine(self) -> None:
        for url in ("http://localhost.localstack.cloud:4566", "https://127.0.0.1:4566", "127.0.0.1:4566"):
            with self.assertRaisesRegex(StackError, "http://127.0.0.1:PORT is allowed"):
                localstack.require(replace(settings.load(), localstack_url=url))

    def test_unreachable(self) -> None:
        url = f"http://127.0.0.1:{unused_port()}"
        with self.assertRaisesRegex(StackError, f"{url} is unreachable.*start LocalStack there"):
            localstack.require(replace(settings.load(), localstack_url=url))


class ObjectStore(http.server.BaseHTTPRequestHandler):
    """One object under every key, and no conditional deletions, like LocalStack."""

    protocol_version = "HTTP/1.1"
    etag: ClassVar[str | None] = '"a"'
    deleted: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.answer(404 if self.etag is None else 200)

    def do_DELETE(self) -> None:
        if "if-match" in self.headers:
            self.answer(501)
        else:
            self.deleted.append(self.path)
            self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        if self.etag is not None:
            self.send_header("ETag", self.etag)
        if status != 204:
            self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class ConditionalDeletionTest(unittest.TestCase):
    def setUp(self) -> None:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ObjectStore)
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        loop = Loop()
        self.addCleanup(loop.stop)
        proxy = localstack_s3.proxy(server.server_port, 0)
        loop.run(proxy.start())
        self.port = proxy.port
        ObjectStore.deleted.clear()

    def delete(self, key: str, condition: str | None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("DELETE", key, headers={"If-Match": condition} if condition else {})
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def test_an_object_is_deleted_only_while_it_is_the_expected_one(self) -> None:
        self.assertEqual(self.delete("/bucket/other", '"b"'), 412)
        self.assertEqual(ObjectStore.deleted, [])
        self.assertEqual(self.delete("/bucket/quoted", '"a"'), 204)
        self.assertEqual(self.delete("/bucket/bare", "a"), 204)
        self.assertEqual(self.delete("/bucket/unconditional", None), 204)
        self.assertEqual(ObjectStore.deleted, ["/bucket/quoted", "/bucket/bare", "/bucket/unconditional"])

    def test_an_object_that_is_gone(self) -> None:
        with unittest.mock.patch.object(ObjectStore, "etag", None):
            self.assertEqual(self.delete("/bucket/gone", '"a"'), 404)
        self.assertEqual(ObjectStore.deleted, [])


class PollerTest(unittest.TestCase):
    def test_messages_have_the_form_of_lambda(self) -> None:
        message = {
            "MessageId": "1", "ReceiptHandle": "handle", "Body": "{}", "MD5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
            "Attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1700000000000"},
            "MessageAttributes": {
                "text": {"DataType": "String", "StringValue": "a"},
                "bytes": {"DataType": "Binary", "BinaryValue": b"\0"},
            },
        }
        self.assertEqual(localstack_poller.record(message, QUEUE), {
            "messageId": "1", "receiptHandle": "handle", "body": "{}", "md5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
            "attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1700000000000"},
            "messageAttributes": {
                "text": {"stringValue": "a", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
                "bytes": {"binaryValue": "AA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
            },
            "eventSource": "aws:sqs", "eventSourceARN": QUEUE, "awsRegion": "us-east-1",
        })

    def test_only_what_a_function_reports_as_failed_is_kept(self) -> None:
        reported = b'{"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "3"}]}'
        self.assertEqual(localstack_poller.failures(reported), {"1", "3"})
        for nothing in (b"", b"null", b"{}", b'{"batchItemFailures": []}', b'{"batchItemFailures": null}'):
            self.assertEqual(localstack_poller.failures(nothing), set())


if __name__ == "__main__":
    unittest.main()
