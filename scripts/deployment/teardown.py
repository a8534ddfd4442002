"""Deletes the stack; what holds data is kept unless everything is to be erased."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from cloudformation import stacks
from command_line import CommandError
from deployment import change_set
from deployment.account import Account, error_code
from deployment.bucket import DeploymentBucket, bucket_exists, empty
from deployment.config import Config
from deployment.stored_secrets import RECOVERY_DAYS, StoredSecrets
from deployment.versions import Versions

DELETION_SECONDS = 2 * 3600


class Teardown:
    def __init__(self, config: Config, account: Account, secrets: StoredSecrets, say: Callable[[str], None]):
        self.config = config
        self.account = account
        self.secrets = secrets
        self.bucket = DeploymentBucket(account, config)
        self.say = say
        self._cloudformation = account.client("cloudformation")

    def run(self, *, erase: bool, assumed: bool) -> None:
        stack = stacks.find(self._cloudformation, self.config.stack)
        if stack is None and not erase:
            raise CommandError(f"there is no stack {self.config.stack} in {self.account.region}")
        staging = self._staging_buckets(stack)
        for line in self._plan(stack, staging, erase):
            self.say(line)
        if erase:
            change_set.confirm("This cannot be undone.", f"erase {self.config.stack}", assumed=assumed)
        else:
            change_set.confirm(f"The stack {self.config.stack} is deleted.", self.config.stack, assumed=assumed)
        if stack is not None:
            self._delete_stack()
        if erase:
            self._erase(staging)

    def _plan(self, stack: dict[str, Any] | None, staging: list[str], erase: bool) -> list[str]:
        lines = []
        if stack is not None:
            lines.append(f"deletes  the stack {self.config.stack}: functions, queues, API, roles, alarms")
        word = "erases  " if erase else "keeps   "
        lines += [f"{word} the staging bucket {name} and its objects" for name in staging]
        if created := self.secrets.created():
            restorable = f" (restorable for {RECOVERY_DAYS} days)" if erase else ""
            lines.append(f"{word} the secrets {', '.join(created)}{restorable}")
        lines.append(f"{word} the versions in the deployment bucket {self.bucket.name}, and the log groups")
        lines.append("keeps    the database and the collections in Qdrant: they are on your servers. "
                     "DROP the schema and delete the collections there")
        return lines

    def _delete_stack(self) -> None:
        self._cloudformation.delete_stack(StackName=self.config.stack)
        ended = stacks.await_end(
            self._cloudformation, self.config.stack, seconds=DELETION_SECONDS,
            every_seconds=0.3 if self.account.is_emulator else 5.0, advice=change_set.ADVICE)
        if ended is not None:
            reason = stacks.first_failure(self._cloudformation, self.config.stack)
            raise CommandError(f"the stack is {ended['StackStatus']}: {reason or 'see its events'}; run teardown again")
        self.say(f"deleted the stack {self.config.stack}")

    def _erase(self, staging: list[str]) -> None:
        s3 = self.account.client("s3")
        for name in staging:
            began = time.monotonic()
            count = empty(s3, name)
            s3.delete_bucket(Bucket=name)
            self.say(f"erased {name}: {count} object versions in {time.monotonic() - began:.0f} s")
        for name in self.secrets.delete_created():
            self.say(f"deleted the secret {name}; restorable for {RECOVERY_DAYS} days")
        if self.bucket.exists():
            whole = self.bucket.erase()
            self.say(f"erased the versions in {self.bucket.name}" + (", and the bucket" if whole else ""))
        self._delete_logs()

    def _delete_logs(self) -> None:
        """Deletes the log groups that the stack, and earlier ones of its name, leave behind."""
        logs = self.account.client("logs")
        for place in ("/semantik", "/aws/vendedlogs/semantik"):
            # With the slash: another stack's name may begin with this one's.
            pages = logs.get_paginator("describe_log_groups").paginate(
                logGroupNamePrefix=f"{place}/{self.config.stack}/")
            for name in [group["logGroupName"] for page in pages for group in page["logGroups"]]:
                logs.delete_log_group(logGroupName=name)
                self.say(f"deleted the log group {name}")

    def _staging_buckets(self, stack: dict[str, Any] | None) -> list[str]:
        """Returns the staging buckets of this stack and of earlier ones of its name that still exist."""
        names = [version.parameters.get("StagingBucketName", "") for version in Versions(self.bucket).all]
        if stack is not None:
            names.append(stacks.outputs(stack).get("StagingBucketName", ""))
        s3 = self.account.client("s3")
        found = [name for name in dict.fromkeys(names) if name]
        try:
            return [name for name in found if bucket_exists(s3, name)]
        except ClientError as error:
            raise CommandError(f"the staging bucket cannot be looked up: {error_code(error)}") from error
