"""A progress bar on a terminal; in files and pipes, a line every ten seconds."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeElapsedColumn

LINE_EVERY_SECONDS = 10


class ProgressBar:
    """A context manager, at whose end the last state is shown."""

    def __init__(self, label: str, total: int):
        self._console = Console(highlight=False)
        self._bar = Progress(
            TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"), console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task(label, total=total, note="")
        self._printed_at = time.monotonic()
        self._printed: tuple[float, str] | None = None

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if self._bar.disable and (self._state.completed, self._state.fields["note"]) != self._printed:
            self._print()

    def advance(self) -> None:
        self.show(int(self._state.completed) + 1)

    def show(self, done: int, note: str = "") -> None:
        """Sets how much is done, and a note beside it."""
        changed = (done, note) != (self._state.completed, self._state.fields["note"])
        self._bar.update(self._task, completed=min(done, int(self._state.total or 0)), note=note)
        if self._bar.disable and changed and time.monotonic() - self._printed_at >= LINE_EVERY_SECONDS:
            self._print()

    def say(self, message: str) -> None:
        """Prints a line above the bar."""
        self._console.print(f"  {message}", markup=False, soft_wrap=True)

    @property
    def _state(self) -> Task:
        return self._bar.tasks[0]

    def _print(self) -> None:
        self._printed_at = time.monotonic()
        self._printed = (self._state.completed, self._state.fields["note"])
        minutes, seconds = divmod(int(self._state.elapsed or 0), 60)
        state = f"{self._state.description} {int(self._state.completed)}/{int(self._state.total or 0)}"
        print(f"  {state}  {minutes}:{seconds:02}  {self._state.fields['note']}".rstrip(), flush=True)
