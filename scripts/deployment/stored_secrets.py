"""The secrets of a deployment in Secrets Manager: created once, found again by every later run."""

from __future__ import annotations

import base64
import getpass
import json
import os
import secrets
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from command_line import CommandError
from deployment.account import Account, error_code
from deployment.config import Config
from deployment.template import Template

# Secret, parameter of the template, what it holds. In this order they are asked for.
PARAMETERS = {
    "database": ("DatabaseSecret", "the password of the database user"),
    "migration_database": ("MigrationDatabaseSecret", "the password of the user that migrates"),
    "qdrant": ("QdrantSecret", "Qdrant's API key"),
    "tokens": ("TokenSecret", "the keys that sign access tokens"),
    "connectors": ("ConnectorSecret", "the keys that encrypt the secrets of sources"),
    "administrator": ("AdministratorSecret", "the first administrator"),
}
# Written in the file instead of a name: the deployment has no such secret.
NONE = "none"
RECOVERY_DAYS = 7


class Values:
    """Values that only a person knows: from a file, the environment, or asked for without echo."""

    def __init__(self, given: Mapping[str, str], *, interactive: bool):
        self._given = given
        self._interactive = interactive
        self._asked: dict[str, str] = {}

    @classmethod
    def read(cls, source: str | None, *, interactive: bool) -> Values:
        """`source` is a file of mode 0600, or `-` for standard input: a JSON object."""
        given: dict[str, str] = {}
        if source is not None:
            try:
                given = dict(json.loads(_private_text(source)))
            except ValueError as error:
                raise CommandError(f"--secrets: not a JSON object: {error}") from error
            unknown = sorted(set(given) - set(KNOWN_VALUES))
            if unknown or not all(isinstance(value, str) for value in given.values()):
                raise CommandError(
                    f"--secrets: {', '.join(KNOWN_VALUES)} are allowed, as texts"
                    + (f", got {', '.join(unknown)}" if unknown else ""))
        return cls(given, interactive=interactive and source != "-")

    def get(self, name: str, prompt: str) -> str | None:
        """Returns a value; an empty one if the person has none; None if there is nobody to ask."""
        if name in self._given:
            return self._given[name]
        variable = f"SEMANTIK_{name.upper()}"
        if variable in os.environ:
            return os.environ[variable]
        if name not in self._asked and self._interactive:
            self._asked[name] = getpass.getpass(f"{prompt} (not shown): ")
        return self._asked.get(name)

    def require(self, name: str, prompt: str) -> str:
        value = self.get(name, prompt)
        if not value:
            raise CommandError(
                f"{prompt} is needed; set SEMANTIK_{name.upper()}, or give it by --secrets FILE (a JSON object with "
                f"{name!r}, mode 0600; - for standard input)")
        return value


KNOWN_VALUES = ("database_password", "qdrant_api_key", "administrator_password")


@dataclass
class Found:
    """The ARN of each secret by parameter; `missing` are those that a deployment would create."""

    arns: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    # Scheduled for deletion by a teardown.
    deleted: list[str] = field(default_factory=list)


