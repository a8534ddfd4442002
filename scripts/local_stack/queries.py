"""scripts/prepare-queries: writes .sqlx/, the committed data by which queries are checked without a database."""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from command_line import run
from local_stack import postgres, processes, settings
from local_stack.settings import LOCAL, ROOT, Settings, StackError

PREPARED = ROOT / ".sqlx"
CRATE = ROOT / "shared" / "db"
MIGRATIONS = ROOT / "migrations"
DATABASE = "semantik_prepare"
# The command of scripts/check, which then finds everything compiled.
CHECKING = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]
# Only the crate of the queries: the rest need not compile while queries change.
WRITING = ["check", "--quiet", "--package", "db", "--all-targets"]
# Digest of the inputs of the last successful check.
CHECKED = LOCAL / "queries-checked"


def main() -> bool:
    parser = argparse.ArgumentParser(
        prog="scripts/prepare-queries",
        description="Compiles the queries of shared/db against a new database with all migrations, and writes "
                    "their types, as described by PostgreSQL, to .sqlx/.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if .sqlx/ is out of date")
    arguments = parser.parse_args()
    if arguments.check and CHECKED.exists() and CHECKED.read_text() == _inputs_digest():
        return True
    with tempfile.TemporaryDirectory() as fresh:
        _prepare(settings.load(), Path(fresh), CHECKING if arguments.check else WRITING)
        differing = _differences(Path(fresh))
        if arguments.check and differing:
            raise StackError(
                f".sqlx/ is out of date in {len(differing)} files; run scripts/prepare-queries and commit it")
        if not arguments.check:
            shutil.rmtree(PREPARED, ignore_errors=True)
            shutil.copytree(fresh, PREPARED)
            print(f"wrote .sqlx/: {len(list(PREPARED.iterdir()))} queries, {len(differing)} changed")
    CHECKED.write_text(_inputs_digest())
    return True


def _prepare(stack: Settings, output: Path, cargo_arguments: list[str]) -> None:
    """Compiles, so that the macros of sqlx describe every query."""
    started = processes.running(postgres.PART) is None and not stack.external_database_url
    if not stack.external_database_url:
        postgres.up(stack)
    server, _, _ = stack.database_url.rpartition("/")
    try:
        _psql(stack.database_url, "-c", f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)",
              "-c", f"CREATE DATABASE {DATABASE}")
        for migration in sorted(MIGRATIONS.glob("*.up.sql")):
            _psql(f"{server}/{DATABASE}", "--single-transaction", "-f", str(migration))
        # Makes cargo compile the crate again.
        (CRATE / "src" / "lib.rs").touch()
        described = subprocess.run(
            ["cargo", *cargo_arguments], cwd=ROOT,
            env=os.environ | {
                "SQLX_OFFLINE": "false", "SQLX_OFFLINE_DIR": str(output),
                "DATABASE_URL": f"{server}/{DATABASE}",
            },
        )
        if described.returncode != 0:
            raise StackError("the queries do not compile against the migrations")
        _psql(stack.database_url, "-c", f"DROP DATABASE {DATABASE} WITH (FORCE)")
    finally:
        if started:
            postgres.down()


def _psql(url: str, *arguments: str) -> None:
    command = [str(postgres.binary("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise StackError(done.stderr.strip() or f"psql failed with status {done.returncode}")


def _differences(fresh: Path) -> list[str]:
    """Returns the names of files that were added, removed or changed."""
    names = {path.name for folder in (fresh, PREPARED) if folder.exists() for path in folder.iterdir()}
    return sorted(
        name for name in names
        if not (fresh / name).exists() or not (PREPARED / name).exists()
        or not filecmp.cmp(fresh / name, PREPARED / name, shallow=False)
    )


def _inputs_digest() -> str:
    digest = hashlib.sha256()
    for folder in (CRATE, MIGRATIONS, PREPARED):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


if __name__ == "__main__":
    run("scripts/prepare-queries", main)
