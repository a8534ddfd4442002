"""Qdrant's engine as a local server: qdrant-local, a binary of this workspace."""

from __future__ import annotations

import filecmp
import os
import shutil
import signal
from pathlib import Path

from local_stack import processes
from local_stack.settings import LOCAL, Settings, StackError

PART = "qdrant"
STORAGE = LOCAL / "qdrant"
# A copy, so that a build does not replace the file of a running server.
BINARY = LOCAL / "bin" / "qdrant-local"


def up(settings: Settings, built: Path) -> None:
    """Starts the server; restarts it if `built` differs from the running binary."""
    if not built.exists():
        raise StackError(f"{built} is missing; scripts/stack up builds it")
    if not BINARY.exists() or not filecmp.cmp(built, BINARY):
        down()
        BINARY.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(built, BINARY)
    start(settings)


def start(settings: Settings) -> None:
    """Starts the binary that the last `up` copied, unless it runs."""
    if processes.running(PART) is None:
        for port in (settings.qdrant_port, settings.qdrant_port - 1):
            processes.require_free(PART, port, "STACK_QDRANT_PORT")
        STORAGE.mkdir(parents=True, exist_ok=True)
        address = f"127.0.0.1:{settings.qdrant_port}"
        http = f"127.0.0.1:{settings.qdrant_port - 1}"
        command = [str(BINARY), "--storage", str(STORAGE), "--grpc", address, "--http", http]
        processes.start(PART, command, {"PATH": os.environ.get("PATH", "")})
    processes.await_ready(PART, lambda: processes.accepts(settings.qdrant_port), 60)


def down() -> bool:
    return processes.stop(PART, signal.SIGTERM, 20)


def purge() -> None:
    shutil.rmtree(STORAGE, ignore_errors=True)
