"""Long-running processes: started in a session of their own, known by PID file, stopped as a group."""

from __future__ import annotations

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
    """What the PID file remembers. The start time tells the process from a later one with its number."""

    pid: int
    start_ticks: int


def start(part: str, command: list[str], env: dict[str, str], user: str | None = None) -> None:
    """Starts `command` detached; its output goes to .local/logs/<part>.log."""
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
    """Arguments that make subprocess run something as `user` alone, without the caller's groups."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def running(part: str) -> int | None:
    """The PID of a part that this checkout started and that still runs."""
    recorded = _recorded(part)
    if recorded is None or _start_ticks(recorded.pid) != recorded.start_ticks:
        return None
    return recorded.pid


def stop(part: str, gently: signal.Signals, seconds: float) -> bool:
    """Stops a part and whatever it started, also what outlived a killed part. True if any was left."""
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
    """SIGKILL to the part's first process alone, as a crash would have it."""
    pid = running(part)
    if pid is None:
        raise StackError(f"{part} is not running")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: running(part) is None, 10)


def members(part: str) -> list[int]:
    """Living processes that the part has started, itself included."""
    recorded = _recorded(part)
    return [] if recorded is None else list(_session_members(recorded))


def await_ready(part: str, ready: Callable[[], bool], seconds: float) -> None:
    """Waits until `ready`; a part that exits instead is reported with its last log lines."""
    def settled() -> bool:
        return running(part) is None or ready()

    if wait_until(settled, seconds) and running(part) is not None:
        return
    what = "did not become ready in time" if running(part) else "exited while starting"
    raise StackError(f"{part} {what}; the end of .local/logs/{part}.log:\n{log_tail(part)}")


def log_tail(part: str, lines: int = 15) -> str:
    """The last lines of a part's log, indented for an error message."""
    path = LOGS / f"{part}.log"
    text = path.read_text(errors="replace") if path.exists() else ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Polls until `condition` holds; False when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def accepts(port: int) -> bool:
    """Whether somebody answers on 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def require_free(part: str, port: int, variable: str) -> None:
    """Refuses a port that another program holds: parts are never shared by accident.

    Waits a moment first: the threads of a killed process let go of its port one after the other.
    """
    if not wait_until(lambda: _can_bind(port), 2):
        raise StackError(f"port {port} for {part} is taken by another program; stop it or set {variable}")


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    return _start_ticks(pid) is not None


def working_in(folder: Path) -> list[int]:
    """Living processes whose working directory is `folder`."""
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
    """When the kernel started the process; None for one that is gone or a zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def _session_members(leader: Process) -> Iterator[int]:
    """Living processes of the session that the part was started in."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        fields = _stat(int(entry.name))
        if fields is None or fields[0] in "ZX":
            continue
        if int(fields[3]) == leader.pid and int(fields[19]) >= leader.start_ticks:
            yield int(entry.name)


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the state on: 0 state, 3 session, 19 start time."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
