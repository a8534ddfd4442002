"""A configuration is refused for every mistake that can be seen in it, with what to write instead."""

from __future__ import annotations

import contextlib
import io
import tempfile
import tomllib
import unittest
from pathlib import Path
from typing import Any

from command_line import CommandError
from deployment import config, questions, release
from deployment.template import Template
from local_stack.settings import ROOT

TEMPLATE = Template.read(ROOT / "template.yaml")


class ConfigTest(unittest.TestCase):
    def setUp(self) -> None:
        self.document: dict[str, Any] = tomllib.loads(config.EXAMPLE.read_text())

    def refused(self, table: str, **values: Any) -> str:
        """Sets values and returns why the configuration is refused."""
        (self.document[table] if table else self.document).update(values)
        with self.assertRaises(CommandError) as caught:
            config.parse(self.document, TEMPLATE)
        return str(caught.exception)

    def test_accepts_the_example(self) -> None:
        parsed = config.parse(self.document, TEMPLATE)
        self.assertEqual((parsed.stack, parsed.architecture), ("semantik", "x86_64"))
        self.assertEqual(parsed.parameters["Throughput"], "small")

    def test_names_the_allowed_settings_for_an_unknown_one(self) -> None:
        self.assertIn("regoin: no such setting; allowed are stack, region", self.refused("", regoin="eu-central-1"))
        self.assertRegex(self.refused("parameters", Troughput="small"),
                         r"parameters\.Troughput: no such parameter; allowed are .*Throughput")
        self.assertIn("secrets.jwt: no such setting; allowed are database", self.refused("secrets", jwt="x"))

    def test_lists_every_problem_at_once(self) -> None:
        message = self.refused("parameters", Throughput="huge", OcrEnabled=3, EmbedJobSubnets=[1])
        self.assertIn("parameters.Throughput: small, medium, large are allowed, got 'huge'", message)
        self.assertIn("parameters.OcrEnabled: true, false are allowed, got '3'", message)
        self.assertIn("parameters.EmbedJobSubnets: a list of texts is required", message)

    def test_refuses_passwords_without_repeating_them(self) -> None:
        message = self.refused("parameters", DatabaseUrl="postgres://ada:hush@db.example.com/semantik?sslmode=verify-full")
        self.assertNotIn("hush", message)

    def test_requires_a_verified_certificate_in_production_only(self) -> None:
        url = "postgres://ada@db.example.com/semantik?sslmode=require"
        self.assertIn("sslmode=verify-full is required", self.refused("parameters", DatabaseUrl=url))
        self.document["parameters"]["Stage"] = "local"
        config.parse(self.document, TEMPLATE)

    def test_refuses_plain_http_to_qdrant_over_the_internet(self) -> None:
        self.assertIn("use https://", self.refused("parameters", QdrantUrl="http://qdrant.example.com:6334"))

    def test_refuses_half_of_a_pair(self) -> None:
        self.assertIn("EmbedJobImage: has no effect without EmbedJobSubnets",
                      self.refused("parameters", EmbedJobImage="1.dkr.ecr.eu-central-1.amazonaws.com/embed:1"))
        self.assertIn("iam needs DatabaseIamResource", self.refused("parameters", DatabaseAuthentication="iam"))

    def test_refuses_parameters_that_the_command_sets(self) -> None:
        self.assertIn("scripts/deploy sets it itself", self.refused("parameters", SchemaVersion="1"))

    def test_refuses_names_that_aws_refuses(self) -> None:
        self.assertIn("stack: letters", self.refused("", stack="my_stack"))
        self.assertIn("region: an AWS region", self.refused("", region="Frankfurt"))
        self.assertIn("parameters.StagingBucketName", self.refused("parameters", StagingBucketName="Staging"))

    def test_requires_what_has_no_default(self) -> None:
        del self.document["parameters"]["DatabaseUrl"]
        self.assertIn("parameters.DatabaseUrl: missing", self.refused(""))
        del self.document["administrator"]["email"]
        self.assertIn("administrator.email: missing", self.refused(""))

    def test_long_names_of_stacks_give_valid_bucket_names(self) -> None:
        class Account:
            class identity:
                account = "123456789012"
            region = "ap-northeast-1"

        name = release.staging_bucket_name(Account(), "A-Very-Long-Name-Of-A-Stack-In-Upper-Case")  # type: ignore[arg-type]
        self.assertTrue(config.is_bucket_name(name))
        self.assertEqual(len(name), 63)


class QuestionsTest(unittest.TestCase):
    def test_asks_again_until_each_answer_is_valid(self) -> None:
        answers = {
            "AWS region": ["Frankfurt", "eu-west-1"],
            "E-mail address of the first": ["ada", "ada@example.org"],
            "Private subnets": ["subnet-1, subnet-2"],
            "Security groups": ["sg-1"],
            "PostgreSQL": ["db.example.com", "postgres://ada@db/semantik?sslmode=verify-full"],
            "Qdrant": ["https://qdrant.example.com:6334"],
        }

        def read(prompt: str) -> str:
            given = next((words for beginning, words in answers.items() if prompt.startswith(beginning)), [""])
            return given.pop(0)

        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as output:
            path = Path(folder) / "production.toml"
            questions.ask(path, TEMPLATE, read)
            document = tomllib.loads(path.read_text())
            with self.assertRaises(CommandError):
                questions.ask(path, TEMPLATE, read)
        self.assertIn("region: an AWS region such as eu-central-1 is required, got 'Frankfurt'", output.getvalue())
        self.assertEqual(document["region"], "eu-west-1")
        self.assertEqual(document["administrator"]["email"], "ada@example.org")
        self.assertEqual(document["parameters"]["DatabaseUrl"], "postgres://ada@db/semantik?sslmode=verify-full")
        # Asked for once the template has them.
        subnets = ["subnet-1", "subnet-2"] if "SubnetIds" in TEMPLATE.parameters else None
        self.assertEqual(document["parameters"].get("SubnetIds"), subnets)


if __name__ == "__main__":
    unittest.main()
