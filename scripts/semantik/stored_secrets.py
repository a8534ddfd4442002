"""Passwords and keys of the servers, from the environment or from AWS Secrets Manager as the functions read them."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from command_line import CommandError
from semantik.command import variable


def database_url() -> str:
    """Returns DATABASE_URL with what the secret of DATABASE_SECRET_ARN has.

    That is the whole URL, or a password and perhaps user, host, port and name of the database.
    """
    arn = os.environ.get("DATABASE_SECRET_ARN")
    if not arn:
        return variable("DATABASE_URL")
    secret = _read(arn)
    if "url" in secret:
        return str(secret["url"])
    if "password" not in secret:
        raise CommandError(f"the secret {arn} has neither url nor password")
    parts = urlsplit(variable("DATABASE_URL"))
    user, host = parts.netloc.rpartition("@")[0].partition(":")[0], parts.netloc.rpartition("@")[2]
    user = quote(secret["username"], safe="") if "username" in secret else user
    if "host" in secret:
        host = f"{secret['host']}:{secret.get('port', 5432)}"
    path = f"/{quote(secret['dbname'], safe='')}" if "dbname" in secret else parts.path
    return parts._replace(netloc=f"{user}:{quote(secret['password'], safe='')}@{host}", path=path).geturl()


def qdrant_api_key() -> str | None:
    """Returns QDRANT_API_KEY, or the key in the secret of QDRANT_SECRET_ARN; None if there is neither."""
    arn = os.environ.get("QDRANT_SECRET_ARN")
    key = _read(arn).get("api_key") if arn else os.environ.get("QDRANT_API_KEY")
    return key or None


def without_password(url: str) -> tuple[str, str | None]:
    """Splits the password off the URL of a database: other users of the machine see the arguments of programs."""
    parts = urlsplit(url)
    user, has_user, hosts = parts.netloc.rpartition("@")
    name, has_password, password = user.partition(":")
    return parts._replace(netloc=f"{name}{has_user}{hosts}").geturl(), unquote(password) if has_password else None


@cache
def _read(arn: str) -> dict[str, Any]:
    import boto3

    # boto3 uses AWS_ENDPOINT_URL if it is set.
    text = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    secret = json.loads(text)
    if not isinstance(secret, dict):
        raise CommandError(f"the secret {arn} must be a JSON object")
    return secret
