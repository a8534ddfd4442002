"""Configuration of a local stack: folders, ports, external servers, and generated secrets."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from command_line import CommandError

ROOT = Path(__file__).resolve().parents[2]
# Build outputs, shared by every stack of this checkout.
BUILT = ROOT / ".local"
# A second model, which a local stack reads from S3: with both in one package, it would exceed the limit of Lambda.
SMALL_MODELS = BUILT / "small-models"
TEST_MODELS = BUILT / "test-models"
# The cross-encoder of a local stack, which counts words that query and passage share; in the bucket, too.
RERANKER = TEST_MODELS / "word-overlap"
MODELS_PREFIX = "models/"
# State and logs of one stack.
LOCAL = Path(os.environ.get("STACK_DIR") or BUILT).resolve()
VENV = ROOT / ".venv"
REMEMBERED = LOCAL / "stack.json"
REGION = "us-east-1"
ACCOUNT = "000000000000"


class StackError(CommandError):
    """A failure of the local stack."""


@dataclass(frozen=True)
class Settings:
    """Settings of one stack, from the environment or from its last `up`."""

    name: str
    postgres_port: int
    qdrant_port: int
    emulator_port: int
    # Port of the AWS Batch runner; 0 for none.
    batch_port: int
    # Servers that run elsewhere. If set, the stack does not start its own.
    external_database_url: str
    external_qdrant_url: str
    # LocalStack for S3 and SQS; empty if the emulator serves them.
    localstack_url: str
    # Port of the proxy in front of its S3.
    localstack_s3_port: int
    directory_roots: str
    egress_allow: str
    log_level: str
    # Cargo profile of the functions: dev or release.
    profile: str
    # Ports of proxies in front of the parts, which the functions use instead; 0 for none.
    functions_postgres_port: int
    functions_qdrant_port: int
    functions_emulator_port: int
    # Additional environment variables of every function.
    functions_environment: dict[str, str]

    @property
    def endpoint(self) -> str:
        """The URL of the emulator. An IP address makes the AWS SDKs use path-style bucket URLs."""
        return f"http://127.0.0.1:{self.emulator_port}"

    @property
    def batch_endpoint(self) -> str:
        return f"http://127.0.0.1:{self.batch_port}" if self.batch_port else ""

    @property
    def service_endpoints(self) -> dict[str, str]:
        """The variables by which the AWS SDKs find services that the emulator does not serve."""
        if not self.localstack_url:
            return {}
        s3 = f"http://127.0.0.1:{self.localstack_s3_port}"
        return {"AWS_ENDPOINT_URL_S3": s3, "AWS_ENDPOINT_URL_SQS": self.localstack_url}

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
        """The URL of Qdrant's HTTP interface, which serves snapshots."""
        return http_address(self.qdrant_url)

    @property
    def source_bucket(self) -> str:
        return f"{self.name}-sources"

    @property
    def models_bucket(self) -> str:
        return f"{self.name}-models"

    @property
    def models_url(self) -> str:
        """The prefix that holds the second model; packages contain the first one only."""
        return f"s3://{self.models_bucket}/{MODELS_PREFIX}"

    @property
    def deploy_bucket(self) -> str:
        return f"{self.name}-deploy"


def http_address(grpc_url: str) -> str:
    """Returns the URL of Qdrant's HTTP interface: by default, one port below its gRPC interface."""
    address = urlsplit(grpc_url)
    return f"{address.scheme}://{address.hostname}:{(address.port or 6334) - 1}"


# Variable, field of Settings, and default.
VARIABLES: tuple[tuple[str, str, str | int], ...] = (
    ("STACK_NAME", "name", "semantik"),
    ("STACK_POSTGRES_PORT", "postgres_port", 55432),
    ("STACK_QDRANT_PORT", "qdrant_port", 6334),
    ("STACK_EMULATOR_PORT", "emulator_port", 4566),
    ("STACK_BATCH_PORT", "batch_port", 4568),
    ("STACK_DATABASE_URL", "external_database_url", ""),
    ("STACK_QDRANT_URL", "external_qdrant_url", ""),
    ("STACK_LOCALSTACK_URL", "localstack_url", ""),
    ("STACK_LOCALSTACK_S3_PORT", "localstack_s3_port", 4569),
    ("STACK_DIRECTORY_ROOTS", "directory_roots", str(LOCAL / "sources")),
    ("STACK_EGRESS_ALLOW", "egress_allow", "127.0.0.1"),
    ("STACK_LOG_LEVEL", "log_level", "info"),
    ("STACK_PROFILE", "profile", "dev"),
)


def load() -> Settings:
    """Reads the environment, then the settings of the last `up`; `scripts/stack --help` lists the variables."""
    last = _last_up()
    values: dict[str, Any] = {}
    for variable, field, default in VARIABLES:
        # A variable that is set to nothing chooses the default.
        values[field] = (os.environ[variable] or default) if variable in os.environ else last.get(field, default)
    for variable, field, default in VARIABLES:
        if isinstance(default, int):
            values[field] = _port(variable, str(values[field]), or_none=field == "batch_port")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", values["name"]):
        raise StackError(
            f"STACK_NAME: up to 20 of a-z, 0-9 and -, starting with a letter, are allowed, got {values['name']!r}")
    if values["profile"] not in ("dev", "release"):
        raise StackError(f"STACK_PROFILE: dev and release are allowed, got {values['profile']!r}")
    return Settings(
        **values,
        functions_postgres_port=last.get("functions_postgres_port", 0),
        functions_qdrant_port=last.get("functions_qdrant_port", 0),
        functions_emulator_port=last.get("functions_emulator_port", 0),
        functions_environment=last.get("functions_environment", {}),
    )


def remembered() -> dict[str, str]:
    """Returns the variables that are not set now and keep a value other than their default from the last `up`."""
    last = _last_up()
    return {
        variable: without_password(str(last[field])) for variable, field, default in VARIABLES
        if variable not in os.environ and last.get(field, default) != default
    }


def without_password(url: str) -> str:
    """Replaces the password of a URL, so that it can be printed."""
    return re.sub(r"(://[^:/@]*):[^/]*@", r"\1:***@", url)


def _port(variable: str, value: str, or_none: bool) -> int:
    if or_none and value == "0":
        return 0
    if not value.isdecimal() or not 1024 <= int(value) <= 65535:
        raise StackError(f"{variable}: a port from 1024 to 65535 is required, got {value!r}")
    return int(value)


def _last_up() -> dict[str, Any]:
    return dict(json.loads(REMEMBERED.read_text())) if REMEMBERED.exists() else {}


def _through(url: str, port: int, instead: int) -> str:
    """Replaces the port of a URL, unless the replacement is 0."""
    return url.replace(f":{port}", f":{instead}", 1) if instead else url


def last_localstack_url() -> str | None:
    """Returns the URL of LocalStack of the last `up`, empty if it used none; None before the first one."""
    last = _last_up()
    return str(last.get("localstack_url", "")) if last else None


def remember(stack: Settings) -> None:
    """Saves the settings of `up`, so that later commands need no variables to find the stack."""
    REMEMBERED.touch(mode=0o600)
    REMEMBERED.write_text(json.dumps(asdict(stack), indent=2) + "\n")


def load_secrets() -> dict[str, str]:
    """Returns the generated passwords and keys of this stack; creates missing ones in a file of mode 0600."""
    path = LOCAL / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    fresh = {
        "postgres_password": secrets.token_hex(16),
        "jwt_secret": secrets.token_hex(32),
        "administrator_password": secrets.token_urlsafe(24),
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
    """Returns cargo's build folder; a relative path is relative to the checkout."""
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
