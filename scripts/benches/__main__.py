"""Runs benchmarks by name, prints their table and, as the last line, their JSON."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path

from benches.line import Line
from command_line import CommandError
from semantik.command import heading, last_line, run

ALL = ("embed", "chunking", "cold_start", "search", "statements", "embed_stage", "hnsw")
KNOWN = (*ALL, "sizes")


def main() -> bool:
    names = [name for name in sys.argv[1:] if name != "all"] or list(ALL)
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise CommandError(f"benchmark: {', '.join(KNOWN)} are allowed, got {unknown[0]!r}")
    print(machine())
    lines: list[Line] = []
    failed = False
    for name in names:
        heading(name)
        try:
            lines += importlib.import_module(f"benches.{name}").run()
        except CommandError as error:
            print(f"  {name} failed: {error}")
            failed = True
    show(lines)
    last_line({line.name: line.json() for line in lines})
    return not failed


def machine() -> str:
    """Describes the machine and its load."""
    cpu, flags = platform.machine(), ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
        if line.startswith("flags"):
            flags = line
    features = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if f" {name}" in flags]
    load = os.getloadavg()[0]
    return f"{cpu}, {os.cpu_count()} processors, {' '.join(features)}; load {load:.1f} at the start"


def show(lines: list[Line]) -> None:
    heading("results")
    width = max((len(line.name) for line in lines), default=4)
    print(f"  {'':{width}} {'value':>10} {'unit':12} {'baseline':>10} {'ratio':>7} {'target':>8}")
    for line in lines:
        met = {True: "met", False: "NOT MET", None: ""}[line.met]
        target = "" if line.target is None else f"{'<=' if line.at_most else '>='} {line.target:g}"
        print(
            f"  {line.name:{width}} {_number(line.value):>10} {line.unit:12} {_number(line.baseline):>10}"
            f" {_number(line.ratio):>7} {target:>8}  {met:8}{line.note}"
        )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    run("scripts/bench", main)
