"""Which migrations the previous release survives."""

from __future__ import annotations

import unittest

from architecture.migrations import Migration, Release, contractions, problems, read_releases

BASE = Migration(1, "1_base.up.sql", "CREATE TABLE t (id INT); CREATE UNIQUE INDEX uq_t ON t (id);")
EXPAND = Migration(2, "2_expand.up.sql", "ALTER TABLE t ADD COLUMN new TEXT;")
RELEASES = [Release("1.0", 1), Release("1.1", 2)]


def check(sql: str, version: int = 9, releases: list[Release] | None = None) -> list[str]:
    migrations = [BASE, EXPAND, Migration(version, f"{version}_new.up.sql", sql)]
    return problems(migrations, 1, RELEASES if releases is None else releases)


class ContractionsTest(unittest.TestCase):
    def contracts(self, sql: str) -> bool:
        return bool(contractions(Migration(9, "9.up.sql", sql), {"UQ_T"}))

    def test_what_takes_something_away(self) -> None:
        for sql in (
            "DROP TABLE t;",
            "drop table if exists t cascade",
            "DROP VIEW v;",
            "DROP FUNCTION f();",
            "DROP INDEX uq_t;",
            "ALTER TABLE t DROP COLUMN old;",
            "ALTER TABLE t DROP old;",
            "ALTER TABLE IF EXISTS ONLY t ADD COLUMN a TEXT, DROP COLUMN old;",
            "ALTER TABLE t RENAME COLUMN old TO new;",
            "ALTER TABLE t RENAME TO u;",
            "ALTER INDEX i RENAME TO j;",
            "ALTER TYPE status RENAME VALUE 'a' TO 'b';",
            "ALTER TABLE t ALTER COLUMN old SET NOT NULL;",
            "ALTER TABLE t ALTER old TYPE BIGINT;",
            "ALTER TABLE t ALTER COLUMN old SET DATA TYPE BIGINT;",
            "ALTER TABLE t ALTER COLUMN old DROP DEFAULT;",
            "ALTER TABLE t ADD COLUMN new TEXT NOT NULL;",
            "ALTER TABLE t ADD new TEXT CHECK (new <> ',') NOT NULL;",
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;",
            "ALTER TABLE t ADD UNIQUE (a, b);",
            "ALTER TABLE t VALIDATE CONSTRAINT c;",
            "ALTER TABLE t DROP CONSTRAINT uq_t_name;",
            "CREATE UNIQUE INDEX u ON t (a);",
            "TRUNCATE t;",
            'ALTER TABLE "t" DROP COLUMN "old";',
        ):
            with self.subTest(sql):
                self.assertTrue(self.contracts(sql))

    def test_what_only_adds(self) -> None:
        for sql in (
            "CREATE TABLE u (id INT NOT NULL); CREATE UNIQUE INDEX uq_u ON u (id); ALTER TABLE u ADD UNIQUE (id);",
            "ALTER TABLE t ADD COLUMN new TEXT;",
            "ALTER TABLE t ADD COLUMN new TEXT NOT NULL DEFAULT '';",
            "ALTER TABLE t ALTER COLUMN old DROP NOT NULL;",
            "ALTER TABLE t ALTER COLUMN old SET DEFAULT 1;",
            "ALTER TABLE t DROP CONSTRAINT t_a_check;",
            "ALTER TYPE status ADD VALUE 'new';",
            "CREATE INDEX j ON t (a); DROP INDEX i;",
            "DROP VIEW v; CREATE VIEW v AS SELECT 1;",
            "DROP TRIGGER x ON t; CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();",
            "-- DROP TABLE t;\nSELECT 'DROP TABLE t; ALTER TABLE t DROP COLUMN a' /* DROP TABLE t; */;",
            "CREATE FUNCTION g() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE temporary; END $$;",
            "UPDATE t SET old = 'a;b'; DELETE FROM t;",
        ):
            with self.subTest(sql):
                self.assertFalse(self.contracts(sql))


class RuleTest(unittest.TestCase):
    def test_an_expanding_migration_is_accepted(self) -> None:
        self.assertEqual(check("ALTER TABLE t ADD COLUMN another TEXT;"), [])

    def test_a_contraction_needs_a_header(self) -> None:
        self.assertIn("expand first", check("ALTER TABLE t DROP COLUMN old;")[0])

    def test_a_contraction_together_with_its_expansion_is_refused(self) -> None:
        both = "-- contract: 2\nALTER TABLE t ADD COLUMN newer TEXT; ALTER TABLE t DROP COLUMN old;"
        self.assertIn("expands and contracts", check(both)[0])
        self.assertIn("names no migration before", check("-- contract: 9\nALTER TABLE t DROP COLUMN old;")[0])

    def test_what_was_expanded_must_be_in_a_release_before_the_latest(self) -> None:
        contract = "-- contract: 2\nALTER TABLE t DROP COLUMN old;"
        # Not released yet; in the latest release, whose functions write both forms; in the one before.
        for releases in ([], RELEASES[:1], RELEASES):
            self.assertIn("may still write the old form", check(contract, releases=releases)[0])
        self.assertEqual(check(contract, releases=[*RELEASES, Release("1.2", 5)]), [])
        # A release after it does not make it sound.
        self.assertNotEqual(check(contract, releases=[*RELEASES, Release("1.2", 9)]), [])

    def test_a_reason_lets_a_compatible_change_pass(self) -> None:
        wider = "ALTER TABLE t ADD CONSTRAINT c CHECK (a IN ('x', 'y'));"
        self.assertIn("needs a reason", check(f"-- compatible: wider\n{wider}")[0])
        self.assertEqual(check(f"-- compatible: allows another value, and forbids none that was allowed\n{wider}"), [])

    def test_a_header_without_a_contraction_is_refused(self) -> None:
        self.assertIn("contracts nothing", check("-- contract: 2\nALTER TABLE t ADD COLUMN b TEXT;")[0])

    def test_older_migrations_are_not_checked(self) -> None:
        self.assertEqual(problems([Migration(1, "1.up.sql", "DROP TABLE t;")], 1, []), [])

    def test_releases_are_read_in_their_order(self) -> None:
        self.assertEqual(read_releases("# x\nunchecked 1\n1.0 5\n1.1 7\n"), (1, [Release("1.0", 5), Release("1.1", 7)]))
        for text in ("", "1.0 5\n", "unchecked 1\n1.1 7\n1.0 5\n", "unchecked 1\n1.0\n"):
            with self.subTest(text), self.assertRaises(ValueError):
                read_releases(text)


if __name__ == "__main__":
    unittest.main()
