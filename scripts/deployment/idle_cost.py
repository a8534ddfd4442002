"""What a deployment costs while nothing happens, as scripts/cost computes it from the template."""

from __future__ import annotations

import json
import subprocess
from urllib.parse import urlsplit

from deployment.config import Config
from local_stack.settings import ROOT

COMMAND = ROOT / "scripts" / "cost"


def line(config: Config) -> str:
    """Returns the cost as one line."""
    setup = chosen_setup(config)
    overrides = [word for name, value in config.parameters.items() for word in ("--parameter", f"{name}={value}")]
    done = subprocess.run(
        [str(COMMAND), "--json", "--setup", setup, *overrides], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        return f"unknown: {done.stderr.strip()}"
    report = json.loads(done.stdout)
    costs = report["setups"][setup]["idle_month"]
    parts = ", ".join(f"{name} {cost:.2f}" for name, cost in costs.items() if cost and name != "total")
    return f"{costs['total']:.2f} USD a month ({parts}), computed for the set-up \"{setup}\" by scripts/cost"


def chosen_setup(config: Config) -> str:
    """Returns the set-up of scripts/cost that is nearest to a configuration."""
    if config.parameters.get("SubnetIds"):
        return "private"
    host = urlsplit(config.parameters.get("DatabaseUrl", "")).hostname or ""
    return "aurora" if ".rds." in host else "neon"
