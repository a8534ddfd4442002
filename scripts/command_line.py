"""How a command ends: its exit status, one line for an expected failure, and silence when its reader has gone."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + signal.SIGPIPE


class CommandError(Exception):
    """A failure that one line explains. Ends the command with exit status 1 and without a traceback."""


def run(name: str, main: Callable[[], bool], *, on_interrupt: str = "interrupted") -> NoReturn:
    """Runs `main` and ends the process: with 0 if it returns true, else with 1.

    SIGINT ends it with 130. If standard output is a pipe that its reader has closed, as `| head -1` does, the status
    is 141 and nothing is printed.
    """
    try:
        status = _status(name, main, on_interrupt)
        # Here, because the interpreter would print a traceback of its own at exit.
        sys.stdout.flush()
    except BrokenPipeError:
        if not _silence_closed_output():
            raise
        status = BROKEN_PIPE
    sys.exit(status)


def _status(name: str, main: Callable[[], bool], on_interrupt: str) -> int:
    try:
        return 0 if main() else 1
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        message = str(ended.code)
    except CommandError as error:
        message = f"{name}: {error}"
    except KeyboardInterrupt:
        print(f"\n{name}: {on_interrupt}", file=sys.stderr)
        return INTERRUPTED
    # Standard output first, so that the reason is the last line on a terminal.
    sys.stdout.flush()
    print(message, file=sys.stderr)
    return 1


def _silence_closed_output() -> bool:
    """Redirects standard output to nowhere if its reader has gone; returns whether it has.

    Distinguishes that from a closed socket, which is an error.
    """
    descriptor = sys.stdout.fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    return True
