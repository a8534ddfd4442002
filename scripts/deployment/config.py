"""The configuration of a deployment: a TOML file without secrets, checked before anything is done with it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from command_line import CommandError
from deployment.template import MANAGED, Template
from local_stack.settings import ROOT

DEFAULT_PATH = ROOT / "infra" / "deploy" / "production.toml"
EXAMPLE = ROOT / "infra" / "deploy" / "production.example.toml"
ARCHITECTURES = ("x86_64", "arm64")
COMPILERS = ("auto", "cargo", "zig")
# The names of secrets, and whether scripts/deploy creates them if none is named.
SECRETS = ("database", "migration_database", "qdrant", "tokens", "connectors", "administrator")
_STACK = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
HALF_OF_A_PAIR = "has no effect without"
# Parameters that count only together with another one.
_NEEDS = (
    ("SubnetIds", "SecurityGroupIds"), ("SecurityGroupIds", "SubnetIds"), ("SourcePrefix", "SourceBucket"),
    ("EmbedJobImage", "EmbedJobSubnets"), ("EmbedJobImage", "EmbedJobSecurityGroups"),
    ("DomainName", "CertificateArn"), ("CertificateArn", "DomainName"), ("HostedZoneId", "DomainName"),
    ("BackupDatabaseArn", "Backup"),
)


@dataclass(frozen=True)
class Config:
    """A valid configuration. `parameters` holds the values that the file sets, as CloudFormation takes them."""

    path: Path
    stack: str
    region: str
    profile: str
    architecture: str
    compiler: str
    bucket: str
    administrator: dict[str, str]
    parameters: dict[str, str]
    secrets: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)

    def value(self, template: Template, name: str) -> str:
        """Returns the value of a parameter: of the file, or the default of the template; empty if it has neither."""
        known = template.parameters.get(name)
        return self.parameters.get(name, known.default if known else "")


def load(path: Path, template: Template) -> Config:
    """Reads and checks a file; raises one error that lists everything that is wrong with it."""
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise CommandError(
            f"{path} does not exist; scripts/deploy init writes it, or copy {EXAMPLE.relative_to(ROOT)}") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from error
    return parse(document, template, path)


def parse(document: dict[str, Any], template: Template, path: Path = DEFAULT_PATH) -> Config:
    config, found = _examined(document, template, path)
    if found:
        raise CommandError(f"{path}:\n" + "\n".join(f"  {problem}" for problem in found))
    return config


def problems(document: dict[str, Any], template: Template) -> list[str]:
    """Returns everything that is wrong with a configuration."""
    return _examined(document, template, DEFAULT_PATH)[1]


def _examined(document: dict[str, Any], template: Template, path: Path) -> tuple[Config, list[str]]:
    problems: list[str] = []
    top = _Table(document, "", problems)
    config = Config(
        path=path,
        stack=top.text("stack", "semantik"),
        region=top.text("region", ""),
        profile=top.text("profile", ""),
        architecture=top.choice("architecture", ARCHITECTURES),
        compiler=top.choice("compiler", COMPILERS),
        bucket=top.text("bucket", ""),
        administrator=_administrator(top.table("administrator")),
        parameters=_parameters(top.table("parameters"), template, problems),
        secrets=_texts(top.table("secrets"), SECRETS),
        tags=_texts(top.table("tags"), None),
    )
    top.refuse_others()
    if not config.administrator["email"] and "administrator" not in config.secrets:
        problems.append("administrator.email: missing; the address of the first administrator")
    problems += _name_problems(config)
    if not problems:
        problems += _combination_problems(config, template)
    return config, problems


def _administrator(table: _Table) -> dict[str, str]:
    found = {"username": table.text("username", "admin"), "email": table.text("email", "")}
    table.refuse_others()
    if found["email"] and not _EMAIL.fullmatch(found["email"]):
        table.problems.append(f"administrator.email: an address is required, got {found['email']!r}")
    return found


def _texts(table: _Table, allowed: tuple[str, ...] | None) -> dict[str, str]:
    found = {name: table.text(name, "") for name in allowed or list(table.values)}
    table.refuse_others()
    return {name: value for name, value in found.items() if value}


def _parameters(table: _Table, template: Template, problems: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in table.values.items():
        where = f"parameters.{name}"
        if name in MANAGED:
            problems.append(f"{where}: scripts/deploy sets it itself, by {MANAGED[name]}; remove the line")
        elif name not in template.parameters:
            allowed = ", ".join(sorted(set(template.parameters) - set(MANAGED)))
            problems.append(f"{where}: no such parameter; allowed are {allowed}")
        else:
            text = _parameter_text(value, template.parameters[name].is_list)
            if text is None:
                wanted = "a list of texts" if template.parameters[name].is_list else "a text, number or boolean"
                problems.append(f"{where}: {wanted} is required, got {value!r}")
                continue
            found[name] = text
            if problem := template.parameters[name].problem(text):
                problems.append(f"{where}: {problem}")
    for name, parameter in template.parameters.items():
        if parameter.is_required and name not in MANAGED and name not in table.values:
            problems.append(f"parameters.{name}: missing; {parameter.declaration.get('Description', 'it is required')}")
    return found


def _parameter_text(value: Any, is_list: bool) -> str | None:
    if is_list:
        value = [value] if isinstance(value, str) else value
        return ",".join(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _name_problems(config: Config) -> list[str]:
    problems = []
    if not _STACK.fullmatch(config.stack):
        problems.append(
            f"stack: letters, digits and hyphens, starting with a letter, are allowed, got {config.stack!r}")
    if not config.region:
        problems.append("region: missing; the AWS region, such as eu-central-1")
    elif not _REGION.fullmatch(config.region):
        problems.append(f"region: an AWS region such as eu-central-1 is required, got {config.region!r}")
    for name, bucket in (("bucket", config.bucket),
                         ("parameters.StagingBucketName", config.parameters.get("StagingBucketName", ""))):
        if bucket and not is_bucket_name(bucket):
            problems.append(
                f"{name}: 3 to 63 of a-z, 0-9, hyphen and dot, starting and ending with a letter or digit, are allowed"
                f", got {bucket!r}")
    return problems


def is_bucket_name(name: str) -> bool:
    return bool(_BUCKET.fullmatch(name)) and ".." not in name and not re.fullmatch(r"[\d.]+", name)


def _combination_problems(config: Config, template: Template) -> list[str]:
    problems = []
    if config.parameters.get("DatabaseAuthentication") == "iam" and not config.parameters.get("DatabaseIamResource"):
        problems.append("parameters.DatabaseAuthentication: iam needs DatabaseIamResource, the user that connects")
    for name, needed in _NEEDS:
        if config.parameters.get(name) and needed in template.parameters and not config.parameters.get(needed):
            problems.append(f"parameters.{name}: {HALF_OF_A_PAIR} {needed}; set both or neither")
    production = config.value(template, "Stage") == "production"
    for name in ("DatabaseUrl", "MigrationDatabaseUrl"):
        if url := config.parameters.get(name):
            problems += [f"parameters.{name}: {problem}" for problem in _database_problems(url, production)]
    if url := config.parameters.get("QdrantUrl"):
        problems += [f"parameters.QdrantUrl: {problem}" for problem in _qdrant_problems(url, config)]
    return problems


def _database_problems(url: str, production: bool) -> list[str]:
    address = urlsplit(url)
    if address.scheme not in ("postgres", "postgresql") or not address.hostname or not address.path.strip("/"):
        # The URL is not repeated: it may contain a password.
        return ["postgres://user@host:5432/database?sslmode=verify-full is required"]
    problems = []
    if address.password:
        problems.append("contains a password; remove it, scripts/deploy asks for it and stores it in Secrets Manager")
    mode = parse_qs(address.query).get("sslmode", [""])[0]
    if production and mode != "verify-full":
        problems.append(f"sslmode=verify-full is required when Stage is production, got {mode or 'no sslmode'!r}")
    return problems


def _qdrant_problems(url: str, config: Config) -> list[str]:
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        return [f"https://HOST:6334 is required, got {url!r}"]
    # Plain HTTP would send the API key and all texts in clear, which is acceptable inside the own network only.
    is_inside = config.parameters.get("Stage") == "local" or config.parameters.get("SubnetIds")
    if address.scheme == "http" and not is_inside:
        return ["http:// is allowed inside your own network only (SubnetIds); use https://"]
    return []


class _Table:
    """A table of the file, which remembers which keys are known."""

    def __init__(self, values: Any, name: str, problems: list[str]):
        self.problems = problems
        self.name = name
        self.known: list[str] = []
        if not isinstance(values, dict):
            problems.append(f"{name}: a table is required, got {values!r}")
            values = {}
        self.values: dict[str, Any] = values

    def text(self, key: str, default: str) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            self.problems.append(f"{self._path(key)}: a text is required, got {value!r}")
            return default
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.text(key, allowed[0])
        if value not in allowed:
            self.problems.append(f"{self._path(key)}: {', '.join(allowed)} are allowed, got {value!r}")
        return value

    def table(self, key: str) -> _Table:
        return _Table(self._get(key, {}), self._path(key), self.problems)

    def refuse_others(self) -> None:
        for key in self.values:
            if key not in self.known:
                self.problems.append(f"{self._path(key)}: no such setting; allowed are {', '.join(self.known)}")

    def _get(self, key: str, default: Any) -> Any:
        self.known.append(key)
        return self.values.get(key, default)

    def _path(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key
