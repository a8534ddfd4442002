"""LocalStack for S3 and SQS: the stack's queues and buckets in it, and a process that delivers its messages.

The free edition of LocalStack has neither HTTP APIs nor AWS Batch, and runs functions only with Docker. So the emulator
deploys template.yaml as ever and runs the functions, which reach S3 and SQS at LocalStack; its own queues stay empty.
LocalStack 4.14 refuses conditional deletions, so the functions reach its S3 by a proxy (localstack_s3.py).
"""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from typing import Any

from local_stack import emulator, processes
from local_stack.settings import REGION, ROOT, VENV, Settings, StackError

PART = "localstack"
# What a queue of LocalStack has in common with the one that CloudFormation made.
QUEUE_ATTRIBUTES = ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds",
                    "RedrivePolicy", "FifoQueue", "ContentBasedDeduplication")


def require(settings: Settings) -> None:
    """Raises unless LocalStack serves S3 and SQS."""
    url = settings.localstack_url
    if not re.fullmatch(r"http://127\.0\.0\.1:\d+", url):
        raise StackError(f"STACK_LOCALSTACK_URL: http://127.0.0.1:PORT is allowed, got {url!r}")
    try:
        with urllib.request.urlopen(f"{url}/_localstack/health", timeout=5) as answer:
            services: dict[str, str] = json.loads(answer.read())["services"]
    except (OSError, ValueError, KeyError) as error:
        raise StackError(
            f"STACK_LOCALSTACK_URL: {url} is unreachable ({error}); start LocalStack there, for example by"
            " docker compose -f infra/docker-compose.yml up -d --wait localstack") from error
    if not all(services.get(name) in ("available", "running") for name in ("s3", "sqs")):
        raise StackError(
            f"STACK_LOCALSTACK_URL: {url} does not serve S3 and SQS; start LocalStack with SERVICES=s3,sqs")


def client(settings: Settings, service: str) -> Any:
    """Returns a boto3 client of S3 or SQS, as the functions reach them."""
    if not settings.localstack_url:
        return emulator.client(settings, service)
    import boto3
    from botocore.config import Config

    return boto3.client(
        service, endpoint_url=settings.localstack_url, region_name=REGION,
        aws_access_key_id="test", aws_secret_access_key="test",
        # Every thread of the poller waits for messages.
        config=Config(retries={"max_attempts": 2}, read_timeout=60, max_pool_connections=100),
    )


def mirror(settings: Settings) -> None:
    """Creates the queues and buckets of the deployed stack in LocalStack, under the same names and ARNs."""
    for queue in sorted(_queues(settings), key=lambda queue: "RedrivePolicy" in queue["attributes"]):
        client(settings, "sqs").create_queue(QueueName=queue["name"], Attributes=queue["attributes"])
    for bucket in (*_resources(settings, "AWS::S3::Bucket"), settings.source_bucket, settings.models_bucket):
        _mirror_bucket(settings, bucket)


def _queues(settings: Settings) -> Iterator[dict[str, Any]]:
    sqs = emulator.client(settings, "sqs")
    for url in _resources(settings, "AWS::SQS::Queue"):
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        kept = {name: value for name, value in attributes.items() if name in QUEUE_ATTRIBUTES and value != "false"}
        yield {"name": url.rpartition("/")[2], "attributes": kept}


def _mirror_bucket(settings: Settings, bucket: str) -> None:
    from botocore.exceptions import ClientError

    source, target = emulator.client(settings, "s3"), client(settings, "s3")
    target.create_bucket(Bucket=bucket)
    events = source.get_bucket_notification_configuration(Bucket=bucket)
    events.pop("ResponseMetadata", None)
    target.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=events)
    try:
        rules = source.get_bucket_cors(Bucket=bucket)["CORSRules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchCORSConfiguration":
            raise
    else:
        target.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})


def _resources(settings: Settings, kind: str) -> list[str]:
    """Returns the physical ids of the stack's resources of a type."""
    paginator = emulator.client(settings, "cloudformation").get_paginator("list_stack_resources")
    return [
        resource["PhysicalResourceId"]
        for page in paginator.paginate(StackName=settings.name) for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == kind
    ]


def up(settings: Settings) -> None:
    """Starts the process that delivers LocalStack's messages to the functions, unless it runs."""
    if processes.running(PART) is None:
        processes.require_free(PART, settings.localstack_s3_port, "STACK_LOCALSTACK_S3_PORT")
        command = [str(VENV / "bin" / "python"), "-m", "local_stack.localstack_poller"]
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": os.environ.get("HOME", "/"),
                       "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT / "scripts"),
                       **{name: value for name, value in os.environ.items() if name.startswith("STACK_")}}
        processes.start(PART, command, environment)
    processes.await_ready(PART, lambda: processes.accepts(settings.localstack_s3_port), 30)


def down() -> bool:
    """Stops the process; messages in flight become visible again after their timeout."""
    return processes.stop(PART, signal.SIGTERM, 10)


def purge() -> None:
    """Deletes nothing: the data of LocalStack belongs to whoever started it."""
