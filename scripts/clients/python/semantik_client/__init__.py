"""A client of the Semantik API, generated from its OpenAPI document."""

from .client import AuthenticatedClient, Client
from .result import ProblemError, success

__all__ = ("AuthenticatedClient", "Client", "ProblemError", "success")
