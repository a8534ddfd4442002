"""Bounds what MiniStack keeps in memory, which otherwise grows for as long as it runs.

Measured with this stack's functions: about 500 MB of deployment packages, which MiniStack holds as bytes although
each is also on disk twice (a persisted blob and the unpacked folder), and 4 KB or more per invocation, for its log
stream, which nothing ever removes. Metrics are bounded by emulator_metrics.py.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import threading
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc

# Log streams kept per log group, which is one function. MiniStack writes one stream per invocation.
RECENT_STREAMS = 500


class StoredPackage(bytes):
    """A deployment package that is on disk; as bytes, it is only its SHA-256."""

    def __deepcopy__(self, memo: dict[int, Any]) -> StoredPackage:
        return self

    @property
    def sha256(self) -> str:
        return self.decode()


def install() -> None:
    """Replaces the functions of MiniStack that keep packages and log streams."""
    # Fails loudly if an upgrade of the pinned emulator renames one of them.
    for name in ("_read_code_blob", "_externalize_code_zip", "_provided_runtime_code_dir", "_emit_lambda_logs",
                 "_write_code_blob"):
        assert callable(getattr(lambda_svc, name)), name
    _keep_packages_on_disk()
    _keep_recent_logs()


def release_packages() -> None:
    """Drops the bytes of packages that are on disk. To be called after a checkpoint, which writes them."""
    _drop_package_bytes()
    # Large request bodies leave free memory in the heap, which glibc does not return by itself.
    if trim_heap := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim_heap(0)


def _drop_package_bytes() -> None:
    holders = [
        record
        for function in lambda_svc._functions._data.values()
        for record in (function, *function.get("versions", {}).values())
    ]
    stored: dict[int, StoredPackage] = {}
    for record in holders:
        package = record.get("code_zip")
        if type(package) is bytes:
            stored[id(package)] = record["code_zip"] = StoredPackage(lambda_svc._write_code_blob(package).encode())
    for workers in list(lambda_runtime._workers.values()):
        for worker in list(workers):
            if type(worker.code_zip) is bytes:
                worker.code_zip = stored.get(id(worker.code_zip), worker.code_zip)


def _keep_packages_on_disk() -> None:
    read, externalize, unpack = (
        lambda_svc._read_code_blob, lambda_svc._externalize_code_zip, lambda_svc._provided_runtime_code_dir)

    def read_stored(sha256: str) -> bytes | None:
        is_there = os.path.exists(os.path.join(lambda_svc.CODE_BLOB_DIR, f"{sha256}.zip"))
        # MiniStack reports a missing blob itself.
        return StoredPackage(sha256.encode()) if is_there else read(sha256)

    def externalize_stored(function: dict[str, Any], referenced: set[str]) -> None:
        package = function.get("code_zip")
        if isinstance(package, StoredPackage):
            function["code_zip"] = {lambda_svc._BLOB_REF_KEY: package.sha256}
            referenced.add(package.sha256)
        else:
            externalize(function, referenced)

    def unpack_stored(package: bytes) -> str:
        if not isinstance(package, StoredPackage):
            return str(unpack(package))
        folder = lambda_svc._provided_code_dirs.get(package.sha256)
        if folder and os.path.isdir(folder):
            return str(folder)
        content = read(package.sha256)
        if content is None or hashlib.sha256(content).hexdigest() != package.sha256:
            raise RuntimeError(f"the deployment package {package.sha256} is missing or damaged; deploy again")
        return str(unpack(content))

    lambda_svc._read_code_blob = read_stored
    lambda_svc._externalize_code_zip = externalize_stored
    lambda_svc._provided_runtime_code_dir = unpack_stored


def _keep_recent_logs() -> None:
    emit = lambda_svc._emit_lambda_logs
    lock = threading.Lock()

    def emit_and_trim(*arguments: Any, **named: Any) -> None:
        emit(*arguments, **named)
        with lock:
            for group in list(cloudwatch_logs._log_groups._data.values()):
                trim(group)

    lambda_svc._emit_lambda_logs = emit_and_trim


def trim(group: dict[str, Any]) -> None:
    """Keeps the newest streams of a log group once it has twice as many as are kept."""
    streams = group["streams"]
    if len(streams) >= 2 * RECENT_STREAMS:
        # A new dictionary, because other threads may be reading the old one.
        group["streams"] = dict(list(streams.items())[-RECENT_STREAMS:])
