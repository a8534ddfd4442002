"""Proxies forward everything, except while a fault is active."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import socket
import threading
import unittest
from typing import Any, ClassVar

from local_stack.proxy import Forward, HttpProxy, Loop, Request, Response, TcpProxy, failure, success


class Target(http.server.BaseHTTPRequestHandler):
    """Responds with the body of the request, on kept-alive connections."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, str, bytes]]] = []

    def do_PUT(self) -> None:
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.seen.append((self.command, self.path, body))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_HEAD = do_PUT

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


class ProxyTest(unittest.TestCase):
    loop: ClassVar[Loop]
    server: ClassVar[http.server.ThreadingHTTPServer]

    @classmethod
    def setUpClass(cls) -> None:
        cls.loop = Loop()
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.shutdown()
        cls.server.server_close()
        cls.loop.stop()

    def setUp(self) -> None:
        Target.seen.clear()
        self.http = HttpProxy(self.server.server_port)
        self.tcp = TcpProxy(self.server.server_port)
        for proxy in (self.http, self.tcp):
            self.loop.run(proxy.start())

    def connection(self, proxy: HttpProxy | TcpProxy, seconds: float = 5) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=seconds)
        self.addCleanup(connection.close)
        return connection

    def send(
        self, connection: http.client.HTTPConnection, method: str = "PUT", body: Any = b"tides", **headers: str,
    ) -> tuple[int, bytes]:
        connection.request(method, "/key?x=1", body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()

    def test_requests_are_forwarded_completely_and_connections_are_kept(self) -> None:
        connection = self.connection(self.http)
        self.assertEqual(self.send(connection), (200, b"tides"))
        self.assertEqual(self.send(connection, body=iter([b"in ", b"parts"])), (200, b"in parts"))
        self.assertEqual(self.send(connection, "HEAD", None), (200, b""))
        self.assertEqual(self.send(connection, body=b"large" * 50_000), (200, b"large" * 50_000))
        self.assertEqual([path for _, path, _ in Target.seen], ["/key?x=1"] * 4)
        self.assertEqual(self.http.requests, 4)

    def test_injected_error_does_not_reach_the_target(self) -> None:
        async def refuse(request: Request, forward: Forward) -> Response:
            return failure(503, request, "SlowDown")

        self.http.interceptors.append(refuse)
        status, body = self.send(self.connection(self.http))
        self.assertEqual((status, b"SlowDown" in body), (503, True))
        self.assertEqual(Target.seen, [])

    def test_request_of_a_lost_response_reaches_the_target(self) -> None:
        async def lose(request: Request, forward: Forward) -> Response:
            await forward(request)
            return None

        self.http.interceptors.append(lose)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.send(self.connection(self.http))
        self.assertEqual(len(Target.seen), 1)

    def test_request_can_be_duplicated_and_delayed(self) -> None:
        async def duplicate(request: Request, forward: Forward) -> Response:
            await forward(request)
            await self.http.send(request)
            return success(b"{}")

        self.http.interceptors.append(
            lambda request, forward: duplicate(request, forward) if request.call == "Send" else None)
        connection = self.connection(self.http)
        self.assertEqual(self.send(connection, **{"x-amz-target": "AmazonSQS.Send"}), (200, b"{}"))
        self.assertEqual(self.send(connection), (200, b"tides"))
        self.assertEqual(len(Target.seen), 3)

    def test_bytes_are_forwarded_until_the_connection_is_cut(self) -> None:
        connection = self.connection(self.tcp)
        self.assertEqual(self.send(connection), (200, b"tides"))
        self.assertGreater(self.loop.run(self.tcp.cut()), 0)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.send(connection)
        self.assertEqual(self.send(self.connection(self.tcp)), (200, b"tides"))

    def test_lost_response_of_tcp_was_sent_by_the_target(self) -> None:
        self.tcp.lose_responses(1)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.send(self.connection(self.tcp))
        self.assertEqual(len(Target.seen), 1)
        self.assertEqual(self.send(self.connection(self.tcp)), (200, b"tides"))

    def test_stalled_bytes_are_forwarded_later(self) -> None:
        stalled = asyncio.run_coroutine_threadsafe(self.tcp.stall(0.5), self.loop.loop)
        while self.tcp._flows.is_set():
            pass
        with self.assertRaises(TimeoutError):
            self.send(self.connection(self.tcp, seconds=0.1))
        stalled.result(5)
        self.assertEqual(self.send(self.connection(self.tcp)), (200, b"tides"))

    def test_refusal_ends_connections_and_rejects_new_ones(self) -> None:
        connection = self.connection(self.tcp)
        self.send(connection)
        refusing = asyncio.run_coroutine_threadsafe(self.tcp.refuse(0.5), self.loop.loop)
        while not self.tcp._refuses:
            pass
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.send(self.connection(self.tcp))
        refusing.result(5)
        self.assertEqual(self.send(self.connection(self.tcp)), (200, b"tides"))

    def test_unavailable_target_ends_the_connection(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.http.target_port = probe.getsockname()[1]
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.send(self.connection(self.http))


if __name__ == "__main__":
    unittest.main()
