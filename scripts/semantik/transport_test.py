"""scripts/test runs this; by hand: PYTHONPATH=scripts .venv/bin/python -m unittest semantik.transport_test"""

from __future__ import annotations

import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from semantik.errors import CommandError
from semantik.transport import Http, Response


class Server(ThreadingHTTPServer):
    """Answers with the statuses it was told to, then with 200; 0 closes the connection instead."""

    daemon_threads = True

    def __init__(self, *statuses: int):
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = list(statuses)
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
        self.end_headers()
        self.wfile.write(b"ok")

    do_POST = do_PUT

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests speak for themselves."""


class Requests(unittest.TestCase):
    def send(self, server: Server, method: str = "PUT", *, patience: float = 30, **options: bool) -> Response:
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.http = Http(patience_seconds=patience)
        self.addCleanup(self.http.close)
        return self.http.request(method, server.url, {}, b"body", **options)

    def test_are_sent_again_while_a_part_is_away(self) -> None:
        server = Server(503, 0, 502)
        response = self.send(server)
        self.assertEqual((response.status, response.body), (200, b"ok"))
        self.assertEqual(server.bodies, [b"body"] * 4)

    def test_that_may_change_something_are_not_sent_again_after_an_unexpected_failure(self) -> None:
        server = Server(500)
        self.assertEqual(self.send(server, "POST").status, 500)
        self.assertEqual(len(server.bodies), 1)
        self.assertEqual(self.send(Server(500), "PUT").status, 200)

    def test_are_sent_once_where_that_is_wanted(self) -> None:
        server = Server(503)
        self.assertEqual(self.send(server, again=False).status, 503)
        with self.assertRaisesRegex(CommandError, "is the stack up"):
            self.send(Server(0), again=False)

    def test_end_with_the_last_answer_when_patience_is_over(self) -> None:
        self.assertEqual(self.send(Server(*[503] * 50), patience=0.3).status, 503)

    def test_share_a_connection_and_outlive_its_end(self) -> None:
        server = Server()
        self.send(server)
        self.http.request("PUT", server.url, {}, b"")
        self.assertEqual(len(server.connections), 1)
        server.statuses = [0]
        response = self.http.request("PUT", server.url, {}, b"once more", again=False)
        self.assertEqual((response.status, len(server.connections)), (200, 2))

    def test_to_nobody_fail_with_the_address(self) -> None:
        server = Server()
        server.shutdown()
        server.server_close()
        with self.assertRaisesRegex(CommandError, f"127.0.0.1:{server.server_port}/path failed: ConnectionRefused"):
            Http(patience_seconds=0.2).request("PUT", server.url, {}, b"")


if __name__ == "__main__":
    unittest.main()
