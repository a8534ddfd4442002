"""scripts/cost: what a deployment costs."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import command_line
from costing import template
from costing.model import SETUPS, Costs, Model, load

ROOT = Path(__file__).resolve().parents[2]
_TABLE = re.compile(r"(<!-- scripts/cost --write -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> bool:
    options = _options()
    model = Model(
        deployment=template.read(ROOT / "template.yaml", options.parameter),
        prices=load(options.prices), usage=load(options.usage),
        zones=options.zones, has_nat=options.nat, has_free_tier=not options.no_free_tier,
    )
    report = _report(model, options)
    if options.write or options.check:
        return _update_readme(_table(report), options.check)
    if options.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        _print(report)
    return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/cost")
    parser.add_argument("--documents", type=_count, default=1_000_000)
    parser.add_argument("--searches", type=_count, default=100_000)
    parser.add_argument("--setup", choices=SETUPS, action="append")
    parser.add_argument("--parameter", type=_parameter, action="append", default=[])
    parser.add_argument("--prices", type=Path, default=ROOT / "infra" / "prices.toml")
    parser.add_argument("--usage", type=Path, default=ROOT / "infra" / "usage.toml")
    parser.add_argument("--zones", type=_count, default=1)
    parser.add_argument("--nat", action="store_true")
    parser.add_argument("--no-free-tier", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    options.parameter = dict(options.parameter)
    options.setup = options.setup or list(SETUPS)
    return options


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"1 or more, got {text}")
    return number


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"NAME=VALUE, got {text}")
    return name, value


def _report(model: Model, options: argparse.Namespace) -> dict[str, Any]:
    setups = {}
    for setup in options.setup:
        setups[setup] = {
            "idle_month": _rounded(model.idle(setup)),
            "per_1000_documents": _rounded(model.documents(1000, setup), 4),
            "documents": _rounded(model.documents(options.documents, setup)),
            "documents_month": _rounded(model.storage(options.documents, setup)),
            "searches": _rounded(model.searches(options.searches)),
        }
    standard, fifo = model.polling_requests()
    return {
        "prices": model.prices["date"], "region": model.prices["region"],
        "documents": options.documents, "searches": options.searches, "setups": setups,
        "polling_requests_month": round(standard + fifo),
        "indexing_hours": round(model.indexing_hours(options.documents), 1),
        "hours_month": model.prices["hours_per_month"],
        "qdrant_gb": round(model.qdrant_gb(options.documents), 1),
        "aurora_awake_hours_idle": round(model.awake_hours("aurora"), 1),
    }


def _rounded(costs: Costs, digits: int = 2) -> dict[str, float]:
    return {name: round(cost, digits) for name, cost in costs.items()} | {"total": round(sum(costs.values()), digits)}


def _table(report: dict[str, Any]) -> str:
    parts = {
        "idle_month": "idle, a month", "per_1000_documents": "1,000 documents",
        "documents": f"{report['documents']:,} documents", "documents_month": "keeping them, a month",
        "searches": f"{report['searches']:,} searches",
    }
    rows = [["US dollars", *parts.values()], ["---"] * (len(parts) + 1)]
    rows += [[setup, *(f"{costs[part]['total']:.2f}" for part in parts)] for setup, costs in report["setups"].items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _update_readme(table: str, is_check: bool) -> bool:
    """Writes the table into README.md, or returns whether it is there."""
    path = ROOT / "README.md"
    before = path.read_text()
    after = _TABLE.sub(lambda match: f"{match[1]}{table}\n{match[2]}", before)
    if not is_check:
        path.write_text(after)
    elif after != before:
        print("the cost table in README.md is not that of template.yaml; run scripts/cost --write")
    return not is_check or after == before


def _print(report: dict[str, Any]) -> None:
    print(f"{report['region']}, list prices as known on {report['prices']} (infra/prices.toml)\n")
    print(_table(report))
    for setup, costs in report["setups"].items():
        print(f"\n{setup}: {SETUPS[setup]}")
        for part, title in (("idle_month", "idle, a month"), ("documents", "documents"), ("searches", "searches")):
            print(f"  {title}: " + ", ".join(f"{name} {cost:.2f}" for name, cost in costs[part].items() if cost))
    print(f"\nIdle, Lambda polls the queues {report['polling_requests_month']:,} times a month, and Aurora is awake "
          f"for {report['aurora_awake_hours_idle']} of {report['hours_month']} hours.")
    print(f"Indexing takes {report['indexing_hours']} hours with all embed functions busy (parameter Throughput), and "
          f"Qdrant needs {report['qdrant_gb']} GB afterwards: its price is not included.")


if __name__ == "__main__":
    command_line.run("scripts/cost", main)
