"""Runs the journeys and prints what they found."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from playwright.sync_api import Error

from command_line import run
from console_journeys import administrator, newcomer, owner, programs
from console_journeys.browser import opened

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "docs" / "console"
JOURNEYS = {
    "newcomer": newcomer.journey, "owner": owner.journey, "programs": programs.journey,
    "administrator": administrator.journey,
}


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/console-journeys", add_help=False)
    parser.add_argument("--screenshots", action="store_true")
    options = parser.parse_args()
    # With the slash: the URLs of the page are relative to it.
    url = os.environ["API_URL"].rstrip("/") + "/"
    seconds, views, problems = {}, 0, []
    for name, journey in JOURNEYS.items():
        with opened(url, SCREENSHOTS if options.screenshots else None) as console:
            began = time.monotonic()
            try:
                journey(console)
            except (AssertionError, Error) as error:
                problems.append(f"{name}: {error}")
            seconds[name] = round(time.monotonic() - began, 1)
            views += len(console.views)
            problems += [f"{name}: {problem}" for problem in (*console.findings, *console.errors)]
        print(f"{name:12} {seconds[name]:6.1f} s  {len(console.views)} views")
    for problem in problems:
        print(problem)
    print(json.dumps({"journeys": seconds, "views": views, "findings": len(problems)}))
    return not problems


if __name__ == "__main__":
    run("scripts/console-journeys", main)