class StoredSecrets:
    """The secrets that a configuration names, and those that scripts/deploy keeps for it."""

    def __init__(self, account: Account, config: Config, template: Template, values: Values):
        self._client = account.client("secretsmanager")
        self._account = account
        self._config = config
        self._template = template
        self._values = values

    def find(self) -> Found:
        """Looks up the secrets; creates nothing."""
        found = Found()
        for secret in self._wanted():
            parameter, _ = PARAMETERS[secret]
            arn = self._arn(secret, found)
            if arn is None:
                found.missing.append(secret)
                # Something of the right form, for a change set that is not executed.
                arn = (f"arn:{self._account.identity.partition}:secretsmanager:{self._account.region}:"
                       f"{self._account.identity.account}:secret:{self.name(secret)}-000000")
            found.arns[parameter] = arn
        return found

    def ensure(self, say: Callable[[str], None]) -> dict[str, str]:
        """Creates the missing secrets, and restores deleted ones; returns the ARN of each by parameter."""
        found = self.find()
        for name in found.deleted:
            self._client.restore_secret(SecretId=name)
            say(f"restored the secret {name}, which was scheduled for deletion")
        for secret in found.missing:
            content = self._content(secret)
            parameter, meaning = PARAMETERS[secret]
            if content is None:
                # An ARN that is empty: the deployment has no such secret.
                found.arns[parameter] = ""
                continue
            found.arns[parameter] = self._create(secret, content, meaning)
            say(f"created the secret {self.name(secret)}: {meaning}")
        return found.arns

    def read(self, secret: str) -> dict[str, Any] | None:
        """Returns the content of a secret; None if there is none or the caller may not read it."""
        if self._config.secrets.get(secret) == NONE:
            return None
        identifier = self._config.secrets.get(secret) or self.name(secret)
        try:
            text = self._client.get_secret_value(SecretId=identifier)["SecretString"]
        except ClientError as error:
            if error_code(error) in ("ResourceNotFoundException", "AccessDeniedException", "InvalidRequestException"):
                return None
            raise
        return dict(json.loads(text))

    def name(self, secret: str) -> str:
        return f"semantik/{self._config.stack}/{secret.replace('_', '-')}"

    def delete_created(self) -> list[str]:
        """Schedules the deletion of the secrets that scripts/deploy has created; returns their names."""
        deleted = self.created()
        for name in deleted:
            self._client.delete_secret(SecretId=name, RecoveryWindowInDays=RECOVERY_DAYS)
        return deleted

    def created(self) -> list[str]:
        """Returns the names of the secrets that scripts/deploy has created for the stack."""
        names = [self.name(secret) for secret in PARAMETERS if secret not in self._config.secrets]
        return [
            name for name in names
            if (description := self._describe(name)) is not None and not description.get("DeletedDate")]

    def _wanted(self) -> list[str]:
        """Returns the secrets that the template takes and the configuration does not exclude."""
        wanted = []
        for secret, (parameter, _) in PARAMETERS.items():
            named = self._config.secrets.get(secret)
            if parameter not in self._template.parameters or named == NONE:
                continue
            # Without one of its own, the migration connects with the secret of the functions.
            if secret == "migration_database" and named is None:
                continue
            iam = self._config.value(self._template, "DatabaseAuthentication") == "iam"
            if secret == "database" and named is None and iam:
                continue
            wanted.append(secret)
        return wanted

    def _arn(self, secret: str, found: Found) -> str | None:
        named = self._config.secrets.get(secret)
        description = self._describe(named or self.name(secret))
        if description is None:
            if named:
                raise CommandError(f"secrets.{secret}: there is no secret {named!r} in {self._account.region}")
            return None
        if description.get("DeletedDate"):
            if named:
                raise CommandError(f"secrets.{secret}: {named} is scheduled for deletion; restore it")
            found.deleted.append(self.name(secret))
        return str(description["ARN"])

    def _describe(self, identifier: str) -> dict[str, Any] | None:
        try:
            return dict(self._client.describe_secret(SecretId=identifier))
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise

    def _create(self, secret: str, content: dict[str, Any], meaning: str) -> str:
        key = self._config.value(self._template, "SecretsKmsKey")
        tags = {"semantik:stack": self._config.stack, **self._config.tags}
        created = self._client.create_secret(
            Name=self.name(secret), Description=f"Semantik, {self._config.stack}: {meaning}",
            SecretString=json.dumps(content), Tags=[{"Key": k, "Value": v} for k, v in tags.items()],
            **({"KmsKeyId": key} if key else {}))
        return str(created["ARN"])

    def _content(self, secret: str) -> dict[str, Any] | None:
        match secret:
            case "database":
                return {"password": self._values.require("database_password", "The password of the database user")}
            case "qdrant":
                key = self._values.get("qdrant_api_key", "Qdrant's API key, empty for none")
                if key is None:
                    raise CommandError(
                        "Qdrant's API key is needed; set SEMANTIK_QDRANT_API_KEY, give it by --secrets FILE, or write "
                        "qdrant = \"none\" in [secrets] if the server has none")
                return {"api_key": key} if key else None
            case "tokens":
                return {"jwt_secrets": [secrets.token_hex(32)]}
            case "connectors":
                return {"keys": [base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()]}
            case "administrator":
                given = self._values.get("administrator_password",
                                         "Password of the first administrator, empty for a generated one")
                return {**self._config.administrator, "password": given or secrets.token_urlsafe(24)}
        raise CommandError(f"secrets.{secret}: name an existing secret")


def _private_text(source: str) -> str:
    if source == "-":
        return sys.stdin.read()
    path = Path(source)
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise CommandError(f"--secrets: others may read {path}; run chmod 600 {path}")
        return path.read_text()
    except OSError as error:
        raise CommandError(f"--secrets: {error}") from error
