"""AWS Batch on one machine: a runner that starts jobs as processes. The emulator does not start any."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

from local_stack import build, credentials, processes
from local_stack.settings import LOCAL, REGION, ROOT, VENV, Settings

PART = "batch"
DEFINITIONS = LOCAL / "batch"
# As template.yaml configures sweep if Stage is local.
QUEUE = "embed-jobs"
DEFINITION = "embed-drain"
# A copy, so that a build does not replace the file of a running job.
PROGRAM = LOCAL / "bin" / "embed-drain"


def up(settings: Settings) -> None:
    """Starts the runner unless it runs."""
    if processes.running(PART) is None:
        # Ends jobs that a runner left behind when it was killed.
        down()
        processes.require_free(PART, settings.batch_port, "STACK_BATCH_PORT")
        DEFINITIONS.mkdir(parents=True, exist_ok=True)
        server = ROOT / "scripts" / "local_stack" / "batch_server.py"
        command = [str(VENV / "bin" / "python"), str(server), "--port", str(settings.batch_port),
                   "--definitions", str(DEFINITIONS)]
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": os.environ.get("HOME", "/")}
        processes.start(PART, command, environment | {"LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"})
    processes.await_ready(PART, lambda: processes.accepts(settings.batch_port), 30)


def define(settings: Settings, built: Path, outputs: dict[str, str]) -> None:
    """Writes the job definition that template.yaml has for AWS; running jobs are not affected."""
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    partial = PROGRAM.with_suffix(".partial")
    shutil.copy2(built, partial)
    partial.replace(PROGRAM)
    arns = credentials.store(settings)
    definition = {
        "queue": QUEUE,
        "command": [str(PROGRAM)],
        "environment": {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LOG_LEVEL": settings.log_level,
            "STACK_NAME": settings.name,
            "STAGE": "local",
            "DATABASE_URL": credentials.without_password(settings.functions_database_url),
            **({"DATABASE_SECRET_ARN": arns["DatabaseSecret"]} if "DatabaseSecret" in arns else {}),
            "QDRANT_URL": settings.functions_qdrant_url,
            "STAGING_BUCKET": outputs["StagingBucketName"],
            "SCAN_QUEUE_URL": outputs["ScanQueueUrl"],
            "EMBED_QUEUE_URL": outputs["EmbedQueueUrl"],
            "NOTIFY_QUEUE_URL": outputs["NotifyQueueUrl"],
            "MODELS_DIR": str(build.PACKAGES / "embed" / "models"),
            "MODELS_URL": settings.models_url,
            "ORT_DYLIB_PATH": str(build.onnxruntime()),
            # Short, because an idle machine of one's own costs nothing and tests wait for the end of the job.
            "DRAIN_IDLE_SECONDS": "5",
            "AWS_ENDPOINT_URL": settings.functions_endpoint,
            "AWS_REGION": REGION,
            **settings.service_endpoints,
            **settings.functions_environment,
        },
        "role": {"arn": outputs["EmbedJobRoleArn"], "endpoint": settings.endpoint},
    }
    DEFINITIONS.mkdir(parents=True, exist_ok=True)
    path = DEFINITIONS / f"{DEFINITION}.json"
    fresh = path.with_suffix(".partial")
    fresh.write_text(json.dumps(definition, indent=2) + "\n")
    fresh.replace(path)


def down() -> bool:
    """Stops the runner, which terminates its jobs first; they return their messages to the queue."""
    return processes.stop(PART, signal.SIGTERM, 35)


def purge() -> None:
    shutil.rmtree(DEFINITIONS, ignore_errors=True)
