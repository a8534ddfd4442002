"""Checks that servers which this stack does not start respond."""

from __future__ import annotations

import socket
import ssl
import subprocess
from urllib.parse import urlsplit

from local_stack import postgres
from local_stack.settings import Settings, StackError, without_password

CONNECT_SECONDS = 5
# The HTTP/2 connection preface and an empty SETTINGS frame (RFC 9113, section 3.4). A server replies with its own
# SETTINGS frame, type 4, whatever it serves.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS_FRAME = 4


def require(settings: Settings) -> None:
    """Raises if an external server of these settings does not respond."""
    for problem in problems(settings).values():
        raise StackError(problem)


def problems(settings: Settings) -> dict[str, str]:
    """Returns what is wrong, by part, with external servers that cannot be used."""
    found = {
        "postgres": settings.external_database_url and _database_problem(settings.external_database_url),
        "qdrant": settings.external_qdrant_url and _qdrant_problem(settings.external_qdrant_url),
    }
    advice = "start that server, or set the variable to another one, or to nothing for a local server"
    variables = {"postgres": "STACK_DATABASE_URL", "qdrant": "STACK_QDRANT_URL"}
    urls = {"postgres": settings.external_database_url, "qdrant": settings.external_qdrant_url}
    return {
        part: f"{variables[part]}: {without_password(urls[part])} is unreachable ({problem}); {advice}"
        for part, problem in found.items() if problem
    }


def _database_problem(url: str) -> str:
    command = [str(postgres.binary("psql")), "--no-psqlrc", "--no-password", "-Atqc", "SELECT 1", url]
    try:
        ended = subprocess.run(
            command, env=postgres.environment() | {"PGCONNECT_TIMEOUT": str(CONNECT_SECONDS)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * CONNECT_SECONDS)
    except subprocess.TimeoutExpired:
        return f"no response within {2 * CONNECT_SECONDS} s"
    return "" if ended.returncode == 0 else " ".join(ended.stderr.split()) or f"psql failed with {ended.returncode}"


def _qdrant_problem(url: str) -> str:
    address = urlsplit(url)
    try:
        if address.hostname is None or address.scheme not in ("http", "https"):
            return "expected http://HOST:PORT or https://HOST:PORT"
        place = (address.hostname, address.port or 6334)
        with socket.create_connection(place, CONNECT_SECONDS) as plain:
            if address.scheme == "http":
                return _http2_problem(plain)
            context = ssl.create_default_context()
            context.set_alpn_protocols(["h2"])
            with context.wrap_socket(plain, server_hostname=address.hostname) as encrypted:
                return _http2_problem(encrypted)
    except (OSError, ValueError) as error:
        return str(error)


def _http2_problem(connection: socket.socket) -> str:
    connection.settimeout(CONNECT_SECONDS)
    connection.sendall(PREFACE)
    header = b""
    while len(header) < 9:
        received = connection.recv(9 - len(header))
        if not received:
            return "the server closed the connection"
        header += received
    return "" if header[3] == SETTINGS_FRAME else "the server does not speak gRPC"
