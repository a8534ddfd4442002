"""Deployments of one stack: creating and updating it, going back, and what it is now."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cloudformation import stacks
from cloudformation.archives import schema_version, with_archives
from command_line import CommandError
from deployment import change_set, packages
from deployment.account import Account
from deployment.bucket import DeploymentBucket, bucket_exists, staging_bucket_name
from deployment.change_set import ChangeSet, DeploymentFailed, Request
from deployment.config import Config
from deployment.template import Template
from deployment.versions import Version, Versions, describe
from local_stack.settings import ROOT

RECOVERY_SECONDS = 3600


@dataclass(frozen=True)
class Prepared:
    """A version that is ready to be deployed: its template and packages are in the bucket."""

    version: Version
    template_text: str


class Release:
    """The stack of a configuration in an account."""

    def __init__(self, config: Config, template: Template, account: Account, say: Callable[[str], None]):
        self.config = config
        self.template = template
        self.account = account
        self.bucket = DeploymentBucket(account, config)
        self.say = say
        self._cloudformation = account.client("cloudformation")

    @property
    def stack(self) -> dict[str, Any] | None:
        return stacks.find(self._cloudformation, self.config.stack)

    def recover(self) -> dict[str, Any] | None:
        """Brings the stack into a state from which it can be deployed; returns its description."""
        before = stacks.status(self.stack)
        stack = stacks.recover(
            self._cloudformation, self.config.stack, seconds=RECOVERY_SECONDS,
            every_seconds=0.3 if self.account.is_emulator else 5.0, advice=change_set.ADVICE)
        if stacks.status(stack) != before:
            self.say(f"the stack was {before}, left by an earlier run; it is {stacks.status(stack)} now")
        return stack

    def prepare(
        self, folder: Path, arns: dict[str, str], stack: dict[str, Any] | None, versions: Versions, *, upload: bool,
    ) -> Prepared:
        """Puts packages (if `upload`) and template into the bucket; the stack stays as it is."""
        built = packages.archives(folder)
        keys = packages.keys(self.bucket, built)
        if self.bucket.create():
            self.say(f"created the deployment bucket {self.bucket.name}: private, encrypted, versioned")
        if upload:
            packages.upload(self.bucket, built, self.say)
        locations = {function: f"s3://{self.bucket.name}/{key}" for function, key in keys.items()}
        text = with_archives((ROOT / "template.yaml").read_text(), locations)
        values = parameters(
            self.config, self.template, self.account, arns, deployment_bucket=self.bucket.name,
            staging_bucket=self._staging_bucket(stack))
        listed = "\n".join(f"{name}={value}" for name, value in sorted(values.items()))
        digest = hashlib.sha256(f"{text}\0{listed}".encode()).hexdigest()[:12]
        key = self.bucket.key("templates", f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.yaml")
        self.bucket.write(key, text.encode())
        return Prepared(versions.next(commit(), digest, key, values, sorted(keys.values())), text)

    def change_set(self, version: Version, stack: dict[str, Any] | None) -> ChangeSet:
        known = set(Template.of(self.bucket.read(version.template).decode()).parameters)
        values = {name: value for name, value in version.parameters.items() if name in known}
        if "DeploymentVersion" in known:
            values["DeploymentVersion"] = version.label
        request = Request(
            self.config.stack, self.account.template_url(self.bucket.name, version.template), values,
            {"semantik:stack": self.config.stack, **self.config.tags}, f"Semantik {describe(version)}")
        return ChangeSet(self.account, request, is_new=stack is None)

    def deploy(self, version: Version, changes: ChangeSet, versions: Versions) -> dict[str, str]:
        """Carries out the changes and records the version; returns the outputs of the stack."""
        versions.record(version)
        try:
            stack = changes.execute(self.say)
        except DeploymentFailed as error:
            raise CommandError(self._failure(error, versions)) from error
        deployed = replace(version, deployed=True)
        versions.record(deployed)
        versions.forget_old(deployed)
        return stacks.outputs(stack)

    def previous(self, versions: Versions, number: int | None) -> Version:
        """Returns a copy of an earlier version as the next one: its template, packages and parameters.

        The schema stays: older functions tolerate a newer one, and the migration is not run again.
        """
        stack = self.stack
        if stack is None:
            raise CommandError(f"there is no stack {self.config.stack} in {self.account.region}")
        now = stacks.parameters(stack)
        current = versions.current(stacks.outputs(stack))
        if number is not None:
            target = versions.find(number)
        elif current is None:
            raise CommandError("the stack does not say which version it runs; name one with --to")
        else:
            target = versions.before(current)
        values = target.parameters | {
            name: now[name] for name in ("SchemaVersion", "StagingBucketName") if name in target.parameters}
        return versions.next(
            target.commit, target.digest, target.template, values, target.packages, restores=target.content)

    def _failure(self, error: DeploymentFailed, versions: Versions) -> str:
        stack = self.stack
        current = versions.current(stacks.outputs(stack)) if stack else None
        if error.status == "UPDATE_ROLLBACK_COMPLETE":
            state = (f"{describe(current) if current else 'the previous version'} runs as before; migrations that were "
                     "applied stay, and it tolerates them")
        elif error.status == "UPDATE_ROLLBACK_FAILED":
            state = "the rollback failed, too; the next scripts/deploy completes it"
        else:
            state = "nothing is deployed; the next scripts/deploy removes what is left and starts over"
        return f"the deployment failed: {error.reason}\n  {state}"

    def _staging_bucket(self, stack: dict[str, Any] | None) -> str:
        """Returns the name of the staging bucket: the one that the stack has, or an unused one for a new stack."""
        if configured := self.config.parameters.get("StagingBucketName"):
            return configured
        if stack is not None:
            return stacks.parameters(stack).get("StagingBucketName", "")
        s3 = self.account.client("s3")
        for attempt in range(1, 100):
            name = staging_bucket_name(self.account, self.config.stack, "" if attempt == 1 else f"-{attempt}")
            if not bucket_exists(s3, name):
                return name
            self.say(f"the bucket {name} of an earlier stack exists and is kept; see docs/deployment.md, Teardown")
        raise CommandError("no name for the staging bucket is free; set parameters.StagingBucketName")


def parameters(
    config: Config, template: Template, account: Account, arns: dict[str, str], *, deployment_bucket: str,
    staging_bucket: str,
) -> dict[str, str]:
    """Returns the values of the template's parameters: of the configuration, and those that scripts/deploy sets."""
    values = dict(config.parameters)
    values |= arns
    protected = [name for name in config.parameters.get("ProtectedBuckets", "").split(",") if name]
    values["ProtectedBuckets"] = ",".join(dict.fromkeys([*protected, deployment_bucket]))
    values["Architecture"] = config.architecture
    values["SchemaVersion"] = schema_version(ROOT / "migrations")
    if staging_bucket:
        values["StagingBucketName"] = staging_bucket
    if account.is_emulator and "ApiUrl" not in config.parameters:
        values["ApiUrl"] = account.api_url({"ApiId": "{api_id}"})
    return {name: value for name, value in values.items() if name in template.parameters}


def commit() -> str:
    """Returns the short commit of the checkout, with a plus sign if files differ from it."""
    def git(*arguments: str) -> str | None:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    short = git("rev-parse", "--short=9", "HEAD")
    if not short:
        return "unknown"
    return short + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
