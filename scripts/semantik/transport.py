"""HTTP with kept connections, and patience for a part that is being restarted."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from semantik.errors import CommandError

# A gateway says these while a function or what it needs is away; asking again is right.
AWAY = {429, 502, 503, 504}
# Of requests that change nothing twice, also an unexpected failure is worth another try.
BROKEN = AWAY | {500}
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes
    # From the first byte sent to the last received, of the attempt that was answered.
    seconds: float


class Http:
    """One per command; every thread keeps its own connections."""

    def __init__(self, patience_seconds: float = 240, notify: Callable[[str], None] | None = None):
        """`patience_seconds` is how long one request is tried again before it fails for good."""
        self._patience_seconds = patience_seconds
        self._notify = notify or (lambda message: None)
        self._local = threading.local()

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, *, again: bool = True,
    ) -> Response:
        """Sends until an answer comes that waiting cannot better. `again=False` sends once."""
        retried = BROKEN if method in ("GET", "PUT", "DELETE") else AWAY
        address = urlsplit(url)
        give_up = time.monotonic() + self._patience_seconds
        attempt = 0
        while True:
            # Jitter, so that parallel uploads do not come back all at once.
            pause = min(5.0, 0.2 * 2**attempt) * random.uniform(0.5, 1.0)
            try:
                response = self._send(method, address, headers, body)
                wanted = response.headers.get("retry-after", "")
                pause = max(pause, float(wanted) if wanted.isdecimal() else 0)
                if not again or response.status not in retried or time.monotonic() + pause > give_up:
                    return response
                problem = f"answered {response.status}"
            except (OSError, http.client.HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
                if not again or time.monotonic() + pause > give_up:
                    raise CommandError(
                        f"{method} {address.netloc}{address.path} failed: {problem}; is the stack up? "
                        "scripts/stack status says"
                    ) from error
            if attempt == 3:
                self._notify(f"{method} {address.path} {problem}; still trying")
            time.sleep(pause)
            attempt += 1

    def close(self) -> None:
        """Closes the connections of the calling thread."""
        for connection in self._kept().values():
            connection.close()
        self._kept().clear()

    def _send(self, method: str, url: SplitResult, headers: Mapping[str, str], body: bytes | None) -> Response:
        target = url.path or "/"
        if url.query:
            target += f"?{url.query}"
        kept = self._kept().get((url.scheme, url.netloc))
        if kept is not None:
            try:
                return self._exchange(kept, method, target, headers, body)
            except (ConnectionError, http.client.BadStatusLine):
                # The server closed a connection that had been idle; only a new one tells whether it is well.
                self._drop(url)
        connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        fresh = connect(url.netloc, timeout=TIMEOUT_SECONDS)
        self._kept()[(url.scheme, url.netloc)] = fresh
        try:
            return self._exchange(fresh, method, target, headers, body)
        except BaseException:
            self._drop(url)
            raise

    @staticmethod
    def _exchange(
        connection: http.client.HTTPConnection, method: str, target: str,
        headers: Mapping[str, str], body: bytes | None,
    ) -> Response:
        started = time.perf_counter()
        connection.request(method, target, body=body, headers=dict(headers))
        answer = connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - started
        names = {name.lower(): value for name, value in answer.getheaders()}
        if names.get("connection", "").lower() == "close":
            connection.close()
        return Response(answer.status, names, content, seconds)

    def _kept(self) -> dict[tuple[str, str], http.client.HTTPConnection]:
        if not hasattr(self._local, "connections"):
            self._local.connections = {}
        return self._local.connections

    def _drop(self, url: SplitResult) -> None:
        connection = self._kept().pop((url.scheme, url.netloc), None)
        if connection is not None:
            connection.close()
