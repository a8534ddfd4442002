"""Runs the programs of PostgreSQL on the database of DATABASE_URL, with the password in their environment."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from command_line import CommandError
from local_stack import postgres
from semantik.stored_secrets import database_url, without_password

BUFFER_BYTES = 1 << 20


class Dump:
    """The output of pg_dump, read like a file. Raises CommandError at its end if pg_dump has failed."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]):
        assert process.stdout is not None
        self._process, self._output, self._errors = process, process.stdout, errors

    def read(self, size: int = -1) -> bytes:
        part = self._output.read(size)
        if not part and size != 0 and self._process.wait() != 0:
            raise CommandError(f"pg_dump failed: {_end_of(self._errors)}")
        return part


@contextmanager
def dump() -> Iterator[Dump]:
    """Yields the database as of one moment, in pg_dump's custom format."""
    command, environment = _command("pg_dump", "--format=custom", "--no-owner", "--no-privileges")
    with tempfile.TemporaryFile() as errors, subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors) as process:
        try:
            yield Dump(process, errors)
        except BaseException:
            process.kill()
            raise


def load(source: IO[bytes]) -> None:
    """Replaces the database by a dump, in one transaction."""
    command, environment = _command(
        "pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction",
        "--exit-on-error")
    with tempfile.TemporaryFile() as errors, subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stderr=errors) as process:
        assert process.stdin is not None
        try:
            while part := source.read(BUFFER_BYTES):
                process.stdin.write(part)
            process.stdin.close()
        except BrokenPipeError:
            # pg_restore ended early; its status says why.
            pass
        except BaseException:
            # Before the end of the dump nothing is committed.
            process.kill()
            raise
        if process.wait() != 0:
            raise CommandError(f"pg_restore failed: {_end_of(errors)}")


def rows(statement: str) -> list[dict[str, str]]:
    """Returns the rows of a query as text by column name."""
    output = _psql("--csv", f"--command={statement}")
    return list(csv.DictReader(io.StringIO(output)))


def execute(statement: str) -> None:
    _psql("--quiet", f"--command={statement}")


# The advisory lock that sweep shares while it erases; see `db::documents::Erasures::try_begin`.
ERASURE_LOCK = 20261130000504


@contextmanager
def without_erasures() -> Iterator[None]:
    """Keeps sweep from erasing staged objects meanwhile: those that a dump refers to must be there to be copied.

    Waits for other backups of the database.
    """
    command, environment = _command(
        "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
    with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True) as session:
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


def _psql(*arguments: str) -> str:
    command, environment = _command("psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", *arguments)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise CommandError(f"psql failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def _command(program: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Returns a command and its environment."""
    url, password = without_password(database_url())
    environment = dict(os.environ) | ({} if password is None else {"PGPASSWORD": password})
    return [str(postgres.binary(program)), f"--dbname={url}", *arguments], environment


def _end_of(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode(errors="replace").strip()[-500:]
