"""PostgreSQL's own programs on the database of DATABASE_URL."""

from __future__ import annotations

import csv
import io
import subprocess
from pathlib import Path

from local_stack import postgres
from semantik.command import variable
from semantik.errors import CommandError


def dump(destination: Path) -> None:
    """Everything as of one moment, in pg_dump's own compressed format."""
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={destination}")


def load(source: Path) -> None:
    """What `dump` wrote, in place of what is there: all of it or nothing."""
    _run(
        "pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction",
        "--exit-on-error", str(source), database="--dbname",
    )


def rows(statement: str) -> list[dict[str, str]]:
    """A query's rows by column name, as text."""
    output = _run("psql", "--no-psqlrc", "--csv", "--set=ON_ERROR_STOP=1", f"--command={statement}")
    return list(csv.DictReader(io.StringIO(output)))


def execute(statement: str) -> None:
    _run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--command={statement}")


def _run(program: str, *arguments: str, database: str = "--dbname") -> str:
    command = [str(postgres.binary(program)), f"{database}={variable('DATABASE_URL')}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise CommandError(f"{program}: {done.stderr.strip()[-500:]}")
    return done.stdout
