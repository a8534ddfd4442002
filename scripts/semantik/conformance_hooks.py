"""Loaded by schemathesis for each session: its credentials, and the requests that it must not send."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import schemathesis

# Written by semantik.conformance for authenticated sessions.
TOKENS = Path.cwd() / "tokens.json"
# Operations that can end the session of their caller; each request uses another account.
ENDING = ("/api/auth/logout", "/api/auth/logout-all", "/api/auth/password", "/api/auth/sessions/{session_id}")

if TOKENS.exists():
    tokens = json.loads(TOKENS.read_text())
    expendable = itertools.cycle(tokens["expendable"])

    @schemathesis.auth(refresh_interval=None, retry_on=[])
    class Caller:
        def get(self, case: Any, context: Any) -> str:
            return str(next(expendable) if context.operation.path in ENDING else tokens["lasting"])

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers = case.headers or {}
            case.headers["Authorization"] = f"Bearer {data}"


# Operations that verify a password.
GUESSES = ("/api/auth/login", "/api/auth/password", "/api/auth/me")
# Few enough that the login throttle does not block this IP address, even after two runs.
MOST_GUESSES = 10
guesses = itertools.count()


def is_guess(case: Any) -> bool:
    """Returns whether a request is valid enough for its password to be verified."""
    body = case.body if isinstance(case.body, dict) else {}
    given = [body.get(name) for name in ("password", "current_password")]
    return case.operation.path in GUESSES and any(isinstance(text, str) for text in given)


def is_for_another_path(case: Any) -> bool:
    """Returns whether the emulator would route a request to another path.

    It decodes a path before it looks for the query, so an encoded question mark ends the path.
    """
    return any(set("?#") & set(unquote(str(value))) for value in (case.path_parameters or {}).values())


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    return not is_for_another_path(case) and (not is_guess(case) or next(guesses) < MOST_GUESSES)
