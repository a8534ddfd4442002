"""scripts/deploy against an emulator with the real template: create, upgrade, failure, rollback and teardown.

Its functions are stand-ins that answer at once; scripts/deploy-drill does the same with the real ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import boto3

from deployment.testing import Emulator, copy_checkout, write_packages

CONFIG = """
stack = "trial"
region = "us-east-1"
[administrator]
email = "ada@example.org"
[parameters]
Stage = "local"
DatabaseUrl = "postgres://semantik@127.0.0.1:1/semantik"
QdrantUrl = "http://127.0.0.1:1"
[tags]
team = "search"
"""
DEPLOY_BUCKET = "semantik-deploy-000000000000-us-east-1"
STAGING_BUCKET = "trial-staging-000000000000-us-east-1"
# No servers run here.
WITHOUT_SERVERS = ("--skip-check", "database", "--skip-check", "qdrant", "--no-smoke-test")


class DeployTest(unittest.TestCase):
    """Each test has its own emulator; scripts/deploy runs as a command."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.emulator = Emulator(self.folder)
        self.emulator.start()
        self.addCleanup(self.emulator.stop)
        self.checkout = copy_checkout(self.folder / "checkout")
        self.config = self.folder / "production.toml"
        self.config.write_text(CONFIG)
        self.first = write_packages(self.folder / "first")

    def deploy(self, *arguments: str | Path, status: int = 0, values: dict[str, str] | None = None) -> str:
        """Runs the command with standard input closed; returns its output."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SEMANTIK_"))}
        environment = kept | {
            "AWS_ENDPOINT_URL": self.emulator.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        } | ({"SEMANTIK_DATABASE_PASSWORD": "hush hush", "SEMANTIK_QDRANT_API_KEY": ""} if values is None else values)
        command = [str(self.checkout / "scripts" / "deploy"), *map(str, arguments), "--config", str(self.config)]
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)
        self.assertEqual(done.returncode, status, done.stdout)
        self.assertNotIn("hush hush", done.stdout)
        return str(done.stdout)

    def up(self, packages: Path, *arguments: str, status: int = 0) -> str:
        return self.deploy("up", "--packages", packages, "--yes", *WITHOUT_SERVERS, *arguments, status=status)

    def client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=self.emulator.endpoint, region_name="us-east-1", aws_access_key_id="test",
            aws_secret_access_key="test")

    def stack(self) -> dict[str, Any]:
        return dict(self.client("cloudformation").describe_stacks(StackName="trial")["Stacks"][0])

    def parameter(self, name: str) -> str:
        return str(next(
            one["ParameterValue"] for one in self.stack()["Parameters"] if one["ParameterKey"] == name))

    def test_creates_a_stack_and_finds_nothing_to_change_afterwards(self) -> None:
        output = self.up(self.first)
        self.assertIn("created the deployment bucket", output)
        self.assertEqual(self.stack()["StackStatus"], "CREATE_COMPLETE")
        self.assertEqual(self.parameter("StagingBucketName"), STAGING_BUCKET)
        self.assertEqual(self.parameter("ProtectedBuckets"), DEPLOY_BUCKET)
        tags = {tag["Key"]: tag["Value"] for tag in self.stack()["Tags"]}
        self.assertEqual(tags, {"semantik:stack": "trial", "team": "search"})
        s3 = self.client("s3")
        self.assertEqual(s3.get_bucket_versioning(Bucket=DEPLOY_BUCKET)["Status"], "Enabled")
        self.assertTrue(s3.get_public_access_block(Bucket=DEPLOY_BUCKET)["PublicAccessBlockConfiguration"][
            "RestrictPublicBuckets"])

        again = self.up(self.first)
        self.assertIn("version 1", again)
        self.assertIn("nothing changes", again)
        self.assertIn("0 of 10 packages uploaded", again)

    def test_keeps_secrets_in_secrets_manager_only(self) -> None:
        self.up(self.first)
        secrets = self.client("secretsmanager")
        names = {entry["Name"] for entry in secrets.list_secrets()["SecretList"]}
        self.assertEqual(names, {f"semantik/trial/{name}" for name in (
            "database", "tokens", "connectors", "administrator")})
        tokens = secrets.get_secret_value(SecretId="semantik/trial/tokens")
        self.assertEqual(len(json.loads(tokens["SecretString"])["jwt_secrets"][0]), 64)
        self.assertEqual(self.parameter("TokenSecret"), tokens["ARN"])
        self.assertEqual(self.parameter("QdrantSecret"), "")
        administrator = json.loads(secrets.get_secret_value(SecretId="semantik/trial/administrator")["SecretString"])
        self.assertEqual((administrator["username"], administrator["email"]), ("admin", "ada@example.org"))

        self.up(self.first)
        self.assertEqual(secrets.get_secret_value(SecretId="semantik/trial/tokens")["SecretString"],
                         tokens["SecretString"])

    def test_needs_secrets_that_nobody_can_be_asked_for(self) -> None:
        output = self.deploy("secrets", status=1, values={})
        self.assertIn("SEMANTIK_DATABASE_PASSWORD", output)

    def test_reads_secrets_from_a_file_that_only_its_owner_reads(self) -> None:
        file = self.folder / "secrets.json"
        file.write_text(json.dumps({"database_password": "hush hush", "qdrant_api_key": "key"}))
        file.chmod(0o644)
        self.assertIn("chmod 600", self.deploy("secrets", "--secrets", file, status=1, values={}))
        file.chmod(0o600)
        self.deploy("secrets", "--secrets", file, values={})
        stored = self.client("secretsmanager").get_secret_value(SecretId="semantik/trial/qdrant")
        self.assertEqual(json.loads(stored["SecretString"]), {"api_key": "key"})

    def test_a_dry_run_leaves_no_stack_and_no_secret(self) -> None:
        output = self.up(self.first, "--dry-run")
        self.assertIn("would create the secret semantik/trial/tokens", output)
        self.assertIn("AWS::Lambda::Function", output)
        self.assertEqual(self.client("secretsmanager").list_secrets()["SecretList"], [])
        self.assertEqual(self.client("cloudformation").list_stacks(
            StackStatusFilter=["REVIEW_IN_PROGRESS", "CREATE_COMPLETE"])["StackSummaries"], [])

        self.up(self.first)
        changed = self.up(write_packages(self.folder / "second", note="2"), "--dry-run")
        self.assertIn("~ ApiFunction", changed)
        self.assertEqual(self.stack()["StackStatus"], "CREATE_COMPLETE")
        self.assertIn("version 1", self.deploy("status"))

    def test_refuses_to_change_anything_without_an_answer(self) -> None:
        output = self.deploy("up", "--packages", self.first, *WITHOUT_SERVERS, status=1)
        self.assertIn("--yes", output)
        self.assertIn("is not deployed", self.deploy("status", status=1))

    def test_refuses_when_a_check_fails(self) -> None:
        output = self.deploy("up", "--packages", self.first, "--yes", status=1)
        self.assertRegex(output, r"database +FAILED +127\.0\.0\.1:1/semantik")
        self.assertRegex(output, r"Qdrant +FAILED")
        self.assertIn("nothing was changed", output)

    def test_refuses_packages_of_another_processor(self) -> None:
        packages = write_packages(self.folder / "arm")
        # The header of a binary for arm64.
        header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\xb7\x00"
        (packages / "scan" / "bootstrap").write_bytes(header + bytes(99))
        self.assertIn("scan is built for arm64", self.up(packages, status=1))

    def test_a_failed_migration_is_rolled_back_and_reported_in_one_line(self) -> None:
        self.up(self.first)
        broken = write_packages(self.folder / "broken", outcome="FAILED")
        self.add_migration()
        output = self.up(broken, status=1)
        self.assertIn("the deployment failed: Migration (Custom::Migration): column exists", output)
        self.assertIn("version 1", output)
        self.assertEqual(self.stack()["StackStatus"], "UPDATE_ROLLBACK_COMPLETE")
        self.assertRegex(self.deploy("status"), r"2 .* failed\n +1 .* current")
        self.assertIn("deployed in", self.up(write_packages(self.folder / "fixed", note="fixed")))

    def test_a_failed_creation_is_removed_by_the_next_run(self) -> None:
        broken = write_packages(self.folder / "broken", outcome="FAILED")
        self.assertIn("nothing is deployed", self.up(broken, status=1))
        output = self.up(self.first)
        self.assertIn("left by an earlier run", output)
        self.assertEqual(self.stack()["StackStatus"], "CREATE_COMPLETE")

    def test_rolls_back_to_earlier_versions_and_keeps_the_schema(self) -> None:
        self.up(self.first)
        code, schema = self.code_of("Api"), self.parameter("SchemaVersion")
        self.up(write_packages(self.folder / "second", note="2"))
        self.add_migration()
        self.up(write_packages(self.folder / "third", note="3"))
        newer = self.parameter("SchemaVersion")
        self.assertNotEqual(newer, schema)
        self.deploy("rollback", "--yes", "--no-smoke-test")
        self.assertRegex(self.deploy("status"), r"running  version 4 .*the content of version 2")
        self.deploy("rollback", "--yes", "--no-smoke-test")
        self.assertEqual(self.code_of("Api"), code)
        self.assertEqual(self.parameter("SchemaVersion"), newer)
        self.assertIn("no version before 1", self.deploy("rollback", "--yes", status=1))

    def test_a_teardown_keeps_data_and_another_stack_gets_another_bucket(self) -> None:
        self.up(self.first)
        self.client("s3").put_object(Bucket=STAGING_BUCKET, Key="raw/1", Body=b"text")
        tokens = self.parameter("TokenSecret")
        output = self.deploy("teardown", "--yes")
        self.assertIn(f"keeps    the staging bucket {STAGING_BUCKET}", output)
        self.assertEqual(self.client("s3").get_object(Bucket=STAGING_BUCKET, Key="raw/1")["Body"].read(), b"text")

        self.up(self.first)
        self.assertEqual(self.parameter("StagingBucketName"), f"{STAGING_BUCKET}-2")
        self.assertEqual(self.parameter("TokenSecret"), tokens)

    def test_erases_everything_that_it_created_if_told_so(self) -> None:
        self.up(self.first)
        self.client("s3").put_object(Bucket=STAGING_BUCKET, Key="raw/1", Body=b"text")
        self.assertIn("--yes", self.deploy("teardown", "--erase-everything", status=1))
        self.deploy("teardown", "--erase-everything", "--yes")
        self.assertEqual(self.client("s3").list_buckets()["Buckets"], [])
        self.assertEqual(self.client("secretsmanager").list_secrets()["SecretList"], [])
        # Its secrets are restored, and used again.
        self.assertIn("restored the secret semantik/trial/tokens", self.up(self.first))

    def add_migration(self) -> None:
        (self.checkout / "migrations" / "29990101000000_trial.up.sql").write_text("SELECT 1;\n")

    def code_of(self, function: str) -> str:
        listed = self.client("lambda").list_functions()["Functions"]
        return str(next(one["CodeSha256"] for one in listed if f"-{function}Function-" in one["FunctionName"]))


if __name__ == "__main__":
    unittest.main()
