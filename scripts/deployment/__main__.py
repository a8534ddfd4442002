"""scripts/deploy: deploys to AWS, or to a local emulator."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cloudformation import stacks
from command_line import CommandError, run
from deployment import change_set, config, idle_cost, packages, questions, sam, smoke
from deployment.account import Account
from deployment.checks import NAMES, Checks
from deployment.release import Release, parameters
from deployment.report import Report
from deployment.stored_secrets import StoredSecrets, Values
from deployment.teardown import Teardown
from deployment.template import Template
from deployment.versions import Versions, describe, table
from local_stack.settings import ROOT

DESCRIPTION = """\
Deploys this checkout to an AWS account, by CloudFormation. Reads infra/deploy/production.toml, which holds nothing
secret; secrets are asked for, or read from the environment or a file, and kept in Secrets Manager.

commands:
  up                  (also without a command) checks, creates secrets, builds, shows the change, deploys, and tests the
                      result; creates or upgrades, and continues after an interruption. `upgrade` is the same
  init                asks what is needed and writes the configuration
  check               only checks: account, database, Qdrant, quotas, names
  secrets             only creates the secrets that are missing
  status              what is deployed, and which versions there are
  rollback            deploys the previous version again. Keeps data and the schema of the database
  teardown            deletes the stack. Keeps staging bucket, secrets, versions, database and Qdrant;
                      --erase-everything keeps only the last two
  sam-parameters      prints a samconfig.toml for `sam deploy`
"""
EPILOG = """\
secrets:
  SEMANTIK_DATABASE_PASSWORD, SEMANTIK_QDRANT_API_KEY, SEMANTIK_ADMINISTRATOR_PASSWORD, or --secrets FILE with
  {"database_password": ..., "qdrant_api_key": ..., "administrator_password": ...}. All other secrets are generated.
environment:
  AWS_PROFILE and the other variables of AWS SDKs; AWS_ENDPOINT_URL deploys to an emulator
"""


class Deploy:
    """One run of the command."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        self.template = Template.read(ROOT / "template.yaml")
        self.config = config.load(arguments.config, self.template)
        self.account = Account(self.config)
        self.values = Values.read(arguments.secrets, interactive=sys.stdin.isatty())
        self.secrets = StoredSecrets(self.account, self.config, self.template, self.values)
        self.release = Release(self.config, self.template, self.account, _say)
        self.began = time.monotonic()

    def up(self) -> bool:
        dry_run = self.arguments.dry_run
        self.check()
        if not dry_run:
            _heading("secrets")
            arns = self.secrets.ensure(_say)
            _say(f"{sum(bool(arn) for arn in arns.values())} secrets in Secrets Manager")
        else:
            found = self.secrets.find()
            arns = found.arns
            for name in found.missing:
                _say(f"would create the secret {self.secrets.name(name)}")
        _heading("packages")
        folder = self._packages()
        stack = self.release.stack if dry_run else self.release.recover()
        if stack is not None and stack["StackStatus"] in stacks.UNUSABLE:
            # A dry run leaves alone what the next run removes.
            raise CommandError(f"the stack is {stack['StackStatus']}; run without --dry-run first, which removes it")
        versions = Versions(self.release.bucket)
        prepared = self.release.prepare(folder, arns, stack, versions, upload=not dry_run)
        version = prepared.version
        current = versions.current(stacks.outputs(stack)) if stack else None
        if current is not None and current.digest == version.digest:
            _say(f"{describe(current)} is deployed already; nothing changes")
            return True if dry_run else self._finish(stacks.outputs(stack or {}))
        _heading("change")
        changes = self.release.change_set(version, stack)
        if not changes.changes:
            changes.discard()
            _say("CloudFormation finds nothing to change")
            return True if dry_run else self._finish(stacks.outputs(stack or {}))
        for line in change_set.describe(changes.changes, is_new=stack is None):
            _say(line)
        if dry_run:
            changes.discard()
            _say(f"dry run: the change set of {describe(version)} is deleted, nothing was deployed")
            return True
        return self._execute(version, changes, versions)

    def rollback(self) -> bool:
        self.release.recover()
        versions = Versions(self.release.bucket)
        version = self.release.previous(versions, self.arguments.to)
        _heading(f"rollback to version {version.restores} (commit {version.commit})")
        _say("keeps the database with its schema, Qdrant, the staging bucket and the secrets")
        changes = self.release.change_set(version, self.release.stack)
        if not changes.changes:
            changes.discard()
            raise CommandError(f"version {version.restores} does not differ from what is deployed")
        for line in change_set.describe(changes.changes, is_new=False):
            _say(line)
        return self._execute(version, changes, versions)

    def _execute(self, version: Any, changes: change_set.ChangeSet, versions: Versions) -> bool:
        lost = change_set.losses(changes.changes)
        for line in lost:
            _say(f"DATA: {line}; what it holds is lost")
        try:
            change_set.confirm(f"Deploy {describe(version)}?", "yes", assumed=self.arguments.yes and not lost)
        except BaseException:
            changes.discard()
            raise
        _heading(f"deploying {describe(version)}")
        began = time.monotonic()
        outputs = self.release.deploy(version, changes, versions)
        _say(f"deployed in {time.monotonic() - began:.0f} s")
        return self._finish(outputs)

    def _finish(self, outputs: dict[str, str]) -> bool:
        """Tests what is deployed, and says how to reach it and what it costs."""
        url = self.account.api_url(outputs)
        if self.arguments.smoke_test:
            _heading("smoke test")
            administrator = self.secrets.read("administrator")
            if administrator is None:
                _say("skipped: the administrator's secret cannot be read")
            else:
                try:
                    seconds = smoke.run(url, administrator, _say)
                except CommandError as error:
                    raise CommandError(f"{error}\n  scripts/deploy rollback returns to the previous version") from error
                _say(", ".join(f"{step} {value:.1f} s" for step, value in seconds.items()))
        _heading("done")
        _say(f"API            {url}")
        _say(f"API page       {url}/api/docs")
        _say(f"administrator  {self.config.administrator['username']}; password: aws secretsmanager get-secret-value "
             f"--secret-id {self.secrets.name('administrator')} --query SecretString --output text")
        _say(f"idle           {idle_cost.line(self.config)}")
        return True

    def check(self) -> bool:
        _heading("checks")
        report = Report(lambda line: print(line, flush=True))
        Checks(self.config, self.template, self.account, self.secrets, self.values, report).run(
            frozenset(self.arguments.skip_check))
        if report.failures:
            raise CommandError(f"{report.failures} checks failed; nothing was changed")
        return True

    def _packages(self) -> Path:
        """Builds the packages, or takes those of --packages."""
        folder = self.arguments.packages or packages.build(self.config)
        if problems := packages.problems(folder, self.config.architecture):
            raise CommandError("the packages cannot run on Lambda:\n" + "\n".join(f"  {one}" for one in problems))
        return folder

    def create_secrets(self) -> bool:
        for parameter, arn in self.secrets.ensure(_say).items():
            _say(f"{parameter:24} {arn or 'none'}")
        return True

    def status(self) -> bool:
        stack = self.release.stack
        versions = Versions(self.release.bucket)
        current = None
        if stack is None:
            _say(f"{self.config.stack} is not deployed in {self.account.region}")
        else:
            outputs = stacks.outputs(stack)
            current = versions.current(outputs)
            changed = stack.get("LastUpdatedTime") or stack["CreationTime"]
            _say(f"stack    {self.config.stack}, {stack['StackStatus']}, changed {changed:%Y-%m-%d %H:%M} UTC")
            _say(f"running  {describe(current) if current else 'a version that scripts/deploy did not deploy'}")
            if stack["StackStatus"] in stacks.USABLE:
                _say(f"API      {self.account.api_url(outputs)}")
                _say(f"staging  s3://{outputs['StagingBucketName']}")
        _say(f"versions in s3://{self.release.bucket.name}/{self.config.stack}/:")
        for line in table(versions.all, current):
            print(line)
        return stack is not None and stack["StackStatus"] in stacks.USABLE

    def teardown(self) -> bool:
        Teardown(self.config, self.account, self.secrets, _say).run(
            erase=self.arguments.erase_everything, assumed=self.arguments.yes)
        return True

    def sam_parameters(self) -> bool:
        found = self.secrets.find()
        if found.missing:
            listed = ", ".join(self.secrets.name(name) for name in found.missing)
            raise CommandError(f"missing secrets: {listed}; run scripts/deploy secrets first")
        bucket = self.release.bucket.name
        values = parameters(
            self.config, self.template, self.account, found.arns, deployment_bucket=bucket,
            staging_bucket=self.config.parameters.get("StagingBucketName", ""))
        print(sam.samconfig(self.config, values, bucket), end="")
        return True


