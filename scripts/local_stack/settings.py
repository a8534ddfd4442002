"""Where things lie, which ports they use, and the secrets of this checkout's stack."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
VENV = ROOT / ".venv"
REGION = "us-east-1"
ACCOUNT = "000000000000"


class StackError(Exception):
    """A failure that one line explains; printed without a traceback."""


@dataclass(frozen=True)
class Settings:
    """The stack of this checkout. Ports and name come from the environment, or are fixed."""

    name: str
    postgres_port: int
    qdrant_port: int
    emulator_port: int
    # Servers that somebody else runs; then this stack starts none of its own.
    external_database_url: str
    external_qdrant_url: str
    directory_roots: str
    log_level: str

    @property
    def endpoint(self) -> str:
        """The emulator. An IP address, so that AWS's SDKs choose path-style bucket addresses."""
        return f"http://127.0.0.1:{self.emulator_port}"

    @property
    def database_url(self) -> str:
        if self.external_database_url:
            return self.external_database_url
        password = load_secrets()["postgres_password"]
        return f"postgres://semantik:{password}@127.0.0.1:{self.postgres_port}/semantik"

    @property
    def qdrant_url(self) -> str:
        return self.external_qdrant_url or f"http://127.0.0.1:{self.qdrant_port}"

    @property
    def source_bucket(self) -> str:
        return f"{self.name}-sources"

    @property
    def deploy_bucket(self) -> str:
        return f"{self.name}-deploy"


def load() -> Settings:
    """Reads the environment; `scripts/stack --help` lists the variables."""
    return Settings(
        name=os.environ.get("STACK_NAME", "semantik"),
        postgres_port=_port("STACK_POSTGRES_PORT", 55432),
        qdrant_port=_port("STACK_QDRANT_PORT", 6334),
        emulator_port=_port("STACK_EMULATOR_PORT", 4566),
        external_database_url=os.environ.get("STACK_DATABASE_URL", ""),
        external_qdrant_url=os.environ.get("STACK_QDRANT_URL", ""),
        directory_roots=os.environ.get("STACK_DIRECTORY_ROOTS", str(LOCAL / "sources")),
        log_level=os.environ.get("STACK_LOG_LEVEL", "info"),
    )


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise StackError(f"{variable} is {text!r}; give a port from 1024 to 65535")
    return int(text)


def load_secrets() -> dict[str, str]:
    """The stack's own passwords, made on first use and readable by this user only."""
    path = LOCAL / "secrets.json"
    if not path.exists():
        LOCAL.mkdir(exist_ok=True)
        fresh = {"postgres_password": secrets.token_hex(16), "jwt_secret": secrets.token_hex(32)}
        partial = path.with_suffix(f".{os.getpid()}")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(fresh))
        partial.replace(path)
    return json.loads(path.read_text())


def target_dir() -> Path:
    """Cargo's build folder, relative paths being relative to the checkout as cargo run there sees them."""
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
