"""Long-running processes: started in their own sessions, tracked by PID files, stopped as a group."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_stack.settings import LOCAL, StackError

RUN = LOCAL / "run"
LOGS = LOCAL / "logs"


@dataclass(frozen=True)
class Process:
    """The contents of a PID file. The start time distinguishes the process from a later one with the same PID."""

    pid: int
    start_ticks: int


def start(part: str, command: list[str], env: dict[str, str], user: str | None = None) -> None:
    """Starts `command` detached, with its output appended to .local/logs/<part>.log."""
    RUN.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{part}.log").open("ab") as log:
        child = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, cwd="/", **identity(user),
        )
    ticks = _start_ticks(child.pid)
    if ticks is not None:
        (RUN / f"{part}.pid").write_text(f"{child.pid} {ticks}\n")


def identity(user: str | None) -> dict[str, Any]:
    """Returns arguments that make subprocess run a program as `user`, without the groups of the caller."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def running(part: str) -> int | None:
    """Returns the PID of a part that this stack started and that still runs."""
    recorded = _recorded(part)
    if recorded is None or _start_ticks(recorded.pid) != recorded.start_ticks:
        return None
    return recorded.pid


def stop(part: str, gently: signal.Signals, seconds: float) -> bool:
    """Stops a part and the processes that it started, even if it was killed before; returns whether there were any."""
    recorded = _recorded(part)
    if recorded is None:
        return False
    pid = running(part)
    found = False
    if pid is not None:
        found = True
        os.kill(pid, gently)
        wait_until(lambda: running(part) is None, seconds)
    for member in _session_members(recorded):
        found = True
        _kill(member)
    wait_until(lambda: not any(_session_members(recorded)), 5)
    (RUN / f"{part}.pid").unlink(missing_ok=True)
    return found


def kill(part: str) -> None:
    """Sends SIGKILL to the first process of a part only, like a crash."""
    pid = running(part)
    if pid is None:
        raise StackError(f"{part} is not running")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: running(part) is None, 10)


def members(part: str) -> list[int]:
    """Returns the PIDs of a part and of the processes that it has started."""
    recorded = _recorded(part)
    return [] if recorded is None else list(_session_members(recorded))


def await_ready(part: str, ready: Callable[[], bool], seconds: float) -> None:
    """Waits until `ready`; raises with the last log lines if the part exits or is too late."""
    def settled() -> bool:
        return running(part) is None or ready()

    if wait_until(settled, seconds) and running(part) is not None:
        return
    problem = f"was not ready within {seconds:.0f} s" if running(part) else "exited during its start"
    raise StackError(f"{part} {problem}; the last lines of .local/logs/{part}.log:\n{log_tail(part)}")


def log_tail(part: str, lines: int = 15) -> str:
    """Returns the last lines of a log, indented."""
    path = LOGS / f"{part}.log"
    text = path.read_text(errors="replace") if path.exists() else ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


def wait_until(condition: Callable[[], bool], seconds: float, every_seconds: float = 0.05) -> bool:
    """Polls until `condition` holds; returns False when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_seconds)
    return True


def accepts(port: int) -> bool:
    """Returns whether a port of 127.0.0.1 accepts connections."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def require_free(part: str, port: int, variable: str) -> None:
    """Raises if another program uses the port.

    Waits a moment first, because a killed process keeps its port until its last thread has ended.
    """
    if not wait_until(lambda: _can_bind(port), 2):
        raise StackError(f"port {port} for {part} is used by another program; stop that program or set {variable}")


def alive(pid: int) -> bool:
    """Returns whether a process runs; a zombie does not."""
    return _start_ticks(pid) is not None


def working_in(folder: Path) -> list[int]:
    """Returns the PIDs of processes whose working directory is `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cwd").readlink() == folder and alive(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _recorded(part: str) -> Process | None:
    path = RUN / f"{part}.pid"
    if not path.exists():
        return None
    pid, ticks = path.read_text().split()
    return Process(int(pid), int(ticks))


def _start_ticks(pid: int) -> int | None:
    """Returns when the process was started, in clock ticks after boot; None if it has ended or is a zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def _session_members(leader: Process) -> Iterator[int]:
    """Yields the PIDs of the session that was started for a part."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        fields = _stat(int(entry.name))
        if fields is None or fields[0] in "ZX":
            continue
        if int(fields[3]) == leader.pid and int(fields[19]) >= leader.start_ticks:
            yield int(entry.name)


def _stat(pid: int) -> list[str] | None:
    """Returns the fields of /proc/<pid>/stat after the name: 0 is the state, 3 the session, 19 the start time."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
