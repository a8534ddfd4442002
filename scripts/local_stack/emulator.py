"""The AWS emulator, MiniStack: S3, SQS, Lambda, API Gateway, EventBridge, IAM and CloudFormation on one port."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
from typing import Any

from local_stack import processes
from local_stack.settings import LOCAL, REGION, ROOT, VENV, Settings, StackError

PART = "emulator"
STATE = LOCAL / "emulator"


def up(settings: Settings) -> None:
    """Starts the emulator unless it runs; its functions start on demand."""
    if processes.running(PART) is None:
        # Ends functions that an emulator left behind when it was killed.
        down()
        processes.require_free(PART, settings.emulator_port, "STACK_EMULATOR_PORT")
        # Packages that an earlier emulator unpacked. A new one unpacks them again.
        shutil.rmtree(STATE / "tmp", ignore_errors=True)
        for folder in ("state", "s3", "tmp"):
            (STATE / folder).mkdir(parents=True, exist_ok=True)
        command = [str(VENV / "bin" / "python"), "-m", "local_stack.emulator_server"]
        processes.start(PART, command, _environment(settings) | {"PYTHONPATH": str(ROOT / "scripts")})
    processes.await_ready(PART, lambda: _ready(settings), 60)


def down() -> bool:
    """Stops the emulator, which writes its state and ends its functions first."""
    return processes.stop(PART, signal.SIGTERM, 30)


def purge() -> None:
    shutil.rmtree(STATE, ignore_errors=True)


def client(settings: Settings, service: str) -> Any:
    """Returns a boto3 client with the rights of the account owner."""
    import boto3
    from botocore.config import Config

    if processes.running(PART) is None:
        raise StackError("the emulator is not running; run scripts/stack up")

    return boto3.client(
        service, endpoint_url=settings.endpoint, region_name=REGION,
        aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 2}, read_timeout=400),
    )


def checkpoint(settings: Settings) -> None:
    """Makes the emulator write its state to disk, so that a kill cannot lose the deployment."""
    status, body = _request(settings, "POST", "/_stack/checkpoint", 60)
    if status != 204:
        raise StackError(f"the emulator could not write its state (HTTP {status}): {body[:200]!r}")


def api_url(settings: Settings, api_id: str) -> str:
    """Returns the base URL of the deployed HTTP API."""
    return f"{settings.endpoint}/_aws/execute-api/{api_id}/$default"


def _environment(settings: Settings) -> dict[str, str]:
    # Functions inherit these variables. None of the caller's AWS_ variables is among them: no call of the emulator
    # or of a function may reach AWS.
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": os.environ.get("HOME", "/"),
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(STATE / "tmp"),
        "AWS_ENDPOINT_URL": settings.functions_endpoint,
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "GATEWAY_PORT": str(settings.emulator_port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # LocalStack accepts presigned URLs of its own test credentials only, which functions have without roles.
        "AUTH": "false" if settings.localstack_url else "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(STATE / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(STATE / "s3"),
        **({"AWS_ENDPOINT_URL_BATCH": settings.batch_endpoint} if settings.batch_port else {}),
        **settings.service_endpoints,
        **settings.functions_environment,
    }


def _ready(settings: Settings) -> bool:
    try:
        status, body = _request(settings, "GET", "/_ministack/health", 2)
    except OSError:
        return False
    return status == 200 and bool(json.loads(body))


def _request(settings: Settings, method: str, path: str, seconds: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", settings.emulator_port, timeout=seconds)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
