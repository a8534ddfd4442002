"""scripts/idle: what an idle installation asks of its database.

An hour takes two minutes: the hourly schedule becomes one of two minutes, and what the functions wait for is divided by
the same number. The server's log names every session and every statement with its time, so nothing is sampled.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos_run.lab import Lab
from command_line import CommandError
from local_stack import postgres, processes
from local_stack.settings import LOCAL
from semantik.account import Account
from semantik.client import Client, File
from semantik.command import heading, last_line, run
from semantik.http_client import Http

# The schedules of the template that may wake the database.
SCHEDULES = {"rate(1 hour)"}
FACTOR = 30
HOUR_SECONDS = 3600 / FACTOR
HOURLY = f"rate({int(HOUR_SECONDS / 60)} minutes)"
# Of a minute while there is work. The minute after which sessions end is not compressed: none may be left over then.
COMPRESSED = {"SWEEP_INTERVAL_SECONDS": str(60 // FACTOR)}
FUNCTIONS = ("Api", "Search", "Intake", "Scan", "Extract", "Recognize", "Chunk", "Embed", "Notify", "Sweep")
# How long a run of sweep may take on a busy machine, with the end of its session.
RUN_SECONDS = 20.0
QUIET_SECONDS = 300

# log_line_prefix: time, database, process.
PREFIX = "%n|%d|%p|"
_LINE = re.compile(r"^(?P<time>\d+\.\d+)\|(?P<database>[^|]*)\|(?P<process>\d+)\|(?P<level>[A-Z]+):  (?P<text>.*)")
_OPENED = re.compile(r"connection authorized: .*application_name=semantik\b")


@dataclass
class Sessions:
    """The sessions of the functions, and the times of their statements."""

    opened: dict[str, float] = field(default_factory=dict)
    ended: list[tuple[float, float]] = field(default_factory=list)
    statements: list[float] = field(default_factory=list)

    def read(self, lines: Iterator[str]) -> None:
        """Adds what further lines of the server's log say."""
        for line in lines:
            match = _LINE.match(line)
            if match is None:
                continue
            at, process, text = float(match["time"]), match["process"], match["text"]
            if _OPENED.match(text):
                self.opened[process] = at
            elif process in self.opened:
                if text.startswith("disconnection:"):
                    self.ended.append((self.opened.pop(process), at))
                elif text.startswith(("statement:", "execute ")):
                    self.statements.append(at)

    def busy(self, begin: float, end: float) -> list[tuple[float, float]]:
        """The times between two others in which there is a session, one after the other."""
        spans = [*self.ended, *((at, end) for at in self.opened.values())]
        spans = sorted((max(first, begin), min(last, end)) for first, last in spans if first < end and last > begin)
        merged: list[tuple[float, float]] = []
        for first, last in spans:
            if merged and first <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return merged


def evaluate(sessions: Sessions, begin: float, hours: int) -> dict[str, Any]:
    """What the database had to do in so many hours after `begin`, and what is wrong with that."""
    end = begin + hours * HOUR_SECONDS
    busy = sessions.busy(begin, end)
    statements = [at for at in sessions.statements if begin <= at < end]
    # The first session of each hour is that of the hourly run.
    runs: list[float] = []
    for first, _ in busy:
        if not runs or first - runs[-1] > HOUR_SECONDS - RUN_SECONDS:
            runs.append(first)

    def is_hourly(first: float, last: float) -> bool:
        return any(run <= first and last <= run + RUN_SECONDS for run in runs)

    outside = [span for span in busy if not is_hourly(*span)]
    outside_statements = [at for at in statements if not is_hourly(at, at)]
    return {
        "hours": hours, "hourly_runs": len(runs), "sessions": len(busy), "statements": len(statements),
        "seconds_with_sessions": round(sum(last - first for first, last in busy), 1),
        "sessions_outside": len(outside), "statements_outside": len(outside_statements),
        "is_idle": not outside and not outside_statements and hours - 1 <= len(runs) <= hours + 1 and bool(statements),
    }


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/idle")
    parser.add_argument("--hours", type=int, default=2)
    options = parser.parse_args()
    heading("a stack of its own")
    with Lab() as lab:
        log = _log_sessions(lab)
        _check_schedules(lab)
        _compress(lab)
        heading("a document is indexed and found")
        _work(lab)
        sessions = Sessions()
        _until_quiet(sessions, log)
        heading(f"{options.hours} idle hours, of {HOUR_SECONDS:.0f} s each")
        begin = time.time()
        time.sleep(options.hours * HOUR_SECONDS)
        sessions.read(log)
        result = evaluate(sessions, begin, options.hours)
    last_line(result)
    return bool(result["is_idle"])


