"""What schemathesis loads for each session: what it sends as a credential, and what it leaves out."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import schemathesis

# Written by semantik.conformance for sessions that are signed in.
TOKENS = Path.cwd() / "tokens.json"
# Operations that can end the session they are called with: another account calls each time.
ENDING = ("/api/auth/logout", "/api/auth/logout-all", "/api/auth/password", "/api/auth/sessions/{session_id}")

if TOKENS.exists():
    tokens = json.loads(TOKENS.read_text())
    expendable = itertools.cycle(tokens["expendable"])

    @schemathesis.auth(refresh_interval=None, retry_on=[])
    class Caller:
        def get(self, case: Any, context: Any) -> str:
            return next(expendable) if context.operation.path in ENDING else tokens["lasting"]

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers = case.headers or {}
            case.headers["Authorization"] = f"Bearer {data}"


# Operations that look at a password.
GUESSES = ("/api/auth/login", "/api/auth/password", "/api/auth/me")
# Fewer wrong passwords than make everybody at this address wait, in two runs.
MOST_GUESSES = 10
guesses = itertools.count()


def is_guess(case: Any) -> bool:
    """Whether a password would be compared: only bodies of the right form come that far."""
    body = case.body if isinstance(case.body, dict) else {}
    given = [body.get(name) for name in ("password", "current_password")]
    return case.operation.path in GUESSES and any(isinstance(text, str) for text in given)


def is_for_another_path(case: Any) -> bool:
    """The emulator decodes a path before it looks for the query: an encoded question mark in a
    parameter would call another path than the one that is meant."""
    return any(set("?#") & set(unquote(str(value))) for value in (case.path_parameters or {}).values())


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    return not is_for_another_path(case) and (not is_guess(case) or next(guesses) < MOST_GUESSES)
