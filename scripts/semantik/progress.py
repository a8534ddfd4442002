"""One line that moves on a terminal, and a line now and then where the output is kept."""

from __future__ import annotations

import sys
import time
from types import TracebackType

BAR_WIDTH = 28
KEPT_EVERY_SECONDS = 10


class Progress:
    """Use as a context manager: the line is finished at the end, whatever happens."""

    def __init__(self, label: str, total: int):
        self._label = label
        self._total = max(total, 1)
        self._started = time.monotonic()
        self._shown_at = 0.0
        self._done = 0
        self._note = ""
        self._moves = sys.stdout.isatty()

    def __enter__(self) -> Progress:
        self.show(0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._print(end="\n")

    def advance(self) -> None:
        self.show(self._done + 1)

    def show(self, done: int, note: str = "") -> None:
        """Sets how much is done, and what else there is to say."""
        now = time.monotonic()
        changed = (done, note) != (self._done, self._note)
        self._done, self._note = min(done, self._total), note
        if self._moves or (changed and now - self._shown_at >= KEPT_EVERY_SECONDS):
            self._shown_at = now
            self._print(end="" if self._moves else "\n")

    def say(self, message: str) -> None:
        """A line of its own above the bar."""
        print(f"\r\033[K  {message}" if self._moves else f"  {message}", flush=True)

    def _print(self, end: str) -> None:
        filled = self._done * BAR_WIDTH // self._total
        bar = "#" * filled + "-" * (BAR_WIDTH - filled)
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        start = "\r\033[K" if self._moves else ""
        note = f"  {self._note}" if self._note else ""
        line = f"  {self._label} [{bar}] {self._done}/{self._total}  {minutes}:{seconds:02}{note}"
        print(start + line, end=end, flush=True)
