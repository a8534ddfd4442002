"""Whether the Qdrant server of a configuration can be used: reachable as the functions reach it, new enough, and not
stricter than the program expects."""

from __future__ import annotations

import json
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from deployment import grpc_call
from deployment.report import Report, Result
from local_stack.settings import http_address

CHECK = "Qdrant"
# Hybrid search needs the Query API with prefetches, and sparse vectors with the IDF modifier.
OLDEST = (1, 10)
# The least that each limit of strict mode must allow, by its name: what the program sends at most.
STRICT_MODE_NEEDS = {"upsert_max_batchsize": 100, "max_query_limit": 1500}
HTTP_SECONDS = 10
LOCAL_ENGINE = "qdrant-local"
_UNAUTHENTICATED = (7, 16)


def check(report: Report, url: str, api_key: str, *, private: bool) -> None:
    """Asks the server. One that is `private` may be out of reach from this machine."""
    headers = {"api-key": api_key} if api_key else {}
    try:
        program, version = _health(grpc_call.call(url, "/qdrant.Qdrant/HealthCheck", b"", headers))
        grpc_call.call(url, "/qdrant.Collections/List", b"", headers)
    except grpc_call.GrpcError as error:
        reason = "rejected the API key" if error.status in _UNAUTHENTICATED else f"failed: {error}"
        report.failed(CHECK, f"{url} {reason}; see the cluster's API keys, and the secret semantik/STACK/qdrant")
        return
    except ssl.SSLError as error:
        report.failed(CHECK, f"{url}: TLS failed: {error}")
        return
    except OSError as error:
        if private:
            report.skipped(CHECK, f"{url} does not answer from here ({error}); the functions reach it from SubnetIds. "
                                  "Run this check from inside that network to be sure")
        else:
            report.failed(CHECK, f"{url}: {error}; the gRPC port is needed, 6334 unless you changed it")
        return
    # The engine of the local stack has versions of its own.
    if program != LOCAL_ENGINE and _number(version) < OLDEST:
        report.failed(CHECK, f"{url} is Qdrant {version}; {OLDEST[0]}.{OLDEST[1]} or later is required")
        return
    report.ok(CHECK, f"{url}, {program} {version}, {'the API key is accepted' if api_key else 'without an API key'}")
    _check_strict_mode(report, http_address(url), headers)


def _check_strict_mode(report: Report, rest: str, headers: Mapping[str, str]) -> None:
    """Creates an empty collection, because the defaults of the server show only there, and deletes it."""
    name = f"semantik-deploy-check-{secrets.token_hex(4)}"
    try:
        _rest(f"{rest}/collections/{name}", "PUT", headers, {"vectors": {"size": 4, "distance": "Cosine"}})
    except (OSError, ValueError) as error:
        report.skipped("Qdrant strict mode", f"unknown: {rest} does not serve collections by REST ({_reason(error)})")
        return
    try:
        config = _rest(f"{rest}/collections/{name}", "GET", headers)["result"]["config"]
    finally:
        _rest(f"{rest}/collections/{name}", "DELETE", headers)
    report.add(*strict_mode_finding(config.get("strict_mode_config") or {}))


def strict_mode_finding(mode: Mapping[str, Any]) -> tuple[str, Result, str]:
    """Returns what strict mode means for the program."""
    name = "Qdrant strict mode"
    if not mode.get("enabled"):
        return name, Result.OK, "off"
    narrow = [
        f"{limit} is {mode[limit]}, {needed} is needed" for limit, needed in STRICT_MODE_NEEDS.items()
        if mode.get(limit) is not None and int(mode[limit]) < needed
    ]
    if narrow:
        return name, Result.FAILED, f"{'; '.join(narrow)}; raise the limits in the cluster's configuration"
    return name, Result.OK, "on; every field that the program filters by is indexed"


def _rest(url: str, method: str, headers: Mapping[str, str], body: Any = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, content, {**headers, "content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as response:
        return json.loads(response.read())


def _reason(error: BaseException) -> str:
    return f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else str(error)


def _health(reply: bytes) -> tuple[str, str]:
    """Returns title and version of a HealthCheckReply."""
    found = dict(grpc_call.fields(reply))
    title, version = found.get(1, b""), found.get(2, b"")
    if not isinstance(title, bytes) or not isinstance(version, bytes) or not version:
        raise ConnectionError("the server is not Qdrant")
    return title.decode(errors="replace"), version.decode(errors="replace")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.lstrip("v").split("-")[0].split(".")[:2])
