"""scripts/deploy init: asks for what has no default and writes the configuration."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import boto3

from command_line import CommandError
from deployment import config
from deployment.template import Template

# Prefixes that make a setting of the example count.
_COMMENTED = r"^(?:# )?{key} = .*$"


@dataclass(frozen=True)
class Question:
    # Table and key of the setting.
    table: str
    key: str
    text: str
    default: str = ""
    is_list: bool = False


def questions(region: str) -> list[Question]:
    return [
        Question("", "stack", "Name of the stack", "semantik"),
        Question("", "region", "AWS region", region),
        Question("", "architecture", "Processor of the functions, x86_64 or arm64", "x86_64"),
        Question("administrator", "email", "E-mail address of the first administrator"),
        Question("parameters", "DatabaseUrl",
                 "PostgreSQL without the password, postgres://USER@HOST:5432/DATABASE?sslmode=verify-full"),
        Question("parameters", "QdrantUrl", "Qdrant's gRPC address, https://HOST:6334"),
        Question("parameters", "SubnetIds", "Private subnets of the functions, separated by commas; empty for none", "",
                 is_list=True),
        Question("parameters", "SecurityGroupIds", "Security groups of the functions; empty for none", is_list=True),
        Question("parameters", "Throughput", "Throughput: small, medium or large", "small"),
        Question("parameters", "AlarmEmail", "E-mail address for alarms; empty for none"),
    ]


def ask(path: Path, template: Template, read: Callable[[str], str] = input) -> bool:
    """Asks, writes the file, and checks it. Keeps an existing one."""
    if path.exists():
        raise CommandError(f"{path} exists; edit it, or remove it first")
    region = boto3.Session().region_name or "eu-central-1"
    text = config.EXAMPLE.read_text()
    for question in questions(region):
        if question.table == "parameters" and question.key not in template.parameters:
            continue
        text = _answered(text, question, template, read)
    config.parse(tomllib.loads(text), template, path)
    path.write_text(text)
    print(f"wrote {path}; scripts/deploy check tests it, scripts/deploy --dry-run shows what it would create")
    return True


def _answered(text: str, question: Question, template: Template, read: Callable[[str], str]) -> str:
    """Asks until the answer is valid by itself; returns the file with it."""
    suffix = f" [{question.default}]" if question.default else ""
    name = f"{question.table}.{question.key}" if question.table else question.key
    while True:
        try:
            answer = read(f"{question.text}{suffix}: ").strip() or question.default
        except EOFError as error:
            raise CommandError(f"{name}: no answer; nothing was written") from error
        changed = with_setting(text, question, answer)
        problems = [
            problem for problem in config.problems(tomllib.loads(changed), template)
            # The other half of a pair is asked for next.
            if problem.startswith(f"{name}:") and config.HALF_OF_A_PAIR not in problem]
        if not problems:
            return changed
        print("\n".join(f"  {problem}" for problem in problems))


def with_setting(text: str, question: Question, answer: str) -> str:
    """Sets a key of the example, or leaves its line commented out if there is no answer."""
    pattern = re.compile(_COMMENTED.format(key=re.escape(question.key)), re.MULTILINE)
    value = json.dumps([one.strip() for one in answer.split(",")] if question.is_list else answer)
    empty = "[]" if question.is_list else '""'
    line = f"{question.key} = {value}" if answer else f"# {question.key} = {empty}"
    if not pattern.search(text):
        raise CommandError(f"{config.EXAMPLE} has no line for {question.key}")
    return pattern.sub(lambda _: line, text, count=1)
