"""The local stack for benchmarks, which is stopped afterwards if it was not running before."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_line import CommandError
from local_stack import settings
from local_stack.settings import LOCAL, ROOT, target_dir
from semantik import indexing, repository
from semantik.account import Account
from semantik.client import Client, File
from semantik.http_client import Http
from semantik.indexing import Outcome

SMALL = 12


@dataclass(frozen=True)
class Stack:
    """A running stack and a user session."""

    variables: dict[str, str]
    account: Account
    client: Client
    # The cargo profile of the functions.
    profile: str

    @classmethod
    @contextmanager
    def up(cls) -> Iterator[Stack]:
        command = [str(ROOT / "scripts" / "stack")]
        was_running = subprocess.run([*command, "status"], capture_output=True).returncode == 0
        if subprocess.run([*command, "up"], stdout=subprocess.DEVNULL).returncode != 0:
            raise CommandError("scripts/stack up failed; run it to see why")
        try:
            printed = subprocess.run([*command, "env"], capture_output=True, text=True, check=True).stdout
            variables = dict(_variables(printed))
            os.environ.update(variables)
            http = Http(notify=lambda message: print(f"  {message}", flush=True))
            account = Account(http, variables["API_URL"], LOCAL / "bench.json", "bench")
            account.sign_in()
            yield cls(variables, account, Client(http, variables["API_URL"], account), settings.load().profile)
        finally:
            if not was_running:
                subprocess.run([*command, "down"], stdout=subprocess.DEVNULL)

    def small_collection(self) -> dict[str, Any]:
        """Returns a collection with a few documents, which is created once and kept."""
        collection, is_new = self.client.ensure_collection("bench small")
        if is_new:
            self.index(collection, repository.files(ROOT)[:SMALL])
        return collection

    def fresh_collection(self, **chosen: Any) -> dict[str, Any]:
        collection, _ = self.client.ensure_collection(f"bench {secrets.token_hex(4)}", **chosen)
        return collection

    def index(self, collection: dict[str, Any], files: list[File]) -> Outcome:
        self.client.upload(collection["id"], files)
        return indexing.wait(self.client, collection["id"], files)


def build_example(name: str) -> Path:
    """Builds an example program of the workspace; returns its path."""
    if subprocess.run(["cargo", "build", "--quiet", "--workspace", "--example", name], cwd=ROOT).returncode != 0:
        raise CommandError(f"cargo build --example {name} failed")
    return target_dir() / "debug" / "examples" / name


def _variables(printed: str) -> Iterator[tuple[str, str]]:
    for word in shlex.split(printed):
        name, found, value = word.partition("=")
        if found:
            yield name, value
