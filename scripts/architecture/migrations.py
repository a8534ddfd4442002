"""scripts/check-migrations: a migration expands the schema, or contracts what an older release has expanded.

The previous version of the functions runs while a migration is applied, and again after a rollback. So what it reads
and writes must stay: a migration may add, and may take away only what no version from the previous release on uses.
That is so if the form which replaced it was in the release before the previous one. `migrations/RELEASES` says which
migrations a release has; the first lines of a migration say what it contracts:

    -- contract: 20261202000300       the migration that added the form which replaces what is dropped here
    -- compatible: REASON             for what looks like a contraction and is none, such as a wider CHECK constraint
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "migrations"
MIN_REASON = 20

# Comments, quoted names, strings, dollar-quoted strings, words and numbers, everything else.
_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$|\w+|\s+|.", re.DOTALL)
_HEADER = re.compile(r"^--\s*(contract|compatible):\s*(.*)$", re.MULTILINE)
_DROPPED = ("TABLE", "VIEW", "MATERIALIZED", "TYPE", "FUNCTION", "PROCEDURE", "SCHEMA", "SEQUENCE", "DOMAIN")
_CONSTRAINTS = ("CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE")
_UNIQUE_NAME = re.compile(r"^UQ_|_(PKEY|KEY)$")


@dataclass(frozen=True)
class Release:
    """A release and its last migration."""

    name: str
    last: int


@dataclass
class Migration:
    """An up migration. Its tokens are upper case, without comments and white space."""

    version: int
    name: str
    sql: str
    statements: list[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.statements = list(_statements(self.sql))

    def headers(self, kind: str) -> list[str]:
        return [value.strip() for found, value in _HEADER.findall(self.sql) if found == kind]

    def creates(self, *kinds: str) -> set[str]:
        """The names of what the migration creates, of these kinds."""
        names = set()
        for tokens in self.statements:
            words = [token for token in tokens if token not in ("OR", "REPLACE", "MATERIALIZED", "IF", "NOT", "EXISTS")]
            if words[:1] == ["CREATE"] and len(words) > 2 and words[1] in kinds:
                names.add(words[2])
        return names


def main() -> bool:
    argparse.ArgumentParser(prog="scripts/check-migrations", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    found = problems(_read(FOLDER), *read_releases((FOLDER / "RELEASES").read_text()))
    for problem in found:
        print(problem)
    return not found


def problems(migrations: Sequence[Migration], unchecked: int, releases: Sequence[Release]) -> list[str]:
    """Returns a line for each migration that the previous release would not survive."""
    unique = {name for one in migrations for name in _unique_indexes(one)}
    known = {one.version for one in migrations}
    found = []
    for migration in migrations:
        if migration.version <= unchecked:
            continue
        contracting = contractions(migration, unique)
        problem = _judge(migration, contracting, known, [one for one in releases if one.last < migration.version])
        if problem:
            found.append(f"migrations/{migration.name}: {problem}")
    return found


def read_releases(text: str) -> tuple[int, list[Release]]:
    """Returns the last migration that is not checked, and the releases, oldest first."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if any(len(line) != 2 or not line[1].isdigit() for line in lines) or not lines or lines[0][0] != "unchecked":
        raise ValueError("migrations/RELEASES: the first line is `unchecked MIGRATION`, others are `VERSION MIGRATION`")
    releases = [Release(name, int(last)) for name, last in lines[1:]]
    if releases != sorted(releases, key=lambda release: release.last):
        raise ValueError("migrations/RELEASES: the releases are not in the order of their last migrations")
    return int(lines[0][1]), releases


def contractions(migration: Migration, unique: set[str]) -> list[str]:
    """Returns what the migration takes away from the version before it, in words of SQL."""
    created = migration.creates("TABLE")
    remade = migration.creates("VIEW", "FUNCTION", "PROCEDURE", "TYPE")
    found = []
    for tokens in migration.statements:
        if tokens[0] == "DROP" and tokens[1] in _DROPPED:
            name = _name_after(tokens, 2)
            if name not in created | remade:
                found.append(f"DROP {tokens[1]} {name}")
        elif tokens[:2] == ["DROP", "INDEX"]:
            if (name := _name_after(tokens, 2)) in unique:
                found.append(f"DROP INDEX {name}, which ON CONFLICT may name")
        elif tokens[:3] == ["CREATE", "UNIQUE", "INDEX"]:
            table = tokens[tokens.index("ON") + 1]
            if table not in created:
                found.append(f"CREATE UNIQUE INDEX on {table}")
        elif tokens[:2] == ["ALTER", "TABLE"]:
            table = _name_after(tokens, 2)
            if table not in created:
                actions = tokens[tokens.index(table) + 1:]
                found += [f"ALTER TABLE {table} {what}" for action in _split(actions) if (what := _contracts(action))]
        elif tokens[0] == "ALTER" and ("RENAME" in tokens or (tokens[:2] == ["ALTER", "TYPE"] and "DROP" in tokens)):
            found.append(" ".join(tokens[:6]))
        elif tokens[0] in ("TRUNCATE", "REVOKE"):
            found.append(" ".join(tokens[:3]))
    return found


