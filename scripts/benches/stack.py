"""The local stack for benchmarks: up before, and down afterwards where it was not running."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local_stack import settings
from local_stack.settings import LOCAL, ROOT
from semantik import indexing, repository
from semantik.account import Account
from semantik.client import Client, File
from semantik.errors import CommandError
from semantik.indexing import Outcome
from semantik.transport import Http

SMALL = 12


@dataclass(frozen=True)
class Stack:
    """Where the parts are, and a user of them."""

    variables: dict[str, str]
    account: Account
    client: Client
    # Of cargo's, in which the functions were built.
    profile: str

    @classmethod
    @contextmanager
    def up(cls) -> Iterator[Stack]:
        command = [str(ROOT / "scripts" / "stack")]
        was_running = subprocess.run([*command, "status"], capture_output=True).returncode == 0
        if subprocess.run([*command, "up"], stdout=subprocess.DEVNULL).returncode != 0:
            raise CommandError("the stack does not start; run scripts/stack up")
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
        """A few documents, made once and kept."""
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


def _variables(printed: str) -> Iterator[tuple[str, str]]:
    import shlex

    for word in shlex.split(printed):
        name, found, value = word.partition("=")
        if found:
            yield name, value
