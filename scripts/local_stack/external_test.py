"""Remembered settings are shown, and external servers must respond."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
import unittest
from dataclasses import replace
from pathlib import Path

from local_stack import external, settings
from local_stack.settings import ROOT

SETTINGS_FRAME = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StackTest(unittest.TestCase):
    """Runs scripts/stack in an empty folder; the port of the external server is unused."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.port = unused_port()

    def remember(self, **values: str) -> None:
        (self.folder / "stack.json").write_text(json.dumps(values))

    def stack(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        others = {name: value for name, value in os.environ.items() if not name.startswith("STACK_")}
        return subprocess.run(
            [str(ROOT / "scripts" / "stack"), command], env=others | {"STACK_DIR": str(self.folder)} | variables,
            capture_output=True, text=True)

    def test_up_fails_with_one_line_if_a_remembered_server_is_unreachable(self) -> None:
        self.remember(external_qdrant_url=f"http://127.0.0.1:{self.port}")
        ended = self.stack("up")
        self.assertEqual(ended.returncode, 1)
        self.assertIn(f"remembered from the last up: STACK_QDRANT_URL=http://127.0.0.1:{self.port}\n", ended.stdout)
        self.assertIn("to change one, set it", ended.stdout)
        self.assertEqual(ended.stderr.count("\n"), 1)
        self.assertIn(f"STACK_QDRANT_URL: http://127.0.0.1:{self.port} is unreachable", ended.stderr)
        self.assertIn("Connection refused", ended.stderr)

    def test_a_stack_does_not_change_where_its_documents_are(self) -> None:
        self.remember(localstack_url=f"http://127.0.0.1:{self.port}")
        ended = self.stack("up", STACK_LOCALSTACK_URL="")
        self.assertEqual(ended.returncode, 1)
        self.assertIn(f"the documents of this stack are in http://127.0.0.1:{self.port}, not in the emulator",
                      ended.stderr)

    def test_up_fails_with_one_line_if_the_database_is_unreachable_and_hides_its_password(self) -> None:
        for command in ("up", "services"):
            ended = self.stack(command, STACK_DATABASE_URL=f"postgres://ada:secret@127.0.0.1:{self.port}/semantik")
            self.assertEqual(ended.returncode, 1)
            self.assertEqual(ended.stderr.count("\n"), 1)
            self.assertIn(
                f"STACK_DATABASE_URL: postgres://ada:***@127.0.0.1:{self.port}/semantik is unreachable", ended.stderr)
            self.assertNotIn("secret", ended.stderr + ended.stdout)

    def test_status_shows_unreachable_servers_and_what_is_remembered(self) -> None:
        self.remember(
            external_qdrant_url=f"http://127.0.0.1:{self.port}",
            external_database_url=f"postgres://ada:secret@127.0.0.1:{self.port}/semantik")
        ended = self.stack("status")
        self.assertEqual(ended.returncode, 3)
        self.assertIn("STACK_DATABASE_URL='postgres://ada:***@127", ended.stdout)
        self.assertIn(f"qdrant    external, unreachable http://127.0.0.1:{self.port}\n", ended.stdout)

    def test_empty_variable_forgets_what_is_remembered(self) -> None:
        self.remember(external_qdrant_url=f"http://127.0.0.1:{self.port}")
        ended = self.stack("status", STACK_QDRANT_URL="")
        self.assertNotIn("remembered", ended.stdout)
        self.assertIn("qdrant    stopped", ended.stdout)

    def test_nothing_is_said_about_defaults(self) -> None:
        self.remember(name="semantik", profile="dev")
        self.assertNotIn("remembered", self.stack("status").stdout)


class QdrantTest(unittest.TestCase):
    def problem(self, reply: bytes) -> str | None:
        """Returns what is wrong with a server that sends `reply` and closes the connection."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1024)
                    connection.sendall(reply)

            server = threading.Thread(target=serve)
            server.start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            found = external.problems(
                replace(settings.load(), external_database_url="", external_qdrant_url=url)).get("qdrant")
            server.join()
        return found

    def test_grpc_server_is_accepted(self) -> None:
        self.assertIsNone(self.problem(SETTINGS_FRAME))

    def test_other_servers_are_rejected(self) -> None:
        self.assertIn("does not speak gRPC", self.problem(b"HTTP/1.1 400 Bad Request\r\n\r\n") or "")
        self.assertIn("closed the connection", self.problem(b"") or "")

    def test_invalid_url_is_rejected(self) -> None:
        for url in ("localhost", "ftp://localhost:6334", "http://localhost:port"):
            stack = replace(settings.load(), external_database_url="", external_qdrant_url=url)
            self.assertIn(f"STACK_QDRANT_URL: {url}", external.problems(stack)["qdrant"])


if __name__ == "__main__":
    unittest.main()