def main() -> bool:
    arguments = _parser().parse_args()
    if arguments.command == "init":
        return questions.ask(arguments.config, Template.read(ROOT / "template.yaml"))
    commands = {
        "up": Deploy.up, "upgrade": Deploy.up, "check": Deploy.check, "secrets": Deploy.create_secrets,
        "status": Deploy.status, "rollback": Deploy.rollback, "teardown": Deploy.teardown,
        "sam-parameters": Deploy.sam_parameters,
    }
    try:
        return commands[arguments.command](Deploy(arguments))
    except (BotoCoreError, ClientError) as error:
        # Missing rights and the like: AWS's message names the action and the resource.
        raise CommandError(f"AWS: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/deploy", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", default="up", metavar="COMMAND", choices=[
        "up", "upgrade", "init", "check", "secrets", "status", "rollback", "teardown", "sam-parameters"])
    parser.add_argument("--config", type=Path, default=config.DEFAULT_PATH, metavar="FILE",
                        help="the configuration (infra/deploy/production.toml)")
    parser.add_argument("--secrets", metavar="FILE", help="a JSON file of mode 0600 with secrets; - for standard input")
    parser.add_argument("--yes", action="store_true",
                        help="do not ask before the change; it asks nevertheless if data would be lost")
    parser.add_argument("--dry-run", action="store_true", help="up: stop after showing the change")
    parser.add_argument("--packages", type=Path, metavar="DIR",
                        help="up: do not build; take the packages of this folder (target/lambda)")
    parser.add_argument("--skip-check", action="append", default=[], choices=NAMES[1:], metavar="CHECK",
                        help=f"leave out a check: {', '.join(NAMES[1:])}")
    parser.add_argument("--no-smoke-test", dest="smoke_test", action="store_false", help="do not use what is deployed")
    parser.add_argument("--to", type=int, metavar="VERSION", help="rollback: the version to return to")
    parser.add_argument("--erase-everything", action="store_true",
                        help="teardown: also erase staging bucket, secrets, versions and logs")
    return parser


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def _heading(text: str) -> None:
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    run("scripts/deploy", main, on_interrupt="interrupted; run it again to continue")
