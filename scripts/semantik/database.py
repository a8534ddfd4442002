"""Runs the programs of PostgreSQL on the database of DATABASE_URL."""

from __future__ import annotations

import csv
import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from command_line import CommandError
from local_stack import postgres
from semantik.command import variable


def dump(destination: Path) -> None:
    """Writes the database as of one moment, in pg_dump's custom format."""
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={destination}")


def load(source: Path) -> None:
    """Replaces the database by a dump, in one transaction."""
    _run(
        "pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction",
        "--exit-on-error", str(source), database="--dbname",
    )


def rows(statement: str) -> list[dict[str, str]]:
    """Returns the rows of a query as text by column name."""
    output = _run("psql", "--no-psqlrc", "--csv", "--set=ON_ERROR_STOP=1", f"--command={statement}")
    return list(csv.DictReader(io.StringIO(output)))


def execute(statement: str) -> None:
    _run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--command={statement}")


# The advisory lock that sweep shares while it erases; see `db::documents::Erasures::try_begin`.
ERASURE_LOCK = 20261130000504


@contextmanager
def without_erasures() -> Iterator[None]:
    """Keeps sweep from erasing staged objects meanwhile: those that a dump refers to must be there to be copied."""
    command = [
        str(postgres.binary("psql")), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
        f"--dbname={variable('DATABASE_URL')}",
    ]
    with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as session:
        assert session.stdin is not None and session.stdout is not None and session.stderr is not None
        session.stdin.write(f"SELECT 'locked' FROM (SELECT pg_advisory_lock({ERASURE_LOCK})) AS lock;\n")
        session.stdin.flush()
        if session.stdout.readline().strip() != "locked":
            raise CommandError(f"psql failed: {session.stderr.read().strip()[-500:]}")
        try:
            yield
        finally:
            # The lock ends with the session.
            session.stdin.close()
            session.wait()


def _run(program: str, *arguments: str, database: str = "--dbname") -> str:
    command = [str(postgres.binary(program)), f"{database}={variable('DATABASE_URL')}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise CommandError(f"{program} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
