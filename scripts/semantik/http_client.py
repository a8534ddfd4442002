"""HTTP with kept-alive connections, and retries while a part of the stack restarts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.util.retry import Retry

from command_line import CommandError

# A gateway responds with these while a function or a server behind it is unavailable.
UNAVAILABLE = (429, 502, 503, 504)
IDEMPOTENT = ("GET", "PUT", "DELETE")
TIMEOUT_SECONDS = 60
MAX_BACKOFF_SECONDS = 5.0
# From this retry on, the user is told.
NOTIFY_AT_RETRY = 4
CONNECTIONS = 16

# Each retry would be a warning on standard error.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes
    # Of the whole request, retries included.
    seconds: float


class Http:
    """An HTTP client that threads can share. A command has one of it."""

    def __init__(self, retry_seconds: float = 240, notify: Callable[[str], None] | None = None):
        """`retry_seconds` is about how long a request is retried; `notify` receives a line about repeated failures."""
        self._pool = urllib3.PoolManager(maxsize=CONNECTIONS, timeout=TIMEOUT_SECONDS)
        self._retry_seconds = retry_seconds
        self._notify = notify or (lambda message: None)

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, *, retry: bool = True,
    ) -> Response:
        """Sends a request and returns its response, whatever its status.

        Retries connection errors and responses that say that a server is unavailable and, if the method is
        idempotent, 500. Honours Retry-After.
        """
        statuses = (*UNAVAILABLE, 500) if method in IDEMPOTENT else UNAVAILABLE
        retries = _Retries(
            # The backoff reaches its maximum after five retries and six seconds.
            total=int(self._retry_seconds / MAX_BACKOFF_SECONDS) + 4, status_forcelist=statuses, allowed_methods=None,
            backoff_factor=0.2, backoff_max=MAX_BACKOFF_SECONDS, backoff_jitter=0.5, raise_on_status=False,
        )
        retries.notify = self._notify
        started = time.perf_counter()
        try:
            response = self._pool.request(
                method, url, body=body, headers=headers, redirect=False, retries=retries if retry else False)
        except urllib3.exceptions.HTTPError as error:
            address = urlsplit(url)
            reason = getattr(error, "reason", None) or error
            raise CommandError(
                f"{method} {address.netloc}{address.path} failed: {reason}; scripts/stack status shows whether the "
                "stack is running"
            ) from error
        return Response(response.status, response.data, time.perf_counter() - started)

    def close(self) -> None:
        """Closes all connections."""
        self._pool.clear()


class _Retries(Retry):
    """Retries that say so once a request has failed several times."""

    notify: Callable[[str], None]

    def new(self, **changes: Any) -> _Retries:
        changed = super().new(**changes)
        changed.notify = self.notify
        return changed

    def increment(
        self, method: str | None = None, url: str | None = None, response: Any = None, error: Exception | None = None,
        *others: Any, **named: Any,
    ) -> _Retries:
        following = super().increment(method, url, response, error, *others, **named)
        if len(following.history) == NOTIFY_AT_RETRY:
            self.notify(f"{method} {url} failed ({error or f'status {response.status}'}); still retrying")
        return following
