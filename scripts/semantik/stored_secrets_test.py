from __future__ import annotations

import os
import unittest
from typing import Any
from unittest import mock

from command_line import CommandError
from local_stack import postgres
from semantik import database, stored_secrets
from semantik.stored_secrets import database_url, without_password


class Passwords(unittest.TestCase):
    def test_a_password_is_split_off_a_url(self) -> None:
        for url, expected in {
            "postgres://u:p%40s@h:5432/d?sslmode=require": ("postgres://u@h:5432/d?sslmode=require", "p@s"),
            "postgres://u@h/d": ("postgres://u@h/d", None),
            "postgres://h1:1,h2:2/d": ("postgres://h1:1,h2:2/d", None),
            "postgres://u:p@[::1]:5432/d": ("postgres://u@[::1]:5432/d", "p"),
        }.items():
            self.assertEqual(without_password(url), expected)

    def test_programs_get_the_password_in_their_environment_only(self) -> None:
        with mock.patch.dict(os.environ, {"DATABASE_URL": "postgres://u:p4ss@h/d"}), mock.patch.object(
                postgres, "binary", return_value="psql"):
            command, environment = database._command("psql", "--csv")
        self.assertEqual(command, ["psql", "--dbname=postgres://u@h/d", "--csv"])
        self.assertEqual(environment["PGPASSWORD"], "p4ss")

    def url(self, secret: dict[str, Any] | None) -> str:
        environment = {"DATABASE_URL": "postgres://u@h:5433/d?sslmode=verify-full"}
        if secret is not None:
            environment["DATABASE_SECRET_ARN"] = "arn:aws:secretsmanager:x"
        with mock.patch.dict(os.environ, environment), mock.patch.object(
                stored_secrets, "_read", return_value=secret):
            return database_url()

    def test_a_secret_completes_the_url(self) -> None:
        self.assertEqual(self.url(None), "postgres://u@h:5433/d?sslmode=verify-full")
        self.assertEqual(self.url({"password": "a/b"}), "postgres://u:a%2Fb@h:5433/d?sslmode=verify-full")
        # As RDS writes it.
        rds = {"username": "admin", "password": "p", "host": "db.example", "port": 5432, "dbname": "semantik"}
        self.assertEqual(self.url(rds), "postgres://admin:p@db.example:5432/semantik?sslmode=verify-full")
        self.assertEqual(self.url({"url": "postgres://n:p@neon/d"}), "postgres://n:p@neon/d")
        with self.assertRaisesRegex(CommandError, "neither url nor password"):
            self.url({"user": "u"})


if __name__ == "__main__":
    unittest.main()
