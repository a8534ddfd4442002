"""What is checked before anything is created: the account, its quotas, names, the database and Qdrant."""

from __future__ import annotations

import functools
import platform

from botocore.exceptions import BotoCoreError, ClientError

from deployment import connections, database_check, qdrant_check
from deployment.account import Account, error_code
from deployment.bucket import DeploymentBucket
from deployment.config import Config
from deployment.database_check import Target
from deployment.report import Report
from deployment.stored_secrets import NONE, StoredSecrets, Values
from deployment.template import Template
from local_stack.release import NEWEST_GLIBC

NAMES = ("account", "database", "qdrant", "quotas", "names", "build")


class Checks:
    """The checks of one configuration."""

    def __init__(
        self, config: Config, template: Template, account: Account, secrets: StoredSecrets, values: Values,
        report: Report,
    ):
        self.config = config
        self.template = template
        self.account = account
        self.secrets = secrets
        self.values = values
        self.report = report

    def run(self, skipped: frozenset[str] = frozenset()) -> None:
        """Runs all checks but those that the caller skips. The account comes first, because all others need it."""
        self._account()
        for name in NAMES[1:]:
            if name in skipped:
                self.report.skipped(name, "by --skip-check")
            else:
                getattr(self, f"_{name}")()

    def _account(self) -> None:
        identity = self.account.identity
        where = f" at {self.account.endpoint}" if self.account.is_emulator else ""
        self.report.ok("account", f"{identity.account} in {self.account.region}{where}, as {identity.arn}")
        self.report.skipped("permissions", "cannot be tested; the deployment needs those that docs/deployment.md lists")

    @functools.cached_property
    def _users(self) -> list[connections.Users]:
        return connections.users(self.template, lambda name: self.config.value(self.template, name))

    def _database(self) -> None:
        url = self.config.value(self.template, "DatabaseUrl")
        if not url:
            return
        target, password = self._database_login(Target.of(url))
        if password is None:
            self.report.skipped("database", f"{target.place}: its password is not known here; it will be asked for")
            return
        needed = connections.connections(self._users)
        database_check.check(self.report, target, password, needed, private=self._is_private)

    def _database_login(self, target: Target) -> tuple[Target, str | None]:
        """Returns where to connect and the password, as the functions find them; None if it is not known here."""
        if self.config.value(self.template, "DatabaseAuthentication") == "iam":
            token: str = self.account.client("rds").generate_db_auth_token(
                DBHostname=target.host, Port=target.port, DBUsername=target.user)
            return target, token
        if (stored := self.secrets.read("database")) is not None:
            return target.with_secret(stored)
        return target, self.values.get("database_password", f"The password of {target.user} at {target.host}")

    def _qdrant(self) -> None:
        url = self.config.value(self.template, "QdrantUrl")
        if not url:
            return
        stored = self.secrets.read("qdrant")
        key = stored.get("api_key") if stored is not None else None
        if key is None and self.config.secrets.get("qdrant") != NONE:
            key = self.values.get("qdrant_api_key", f"The API key of {url}, empty for none")
        qdrant_check.check(self.report, url, key or "", private=self._is_private)

    @property
    def _is_private(self) -> bool:
        return bool(self.config.parameters.get("SubnetIds"))

    def _quotas(self) -> None:
        try:
            limits = self.account.client("lambda").get_account_settings()["AccountLimit"]
        except (BotoCoreError, ClientError) as error:
            self.report.warning("Lambda concurrency", f"unknown: {error}")
            return
        total, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
        needed = connections.instances(self._users)
        detail = f"{free} of {total} instances unreserved, {needed} needed at most"
        if free < needed:
            self.report.failed(
                "Lambda concurrency",
                f"{detail}; request more \"Concurrent executions\" in Service Quotas (new accounts start with 10), or "
                "choose a smaller Throughput")
        else:
            self.report.ok("Lambda concurrency", detail)

    def _names(self) -> None:
        bucket = DeploymentBucket(self.account, self.config)
        s3 = self.account.client("s3")
        for name, what in ((bucket.name, "deployment bucket"),
                           (self.config.parameters.get("ModelsBucket", ""), "ModelsBucket"),
                           (self.config.parameters.get("SourceBucket", ""), "SourceBucket")):
            if not name:
                continue
            try:
                s3.head_bucket(Bucket=name)
            except ClientError as error:
                code = error_code(error)
                if code in ("404", "NoSuchBucket", "NotFound"):
                    if what == "deployment bucket":
                        self.report.ok(what, f"{name} will be created")
                    else:
                        self.report.failed(what, f"{name} does not exist; create it or remove the parameter")
                elif code == "403":
                    self.report.failed(
                        what, f"{name} belongs to somebody else or you may not use it; choose another name")
                else:
                    self.report.failed(what, f"{name}: {error}")
            else:
                self.report.ok(what, name)

    def _build(self) -> None:
        libc, version = platform.libc_ver()
        host = f"{libc or 'unknown C library'} {version}".strip()
        if self.config.compiler == "zig":
            self.report.ok("build", f"{self.config.architecture} with zig, for glibc {_dotted(NEWEST_GLIBC)}")
        else:
            self.report.ok(
                "build", f"{self.config.architecture}, compiler {self.config.compiler}, on {host}; packages that need "
                         f"more than glibc {_dotted(NEWEST_GLIBC)} are refused")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
