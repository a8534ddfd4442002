"""How a command starts and ends: the stack's variables, one clear line on failure, JSON as the last line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from semantik.errors import CommandError

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"


def variable(name: str) -> str:
    """One of the variables that `scripts/stack env` prints."""
    value = os.environ.get(name)
    if not value:
        raise CommandError(f"{name} is not set; run this through its script, or eval \"$(scripts/stack env)\"")
    return value


def run(name: str, main: Callable[[], bool]) -> None:
    """Ends the process: 0 when `main` says that all is well, 1 when not."""
    try:
        sys.exit(0 if main() else 1)
    except CommandError as error:
        # Standard output first, so that the reason is the last thing on a shared terminal.
        sys.stdout.flush()
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; the stack is still up, and what was handed in is still being indexed", file=sys.stderr)
        sys.exit(130)


def heading(text: str) -> None:
    print(f"\n== {text}", flush=True)


def last_line(result: dict[str, Any]) -> None:
    print(json.dumps(result, ensure_ascii=False), flush=True)
