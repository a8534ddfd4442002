"""What the proxies pass on, and what they do when they are told to."""

import asyncio
import http.client
import http.server
import socket
import threading
import unittest

from chaos_run.proxy import HttpProxy, Loop, TcpProxy, failure, success


class Target(http.server.BaseHTTPRequestHandler):
    """Answers with what it was sent, over connections that stay open."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, bytes]] = []

    def do_PUT(self):
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

    def log_message(self, *_):
        pass


class ProxyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.loop = Loop()
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()
        cls.loop.stop()

    def setUp(self):
        Target.seen.clear()
        self.http = HttpProxy(self.server.server_port)
        self.tcp = TcpProxy(self.server.server_port)
        for proxy in (self.http, self.tcp):
            self.loop.run(proxy.start())

    def connection(self, proxy, seconds=5):
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=seconds)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, method="PUT", body=b"tides", **headers):
        connection.request(method, "/key?x=1", body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def test_requests_pass_whole_and_connections_are_kept(self):
        connection = self.connection(self.http)
        self.assertEqual(self.ask(connection), (200, b"tides"))
        self.assertEqual(self.ask(connection, body=iter([b"by ", b"pieces"])), (200, b"by pieces"))
        self.assertEqual(self.ask(connection, "HEAD", None), (200, b""))
        self.assertEqual(self.ask(connection, body=b"large" * 50_000), (200, b"large" * 50_000))
        self.assertEqual([path for _, path, _ in Target.seen], ["/key?x=1"] * 4)
        self.assertEqual(self.http.requests, 4)

    def test_an_error_comes_instead_and_the_target_hears_nothing(self):
        async def refuse(request, forward):
            return failure(503, request, "SlowDown")

        self.http.meddlers.append(refuse)
        status, body = self.ask(self.connection(self.http))
        self.assertEqual((status, b"SlowDown" in body), (503, True))
        self.assertEqual(Target.seen, [])

    def test_a_lost_answer_was_passed_on(self):
        async def lose(request, forward):
            await forward(request)

        self.http.meddlers.append(lose)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.ask(self.connection(self.http))
        self.assertEqual(len(Target.seen), 1)

    def test_a_request_may_be_sent_twice_or_later(self):
        async def meddle(request, forward):
            await forward(request)
            await self.http.send(request)
            return success(b"{}")

        self.http.meddlers.append(lambda request, forward: meddle(request, forward) if request.call == "Send" else None)
        connection = self.connection(self.http)
        self.assertEqual(self.ask(connection, **{"x-amz-target": "AmazonSQS.Send"}), (200, b"{}"))
        self.assertEqual(self.ask(connection), (200, b"tides"))
        self.assertEqual(len(Target.seen), 3)

    def test_bytes_pass_both_ways_until_they_are_cut(self):
        connection = self.connection(self.tcp)
        self.assertEqual(self.ask(connection), (200, b"tides"))
        self.assertGreater(self.loop.run(self.tcp.cut()), 0)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.ask(connection)
        self.assertEqual(self.ask(self.connection(self.tcp)), (200, b"tides"))

    def test_an_answer_is_lost_after_its_question_was_passed_on(self):
        self.tcp.lose_answers(1)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.ask(self.connection(self.tcp))
        self.assertEqual(len(Target.seen), 1)
        self.assertEqual(self.ask(self.connection(self.tcp)), (200, b"tides"))

    def test_a_stall_holds_bytes_back_and_lets_them_go(self):
        stalled = asyncio.run_coroutine_threadsafe(self.tcp.stall(0.5), self.loop.loop)
        while self.tcp._flows.is_set():
            pass
        with self.assertRaises(TimeoutError):
            self.ask(self.connection(self.tcp, seconds=0.1))
        stalled.result(5)
        self.assertEqual(self.ask(self.connection(self.tcp)), (200, b"tides"))

    def test_refusing_ends_what_is_connected_and_takes_nothing_new(self):
        connection = self.connection(self.tcp)
        self.ask(connection)
        refusing = asyncio.run_coroutine_threadsafe(self.tcp.refuse(0.5), self.loop.loop)
        while not self.tcp._refuses:
            pass
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.ask(self.connection(self.tcp))
        refusing.result(5)
        self.assertEqual(self.ask(self.connection(self.tcp)), (200, b"tides"))

    def test_a_target_that_is_away_cuts_the_connection(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.http.target_port = probe.getsockname()[1]
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.ask(self.connection(self.http))


if __name__ == "__main__":
    unittest.main()
