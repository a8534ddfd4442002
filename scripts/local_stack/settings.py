"""Where things lie, which ports they use, and the secrets of this checkout's stack."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
# What is built here, for every stack of this checkout.
BUILT = ROOT / ".local"
# A second model for the functions of a local stack, on disk: their packages would be too large for Lambda.
SMALL_MODELS = BUILT / "small-models"
TEST_MODELS = BUILT / "test-models"
MODELS_PREFIX = "models/"
# One stack's state and logs.
LOCAL = Path(os.environ.get("STACK_DIR") or BUILT).resolve()
VENV = ROOT / ".venv"
REMEMBERED = LOCAL / "stack.json"
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
    # Of the runner of AWS Batch jobs; 0 for none.
    batch_port: int
    # Servers that somebody else runs; then this stack starts none of its own.
    external_database_url: str
    external_qdrant_url: str
    directory_roots: str
    log_level: str
    # Of cargo's, for the functions: dev or release.
    profile: str
    # What the functions are told instead of a part's own port, where something stands between; 0 for nothing.
    functions_postgres_port: int
    functions_qdrant_port: int
    functions_emulator_port: int
    # More variables for every function, as JSON writes them.
    functions_environment: dict[str, str]

    @property
    def endpoint(self) -> str:
        """The emulator. An IP address, so that AWS's SDKs choose path-style bucket addresses."""
        return f"http://127.0.0.1:{self.emulator_port}"

    @property
    def batch_endpoint(self) -> str:
        return f"http://127.0.0.1:{self.batch_port}" if self.batch_port else ""

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
    def functions_database_url(self) -> str:
        return _through(self.database_url, self.postgres_port, self.functions_postgres_port)

    @property
    def functions_qdrant_url(self) -> str:
        return _through(self.qdrant_url, self.qdrant_port, self.functions_qdrant_port)

    @property
    def functions_endpoint(self) -> str:
        return _through(self.endpoint, self.emulator_port, self.functions_emulator_port)

    @property
    def qdrant_http_url(self) -> str:
        """Where Qdrant serves snapshots: by default the port before the gRPC port, as Qdrant has it."""
        return http_address(self.qdrant_url)

    @property
    def source_bucket(self) -> str:
        return f"{self.name}-sources"

    @property
    def models_bucket(self) -> str:
        return f"{self.name}-models"

    @property
    def models_url(self) -> str:
        """The second model is there: the packages hold the first one only."""
        return f"s3://{self.models_bucket}/{MODELS_PREFIX}"

    @property
    def deploy_bucket(self) -> str:
        return f"{self.name}-deploy"


def http_address(grpc_url: str) -> str:
    """The address of Qdrant's HTTP interface beside its gRPC interface."""
    address = urlsplit(grpc_url)
    return f"{address.scheme}://{address.hostname}:{(address.port or 6334) - 1}"


def load() -> Settings:
    """Reads the environment, then what the last `up` ran with; `scripts/stack --help` lists the variables."""
    remembered = json.loads(REMEMBERED.read_text()) if REMEMBERED.exists() else {}

    def text(variable: str, field: str, default: str) -> str:
        return os.environ.get(variable, remembered.get(field, default))

    def port(variable: str, field: str, default: int, none: bool = False) -> int:
        value = str(os.environ.get(variable, remembered.get(field, default)))
        if none and value == "0":
            return 0
        if not value.isdecimal() or not 1024 <= int(value) <= 65535:
            raise StackError(f"{variable} is {value!r}; give a port from 1024 to 65535")
        return int(value)

    name = text("STACK_NAME", "name", "semantik")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", name):
        raise StackError(f"STACK_NAME is {name!r}; give at most 20 of a-z, 0-9 and -, starting with a letter")
    profile = text("STACK_PROFILE", "profile", "dev")
    if profile not in ("dev", "release"):
        raise StackError(f"STACK_PROFILE is {profile!r}; give dev or release")
    return Settings(
        name=name,
        postgres_port=port("STACK_POSTGRES_PORT", "postgres_port", 55432),
        qdrant_port=port("STACK_QDRANT_PORT", "qdrant_port", 6334),
        emulator_port=port("STACK_EMULATOR_PORT", "emulator_port", 4566),
        batch_port=port("STACK_BATCH_PORT", "batch_port", 4568, none=True),
        external_database_url=text("STACK_DATABASE_URL", "external_database_url", ""),
        external_qdrant_url=text("STACK_QDRANT_URL", "external_qdrant_url", ""),
        directory_roots=text("STACK_DIRECTORY_ROOTS", "directory_roots", str(LOCAL / "sources")),
        log_level=text("STACK_LOG_LEVEL", "log_level", "info"),
        profile=profile,
        functions_postgres_port=remembered.get("functions_postgres_port", 0),
        functions_qdrant_port=remembered.get("functions_qdrant_port", 0),
        functions_emulator_port=remembered.get("functions_emulator_port", 0),
        functions_environment=remembered.get("functions_environment", {}),
    )


def _through(url: str, port: int, instead: int) -> str:
    """The same address at another port."""
    return url.replace(f":{port}", f":{instead}", 1) if instead else url


def remember(stack: Settings) -> None:
    """Makes later commands find the stack without the variables that `up` had."""
    REMEMBERED.touch(mode=0o600)
    REMEMBERED.write_text(json.dumps(asdict(stack), indent=2) + "\n")


def load_secrets() -> dict[str, str]:
    """The stack's own passwords and keys, each made on first use, readable by this user only."""
    path = LOCAL / "secrets.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    fresh = {
        "postgres_password": secrets.token_hex(16),
        "jwt_secret": secrets.token_hex(32),
        "connector_secrets_keys": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    if fresh.keys() <= known.keys():
        return known
    LOCAL.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(fresh | known))
    partial.replace(path)
    return fresh | known


def target_dir() -> Path:
    """Cargo's build folder, relative paths being relative to the checkout as cargo run there sees them."""
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