def _check_schedules(lab: Lab) -> None:
    rules = lab.client("events").list_rules()["Rules"]
    found = sorted(rule["ScheduleExpression"] for rule in rules if rule.get("ScheduleExpression"))
    if set(found) != SCHEDULES or len(found) != len(SCHEDULES):
        raise CommandError(f"the schedules {found} wake the database; only {sorted(SCHEDULES)} may")


def _compress(lab: Lab) -> None:
    events, functions = lab.client("events"), lab.client("lambda")
    for rule in events.list_rules()["Rules"]:
        events.put_rule(Name=rule["Name"], ScheduleExpression=HOURLY, State="ENABLED")
    for name in FUNCTIONS:
        function = lab.function(name)
        variables = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=function, Environment={"Variables": variables | COMPRESSED})


def _work(lab: Lab) -> None:
    http = Http(retry_seconds=60)
    account = Account(http, lab.api_url, LOCAL / "account.json", "idle")
    account.sign_in()
    client = Client(http, lab.api_url, account)
    collection_id = client.ensure_collection("idle")[0]["id"]
    client.upload(collection_id, [File("moon.txt", b"The Moon pulls the sea, and the tide comes in.")])
    if not lab.wait(lambda: client.documents_total(collection_id, "completed") == 1, 180):
        raise CommandError("the document was not indexed within three minutes")
    if not client.search(collection_id, "what moves the sea?", 1)[0]["results"]:
        raise CommandError("the document was not found")


def _log_sessions(lab: Lab) -> Iterator[str]:
    """Has the server log sessions and statements from now on; returns the lines that it writes, again and again."""
    settings = {
        "log_line_prefix": PREFIX, "log_connections": "on", "log_disconnections": "on", "log_statement": "all",
        "log_min_messages": "warning",
    }
    for name, value in settings.items():
        # One statement each: ALTER SYSTEM runs in no transaction.
        lab.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    lab.execute("SELECT pg_reload_conf()")
    return _Lines(processes.LOGS / f"{postgres.PART}.log")


class _Lines(Iterator[str]):
    """The lines of a file from now on. Ends at each time's end of the file, and goes on when it is asked again."""

    def __init__(self, path: Path):
        self._file = path.open(errors="replace")
        self._file.seek(0, 2)
        self._rest = ""

    def __next__(self) -> str:
        line = self._rest + self._file.readline()
        if not line.endswith("\n"):
            self._rest = line
            raise StopIteration
        self._rest = ""
        return line.rstrip("\n")


def _until_quiet(sessions: Sessions, log: Iterator[str]) -> None:
    """Waits until the functions have no session, for longer than sweep waits between two runs."""
    quiet_since = time.monotonic()

    def is_quiet() -> bool:
        nonlocal quiet_since
        sessions.read(log)
        if sessions.opened:
            quiet_since = time.monotonic()
        return time.monotonic() - quiet_since > 10

    if not processes.wait_until(is_quiet, QUIET_SECONDS, every_seconds=0.5):
        raise CommandError(f"the functions still have {len(sessions.opened)} sessions after {QUIET_SECONDS} s")


if __name__ == "__main__":
    run("scripts/idle", main)
