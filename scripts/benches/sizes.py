"""The zipped package of each function in the release profile."""

from __future__ import annotations

import re
import subprocess

from benches.line import Line
from command_line import CommandError
from local_stack.build import uses_onnxruntime
from local_stack.settings import ROOT

BUDGET_MB = 15.0


def run() -> list[Line]:
    built = subprocess.run([ROOT / "scripts" / "build-lambda"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    print(built.stdout)
    found = re.findall(r"^(\w+)\s+([\d.]+) MB zipped", built.stdout, re.MULTILINE)
    if not found:
        raise CommandError("scripts/build-lambda failed")
    return [
        Line(f"size_{function}", float(megabytes), "MB zipped", at_most=True,
             target=None if uses_onnxruntime(function) else BUDGET_MB,
             note="with ONNX Runtime and the model" if uses_onnxruntime(function) else "")
        for function, megabytes in found
    ]
