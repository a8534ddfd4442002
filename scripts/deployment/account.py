"""The AWS account that a deployment goes to: its clients, identity and endpoints."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from command_line import CommandError
from deployment.config import Config


@dataclass(frozen=True)
class Identity:
    account: str
    arn: str
    partition: str


class Account:
    """Clients of one region with the caller's credentials. AWS_ENDPOINT_URL chooses an emulator instead of AWS."""

    def __init__(self, config: Config):
        self.region = config.region
        self.endpoint = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
        try:
            self._session = boto3.Session(profile_name=config.profile or None, region_name=config.region)
        except BotoCoreError as error:
            raise CommandError(f"AWS profile: {error}") from error
        self._clients: dict[str, Any] = {}

    @property
    def is_emulator(self) -> bool:
        return bool(self.endpoint)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service, config=ClientConfig(retries={"mode": "standard", "max_attempts": 5}, read_timeout=120))
        return self._clients[service]

    @cached_property
    def identity(self) -> Identity:
        """Who calls. Raises if the credentials are missing or rejected."""
        try:
            answer = self.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise CommandError(
                f"AWS credentials: {error}; sign in with `aws sso login` or `aws configure`, or set profile") from error
        return Identity(answer["Account"], answer["Arn"], answer["Arn"].split(":")[1])

    def api_url(self, outputs: dict[str, str]) -> str:
        """Returns the base URL by which this machine reaches the API."""
        if self.is_emulator:
            return f"{self.endpoint}/_aws/execute-api/{outputs['ApiId']}/$default"
        return outputs["ApiUrl"]

    def template_url(self, bucket: str, key: str) -> str:
        if self.is_emulator:
            return f"{self.endpoint}/{bucket}/{key}"
        suffix = "amazonaws.com.cn" if self.identity.partition == "aws-cn" else "amazonaws.com"
        return f"https://{bucket}.s3.{self.region}.{suffix}/{key}"


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
