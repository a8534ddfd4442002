"""A second local stack, on free ports, for what must not disturb the first one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from command_line import CommandError
from semantik.command import ROOT

STACK = ROOT / "scripts" / "stack"


def second_stack(folder: Path, name: str) -> dict[str, str]:
    """Returns the environment of a second stack: another folder, other ports, another name."""
    others = ("AWS_", "STACK_", "QDRANT_", "DATABASE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    postgres, qdrant_http, emulator, batch = free_ports()
    return kept | {
        "STACK_DIR": str(folder / "stack"),
        "STACK_NAME": name,
        "STACK_POSTGRES_PORT": str(postgres),
        "STACK_QDRANT_PORT": str(qdrant_http + 1),
        "STACK_EMULATOR_PORT": str(emulator),
        "STACK_BATCH_PORT": str(batch),
    }


def variables(environment: dict[str, str]) -> dict[str, str]:
    """Returns the variables by which commands reach the stack with this environment."""
    return _after('eval "$("$2" env)"', STACK, environment)


def sourced(file: Path) -> dict[str, str]:
    """Returns the environment after a file of shell assignments, exported or not."""
    return _after('source "$2"', file, dict(os.environ))


def _after(statement: str, argument: Path, environment: dict[str, str]) -> dict[str, str]:
    """Returns the environment after a shell statement about `$2`."""
    print_environment = "import json, os; print(json.dumps(dict(os.environ)))"
    script = f'set -ae; {statement}; exec "$0" -c "$1"'
    python = ROOT / ".venv" / "bin" / "python"
    output = command(["bash", "-c", script, python, print_environment, argument], environment, quiet=True)
    exported: dict[str, str] = json.loads(output)
    return exported


def free_ports() -> tuple[int, int, int, int]:
    """Returns unused ports; the port above the second one is unused, too."""
    found: list[int] = []
    for port in range(21000, 32000, 10):
        if len(found) == 4:
            break
        if all(is_free(port + offset) for offset in (0, 1)):
            found.append(port)
    return found[0], found[1], found[2], found[3]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def command(words: list[Any], environment: Any, quiet: bool = False) -> str:
    """Runs a command and returns its output; also prints it unless `quiet`."""
    done = subprocess.run([str(word) for word in words], env=dict(environment), stdout=subprocess.PIPE, text=True)
    if not quiet:
        print("".join(f"  {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
    if done.returncode != 0:
        raise CommandError(f"{words[0]} failed with status {done.returncode}")
    return done.stdout
