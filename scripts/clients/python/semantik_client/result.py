"""Responses of the generated client: the expected object, or an exception."""

from __future__ import annotations

from typing import Any, TypeVar

from .models.problem import Problem
from .types import Response

T = TypeVar("T")


class ProblemError(Exception):
    """The API refused the request; `problem` says why, and `problem.request_id` finds it in the logs."""

    def __init__(self, problem: Problem):
        super().__init__(f"{problem.status} {problem.title}: {problem.detail} (request {problem.request_id})")
        self.problem = problem


def success(response: Response[Any], expected: type[T]) -> T:
    """Returns the parsed body of a response to `sync_detailed` or `asyncio_detailed`.

    Raises ProblemError if the API answered with an error.
    """
    parsed = response.parsed
    if isinstance(parsed, Problem):
        raise ProblemError(parsed)
    if not isinstance(parsed, expected):
        raise TypeError(f"expected {expected.__name__}, got status {response.status_code} with {type(parsed).__name__}")
    return parsed
