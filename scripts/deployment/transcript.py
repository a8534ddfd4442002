"""A record of commands and their real output."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class Transcript:
    """Prints commands and output as they come, and writes them as Markdown at the end."""

    def __init__(self, path: Path | None, replacements: Mapping[str, str]):
        self._path = path
        # Folders of this machine, by what a reader knows them as. Longer ones first.
        self._replacements = replacements
        self._lines: list[str] = []
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, explanation: str) -> Iterator[None]:
        print(f"\n#### {name}: {explanation}", flush=True)
        self._lines += [f"## {name}", "", explanation, "", "```console"]
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)
        self._lines += ["```", ""]

    def run(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> tuple[str, int]:
        """Runs a command; returns its output, standard error included, and its exit status."""
        self._add("$ " + " ".join(command))
        with subprocess.Popen(
                [str(folder / command[0]), *command[1:]], cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            output = []
            for line in process.stdout:
                output.append(line)
                self._add(line.rstrip())
        if process.returncode != 0:
            self._add(f"[exit status {process.returncode}]")
        return "".join(output), process.returncode

    def write(self) -> None:
        if self._path is not None:
            self._path.write_text("\n".join(self._lines).rstrip() + "\n")

    def _add(self, line: str) -> None:
        for folder, name in self._replacements.items():
            line = line.replace(folder, name)
        print(line, flush=True)
        self._lines.append(line)
