"""scripts/deploy-drill: what scripts/deploy promises, with the real functions on an emulator."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from command_line import CommandError, run
from deployment.transcript import Transcript
from local_stack import build, emulator, postgres, qdrant, settings
from local_stack.settings import LOCAL, REGION, ROOT
from semantik.command import last_line

CHECKOUT = LOCAL / "checkout"
PACKAGES = LOCAL / "packages"
MIGRATE = PACKAGES / "migrate" / "bootstrap"
CONFIG = LOCAL / "production.toml"
STACK = "drill"
# After every migration that there will be.
MIGRATION = "29990101000000_drill_notes"
BROKEN_MIGRATION = "29990102000000_drill_broken"
CONFIGURATION = """\
stack = "{stack}"
region = "{region}"

[administrator]
email = "ada@example.org"

[parameters]
Stage = "local"
DatabaseUrl = "{database}"
QdrantUrl = "{qdrant}"

[secrets]
qdrant = "none"
"""


class Drill:
    """The parts that a deployment needs, and a copy of the checkout that the steps change."""

    def __init__(self, transcript: Transcript) -> None:
        ports = free_ports(4)
        self.transcript = transcript
        self.settings = replace(
            settings.load(), name=STACK, postgres_port=ports[0], qdrant_port=ports[1] + 1, emulator_port=ports[2],
            batch_port=0, external_database_url="", external_qdrant_url="")

    @contextlib.contextmanager
    def parts(self) -> Iterator[None]:
        """Runs PostgreSQL, Qdrant's engine and the emulator; removes them and their data at the end."""
        remove()
        LOCAL.mkdir(parents=True, exist_ok=True)
        try:
            build.models()
            binaries = build.binaries()
            settings.remember(self.settings)
            postgres.up(self.settings)
            qdrant.up(self.settings, binaries / "qdrant-local")
            emulator.up(self.settings)
            for function in build.FUNCTIONS:
                build.assemble(function, binaries / function, PACKAGES)
            self._copy_checkout()
            CONFIG.touch(mode=0o600)
            CONFIG.write_text(CONFIGURATION.format(
                stack=STACK, region=REGION, qdrant=self.settings.qdrant_url,
                database=f"postgres://semantik@127.0.0.1:{self.settings.postgres_port}/semantik"))
            yield
        finally:
            remove()

    def deploy(self, *arguments: str, status: int = 0, expected: str = "") -> str:
        """Runs scripts/deploy of the copy; raises unless it ends with this status and prints what is expected."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STACK_", "SEMANTIK_"))
        } | {
            "AWS_ENDPOINT_URL": self.settings.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "SEMANTIK_DATABASE_PASSWORD": settings.load_secrets()["postgres_password"],
            "SEMANTIK_ADMINISTRATOR_PASSWORD": "",
        }
        command = ["scripts/deploy", *arguments, "--config", str(CONFIG)]
        output, ended = self.transcript.run(command, CHECKOUT, environment)
        if ended != status:
            raise CommandError(f"{' '.join(command)} ended with status {ended}, expected {status}")
        if expected not in output:
            raise CommandError(f"{' '.join(command)} did not print {expected!r}")
        return output

    def up(self, *arguments: str, status: int = 0, expected: str = "") -> str:
        return self.deploy("--packages", str(PACKAGES), "--yes", *arguments, status=status, expected=expected)

    def commit(self, message: str) -> None:
        identity = ["-c", "user.name=drill", "-c", "user.email=drill@example.org"]
        command(["git", "add", "--all"])
        command(["git", *identity, "commit", "--quiet", "--message", message])

    def add_migration(self, name: str, up: str, down: str) -> None:
        """Adds a migration to the copy, and the migrate function that contains it to the packages."""
        (CHECKOUT / "migrations" / f"{name}.up.sql").write_text(up)
        (CHECKOUT / "migrations" / f"{name}.down.sql").write_text(down)
        self.commit(f"migrations: {name}")
        command(["cargo", "build", "--quiet", "--bin", "migrate"])
        build.assemble("migrate", settings.target_dir() / "debug" / "migrate", PACKAGES)

    def remove_migration(self, name: str, migrate: bytes) -> None:
        """Removes a migration; `migrate` is the function before it."""
        for path in (CHECKOUT / "migrations").glob(f"{name}.*"):
            path.unlink()
        self.commit(f"Revert {name}")
        MIGRATE.write_bytes(migrate)

    def query(self, statement: str) -> str:
        done = subprocess.run(
            [str(postgres.binary("psql")), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.settings.database_url,
             "-c", statement], capture_output=True, text=True)
        if done.returncode != 0:
            raise CommandError(done.stderr.strip())
        return done.stdout.strip()

    def _copy_checkout(self) -> None:
        """Copies what git knows or would add, with modification times, so that cargo builds only what differs."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
            stdout=subprocess.PIPE, text=True).stdout
        for name in listed.split("\0"):
            if name and (ROOT / name).is_file():
                (CHECKOUT / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, CHECKOUT / name)
        (CHECKOUT / ".venv").symlink_to(ROOT / ".venv")
        command(["git", "init", "--quiet"])
        self.commit("The checkout")


