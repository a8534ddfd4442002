"""Requests are retried while a part of the stack restarts, and only where that is safe."""

from __future__ import annotations

import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from command_line import CommandError
from semantik.http_client import Http, Response


class Server(ThreadingHTTPServer):
    """Responds with the given statuses, then with 200; 0 closes the connection without a response."""

    daemon_threads = True

    def __init__(self, *statuses: int):
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = list(statuses)
        self.retry_after = ""
        self.bodies: list[bytes] = []
        self.connections: set[int] = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/path?query=1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_PUT(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.server.connections.add(self.client_address[1])
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("content-length", "2")
        if status != 200 and self.server.retry_after:
            self.send_header("retry-after", self.server.retry_after)
        self.end_headers()
        self.wfile.write(b"ok")
        if "connection: close" in str(self.headers).lower():
            self.close_connection = True

    do_POST = do_PUT

    def log_message(self, format: str, *arguments: object) -> None:
        """Logs nothing."""


class HttpTest(unittest.TestCase):
    def setUp(self) -> None:
        self.messages: list[str] = []
        self.http = Http(retry_seconds=30, notify=self.messages.append)
        self.addCleanup(self.http.close)

    def serve(self, *statuses: int) -> Server:
        server = Server(*statuses)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def send(self, server: Server, method: str = "PUT", **options: bool) -> Response:
        return self.http.request(method, server.url, {}, b"body", **options)

    def test_unavailable_server_is_retried(self) -> None:
        server = self.serve(503, 0, 502)
        response = self.send(server)
        self.assertEqual((response.status, response.body), (200, b"ok"))
        self.assertEqual(server.bodies, [b"body"] * 4)
        self.assertEqual(self.messages, [])

    def test_unexpected_failure_is_retried_only_for_idempotent_methods(self) -> None:
        server = self.serve(500)
        self.assertEqual(self.send(server, "POST").status, 500)
        self.assertEqual(len(server.bodies), 1)
        self.assertEqual(self.send(self.serve(500), "PUT").status, 200)

    def test_retries_can_be_disabled(self) -> None:
        self.assertEqual(self.send(self.serve(503), retry=False).status, 503)
        with self.assertRaisesRegex(CommandError, "whether the stack is running"):
            self.send(self.serve(0), retry=False)

    def test_last_response_is_returned_when_the_retries_are_used_up(self) -> None:
        self.http = Http(retry_seconds=0)
        server = self.serve(*[503] * 50)
        self.assertEqual(self.send(server).status, 503)
        self.assertEqual(len(server.bodies), 5)

    def test_retry_after_is_honoured(self) -> None:
        server = self.serve(429)
        server.retry_after = "1"
        self.assertGreaterEqual(self.send(server).seconds, 1)

    def test_repeated_failures_are_reported_once(self) -> None:
        self.assertEqual(self.send(self.serve(*[503] * 5)).status, 200)
        self.assertEqual(self.messages, ["PUT /path?query=1 failed (status 503); still retrying"])

    def test_connections_are_reused_and_replaced(self) -> None:
        server = self.serve()
        self.send(server)
        self.http.request("PUT", server.url, {"connection": "close"}, b"")
        self.assertEqual(len(server.connections), 1)
        self.assertEqual(self.send(server).status, 200)
        self.assertEqual(len(server.connections), 2)

    def test_missing_server_is_an_error_with_its_address(self) -> None:
        server = self.serve()
        server.shutdown()
        server.server_close()
        with self.assertRaisesRegex(CommandError, f"127.0.0.1:{server.server_port}/path failed: .*Connection refused"):
            Http(retry_seconds=0).request("PUT", server.url, {}, b"")


if __name__ == "__main__":
    unittest.main()
