"""The checks of servers tell why one cannot be used."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from deployment import database_check, grpc_call, qdrant_check
from deployment.database_check import Target
from deployment.report import Report, Result

SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])


class TlsServer:
    """Answers PostgreSQL's request for TLS, and does the handshake with a certificate for `localhost`."""

    def __init__(self, folder: Path) -> None:
        self.certificate, key = folder / "server.crt", folder / "server.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out",
             str(self.certificate), "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            check=True, capture_output=True)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        # Wakes the thread that waits for a connection, which would keep the port open.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                if connection.recv(8) == SSL_REQUEST:
                    connection.sendall(b"S")
                    try:
                        self._context.wrap_socket(connection, server_side=True).close()
                    except (ssl.SSLError, OSError):
                        continue


class DatabaseTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.server = TlsServer(Path(folder.name))
        self.addCleanup(self.server.close)

    def check(self, host: str, sslmode: str, sslrootcert: str = "", *, private: bool = False) -> tuple[Result, str]:
        report = Report(lambda line: None)
        target = Target(host, self.server.port, "ada", "semantik", sslmode, sslrootcert)
        database_check.check(report, target, "hush", 48, private=private)
        self.assertNotIn("hush", report.findings[0].detail)
        return report.findings[0].result, report.findings[0].detail

    def test_a_certificate_of_an_unknown_authority_fails(self) -> None:
        for private in (False, True):
            result, detail = self.check("localhost", "verify-full", private=private)
            self.assertIs(result, Result.FAILED)
            self.assertIn("self-signed certificate", detail)

    def test_a_certificate_of_another_host_fails(self) -> None:
        result, detail = self.check("127.0.0.1", "verify-full", str(self.server.certificate))
        self.assertIs(result, Result.FAILED)
        self.assertIn("IP address mismatch", detail)

    def test_a_trusted_certificate_is_not_what_fails(self) -> None:
        result, detail = self.check("localhost", "verify-full", str(self.server.certificate))
        self.assertIs(result, Result.FAILED)
        self.assertNotIn("certificate", detail)

    def test_a_private_server_out_of_reach_is_skipped(self) -> None:
        self.server.close()
        self.assertIs(self.check("127.0.0.1", "verify-full", private=True)[0], Result.SKIPPED)
        self.assertIs(self.check("127.0.0.1", "verify-full")[0], Result.FAILED)

    def test_a_secret_wins_over_the_url(self) -> None:
        target = Target.of("postgres://ada@one.example:5432/semantik?sslmode=verify-full")
        secret = {"username": "bob", "password": "p", "host": "two.example", "port": 5433}
        managed, password = target.with_secret(secret)
        self.assertEqual((managed.place, managed.user, password), ("two.example:5433/semantik", "bob", "p"))
        neon, password = target.with_secret({"url": "postgres://eve:a%2Fb@neon.example/x?sslmode=verify-full"})
        self.assertEqual((neon.place, neon.user, password), ("neon.example:5432/x", "eve", "a/b"))


class QdrantTest(unittest.TestCase):
    def test_a_server_without_http2_fails(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            def answer() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            threading.Thread(target=answer, daemon=True).start()
            report = Report(lambda line: None)
            qdrant_check.check(report, f"http://127.0.0.1:{server.getsockname()[1]}", "", private=False)
        self.assertIs(report.findings[0].result, Result.FAILED)
        self.assertIn("gRPC port", report.findings[0].detail)

    def test_strict_mode_must_allow_what_the_program_sends(self) -> None:
        _, result, detail = qdrant_check.strict_mode_finding({"enabled": True, "upsert_max_batchsize": 50})
        self.assertIs(result, Result.FAILED)
        self.assertIn("upsert_max_batchsize is 50, 100 is needed", detail)
        self.assertIs(qdrant_check.strict_mode_finding({"enabled": True, "max_query_limit": 5000})[1], Result.OK)
        self.assertIs(qdrant_check.strict_mode_finding({})[1], Result.OK)

    def test_reads_the_fields_of_a_reply(self) -> None:
        message = b"\x0a\x02ab\x10\x96\x01\x1d\0\0\0\0\x21" + bytes(8)
        self.assertEqual(list(grpc_call.fields(message)), [(1, b"ab"), (2, 150), (3, bytes(4)), (4, bytes(8))])


if __name__ == "__main__":
    unittest.main()