def main() -> bool:
    began = time.monotonic()
    transcript = Transcript(Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None, {
        str(PACKAGES): "target/lambda", str(CONFIG): "production.toml", str(LOCAL): ".local"})
    drill = Drill(transcript)
    with drill.parts():
        steps(drill)
    # The binary of the checkout, which that of the copy has replaced.
    command(["cargo", "build", "--quiet", "--bin", "migrate"], ROOT)
    transcript.write()
    last_line({"steps": transcript.seconds, "seconds": round(time.monotonic() - began, 1)})
    return True


def steps(drill: Drill) -> None:
    step = drill.transcript.step
    with step("From nothing", "A dry run shows what would be created and leaves nothing behind; then the deployment."):
        drill.up("--dry-run", expected="nothing was deployed")
        drill.up(expected="== done")
        drill.deploy("status", expected="running  version 1")
    with step("An upgrade with a migration", f"`{MIGRATION}` creates a table."):
        drill.add_migration(
            MIGRATION, "CREATE TABLE drill_notes (id BIGINT PRIMARY KEY);\n", "DROP TABLE drill_notes;\n")
        drill.up(expected="== done")
        require(drill.query("SELECT to_regclass('drill_notes') IS NOT NULL") == "t", "the migration was not applied")
    with step("A failed upgrade, rolled back by CloudFormation", f"`{BROKEN_MIGRATION}` divides by zero."):
        migrate = MIGRATE.read_bytes()
        drill.add_migration(BROKEN_MIGRATION, "SELECT 1 / 0;\n", "SELECT 1;\n")
        drill.up(status=1, expected="runs as before")
        drill.deploy("status", expected="running  version 2")
        drill.remove_migration(BROKEN_MIGRATION, migrate)
        drill.up(expected="nothing changes")
    with step("An upgrade that does not work, rolled back by command", "The search function of this version crashes."):
        bootstrap = PACKAGES / "search" / "bootstrap"
        bootstrap.unlink()
        bootstrap.write_text("#!/bin/sh\nexit 1\n")
        bootstrap.chmod(0o755)
        drill.up(status=1, expected="smoke test, search")
        drill.deploy("rollback", "--yes", expected="== done")
        require(drill.query("SELECT to_regclass('drill_notes') IS NOT NULL") == "t", "the rollback dropped a table")
    with step("A teardown", "The first keeps all data, the second erases what scripts/deploy created."):
        drill.deploy("teardown", "--yes", expected="deleted the stack")
        require(drill.query("SELECT count(*) FROM users") == "1", "the teardown lost the administrator")
        drill.deploy("teardown", "--erase-everything", "--yes", expected="erased")


def require(condition: bool, problem: str) -> None:
    if not condition:
        raise CommandError(problem)


def command(words: list[str], folder: Path = CHECKOUT) -> None:
    if subprocess.run(words, cwd=folder).returncode != 0:
        raise CommandError(f"{' '.join(words)} failed in {folder}")


def remove() -> None:
    """Stops all parts, also those of an earlier run that was killed, and deletes their data except logs."""
    for part in (emulator, qdrant, postgres):
        part.down()
        part.purge()
    for folder in (CHECKOUT, PACKAGES):
        shutil.rmtree(folder, ignore_errors=True)
    (LOCAL / "secrets.json").unlink(missing_ok=True)


def free_ports(count: int) -> list[int]:
    """Returns unused ports; the one above each is unused, too."""
    found: list[int] = []
    port = 23000
    while len(found) < count:
        if all(_is_free(port + offset) for offset in (0, 1)):
            found.append(port)
        port += 10
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    run("scripts/deploy-drill", main)