def _contracts(action: Sequence[str]) -> str | None:
    """Returns what an action of ALTER TABLE takes away, if it does."""
    words = [word for word in action if word not in ("IF", "EXISTS", "ONLY")]
    text = " ".join(words[:5])
    if words[0] == "RENAME" or words[:2] == ["VALIDATE", "CONSTRAINT"] or words[:2] == ["SET", "SCHEMA"]:
        return text
    if words[:2] == ["DROP", "CONSTRAINT"]:
        return text if _UNIQUE_NAME.search(words[2]) else None
    if words[0] == "DROP":
        return text
    if words[0] == "ALTER":
        after = words[words.index("COLUMN") + 2:] if "COLUMN" in words else words[2:]
        tightened = ("TYPE",), ("SET", "DATA"), ("SET", "NOT"), ("DROP", "DEFAULT")
        return text if any(tuple(after[:len(what)]) == what for what in tightened) else None
    if words[0] == "ADD":
        if words[1] in _CONSTRAINTS:
            # One that is not checked for existing rows binds new ones all the same.
            return text
        column = " ".join(word for word in words if word != "COLUMN")
        if "NOT NULL" in column and "DEFAULT" not in words and "GENERATED" not in words:
            return f"{text} NOT NULL without a default"
    return None


def _judge(
    migration: Migration, contracting: list[str], known: set[int], earlier: Sequence[Release],
) -> str | None:
    if any(len(reason) < MIN_REASON for reason in migration.headers("compatible")):
        return f"the header `-- compatible:` needs a reason of at least {MIN_REASON} characters"
    expands = migration.headers("contract")
    if not contracting or migration.headers("compatible"):
        return "it contracts nothing; remove the header `-- contract:`" if expands and not contracting else None
    what = "; ".join(contracting)
    if not expands:
        return (f"contracts the schema ({what}), which the previous version of the functions does not survive; "
                "expand first, and contract in a later release under the header `-- contract: MIGRATION` "
                "(migrations/README.md)")
    if migration.creates("TABLE") or any("ADD" in tokens and "COLUMN" in tokens for tokens in migration.statements):
        return f"expands and contracts ({what}); put the contract step into a migration of its own, in a later release"
    for text in expands:
        expand = int(text) if text.isdigit() else -1
        if expand not in known or expand >= migration.version:
            return f"the header `-- contract: {text}` names no migration before this one"
        if len(earlier) < 2 or expand > earlier[-2].last:
            latest = earlier[-1].name if earlier else "none"
            return (f"contracts what {expand} expands ({what}); the latest release ({latest}) may still write the old "
                    f"form. {expand} must be in a release before the latest one; see migrations/RELEASES")
    return None


def _unique_indexes(migration: Migration) -> Iterator[str]:
    for tokens in migration.statements:
        if tokens[:3] == ["CREATE", "UNIQUE", "INDEX"]:
            yield _name_after(tokens, 3)


def _name_after(tokens: Sequence[str], position: int) -> str:
    skipped = ("IF", "NOT", "EXISTS", "ONLY", "VIEW", "CONCURRENTLY")
    return next((token for token in tokens[position:] if token not in skipped), "")


def _statements(sql: str) -> Iterator[list[str]]:
    tokens: list[str] = []
    for match in _TOKEN.finditer(sql):
        token = match[0]
        if token == ";":
            if tokens:
                yield tokens
            tokens = []
        elif not token.isspace() and not token.startswith(("--", "/*")):
            tokens.append(token.strip('"').upper() if token[0] not in "'$" else token)
    if tokens:
        yield tokens


def _split(tokens: Sequence[str]) -> Iterator[list[str]]:
    """Splits at the commas that are outside of parentheses."""
    part: list[str] = []
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def _read(folder: Path) -> list[Migration]:
    return [
        Migration(int(path.name.split("_")[0]), path.name, path.read_text()) for path in sorted(folder.glob("*.up.sql"))
    ]
