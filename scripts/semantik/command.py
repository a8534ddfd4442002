"""What commands that use a running stack share: its variables, headings, and JSON as the last line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import command_line
from command_line import CommandError

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"


def variable(name: str) -> str:
    """Returns one of the variables that `scripts/stack env` prints."""
    value = os.environ.get(name)
    if not value:
        raise CommandError(f"{name} is not set; start this through its script, or eval \"$(scripts/stack env)\"")
    return value


def run(name: str, main: Callable[[], bool]) -> NoReturn:
    """Runs `main` and ends the process with its result; see command_line.run."""
    command_line.run(name, main, on_interrupt="interrupted; the stack is still running, and so are queued operations")


def heading(text: str) -> None:
    print(f"\n== {text}", flush=True)


def last_line(result: dict[str, Any]) -> None:
    print(json.dumps(result, ensure_ascii=False), flush=True)
