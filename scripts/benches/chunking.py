"""The chunker, compared with the text-splitter crate: same tokenizer, window and thread, in one run."""

from __future__ import annotations

import json
import subprocess

from benches.line import Line
from command_line import CommandError
from local_stack import build
from local_stack.settings import ROOT, target_dir


def run() -> list[Line]:
    build.models()
    # A separate workspace, which compiles little, in the release profile.
    manifest = ROOT / "scripts" / "chunking_bench" / "Cargo.toml"
    command = [
        "cargo", "run", "--quiet", "--release", "--manifest-path", str(manifest),
        "--target-dir", str(target_dir() / "bench"),
    ]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if ran.returncode != 0:
        raise CommandError("scripts/chunking_bench failed")
    *lines, last = ran.stdout.splitlines()
    for line in lines:
        print(f"  {line}")
    found = json.loads(last)["chunking"]
    return [Line(
        "chunking_vs_text_splitter", found["value"], found["unit"], found["baseline"], found["ratio"], found["target"],
        note="release profile")]
