"""Failures of API requests."""

from __future__ import annotations

import json

from command_line import CommandError


class ApiError(CommandError):
    """An unsuccessful response of the API, described by its problem document."""

    def __init__(self, what: str, status: int, body: bytes):
        self.status = status
        try:
            problem = json.loads(body)
            detail, request_id = problem.get("detail"), problem.get("request_id")
        except (ValueError, AttributeError):
            detail, request_id = None, None
        self.detail = detail or body[:300].decode(errors="replace") or "no body"
        suffix = f" (request {request_id})" if request_id else ""
        super().__init__(f"{what}: {status} {self.detail}{suffix}")
