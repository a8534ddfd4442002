"""scripts/memory: measures the peak memory of each function for small and large inputs."""

from __future__ import annotations

import argparse
import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from command_line import CommandError
from local_stack import functions
from local_stack.settings import load
from semantik.account import Account
from semantik.client import Client
from semantik.command import LOCAL, heading, last_line, run, variable
from semantik.http_client import Http
from semantik.large_documents import MEGABYTE, PARAGRAPH, WRITERS
from semantik.progress_bar import ProgressBar

MEASURED = ("api", "scan", "extract", "chunk", "embed", "sweep")
# Pairs that are compared: small, large.
PAIRS = (("documents-100", "documents-10000"), ("size-1", "size-100"),
         *((f"{kind}-1", f"{kind}-500") for kind in WRITERS))
TOLERANCE = 1.2
SAMPLE_SECONDS = 0.2


@dataclass
class Peaks:
    """Samples the peak memory of the processes of each function, in MiB."""

    of: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Peaks:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        for name, pids in functions.running(load()).items():
            for pid in pids:
                self.of[name] = max(self.of.get(name, 0), peak(pid))


def peak(pid: int) -> float:
    """Returns VmHWM, the peak resident memory of a process, in MiB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


def main() -> bool:
    known = [scenario for pair in PAIRS for scenario in pair]
    parser = argparse.ArgumentParser(prog="scripts/memory", add_help=False)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    chosen = parser.parse_args().scenarios or known
    if unknown := [scenario for scenario in chosen if scenario not in known]:
        raise CommandError(f"scenario: {', '.join(known)} are allowed, got {unknown[0]}")
    http = Http()
    account = Account(http, variable("API_URL"), LOCAL / "memory.json", "memory")
    account.sign_in()
    client = Client(http, variable("API_URL"), account)

    measured: dict[str, dict[str, float]] = {}
    for scenario in chosen:
        heading(scenario)
        folder = Path(variable("DIRECTORY_ROOT")) / f"memory-{scenario}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        documents = write(scenario, folder)
        measured[scenario] = measure(client, scenario, folder, documents)
        shutil.rmtree(folder)
    grown = table(measured)
    peaks_mib = {
        scenario: {name: round(peak, 1) for name, peak in peaks.items()} for scenario, peaks in measured.items()}
    last_line({"peak_mib": peaks_mib, "grown": grown})
    return not grown


def write(scenario: str, folder: Path) -> int:
    """Writes the files of a scenario; returns their number."""
    kind, _, size = scenario.partition("-")
    if kind == "size":
        # Repeated: the model embeds equal chunks of a batch once, so a run takes minutes, while every stage still
        # transfers all of them.
        text = f"{scenario}\n\n" + (PARAGRAPH + "\n\n") * (int(size) * MEGABYTE // len(PARAGRAPH))
        (folder / "large.txt").write_text(text)
        return 1
    if writer := WRITERS.get(kind):
        writer(folder / f"large.{kind}", int(size) * MEGABYTE)
        return 1
    for number in range(int(size)):
        (folder / f"{number:05}.txt").write_text(f"Note {number}. {PARAGRAPH}\n\n")
    return int(size)


def measure(client: Client, scenario: str, folder: Path, documents: int) -> dict[str, float]:
    # Embedding what a large document holds would take an hour, and is measured with size-100.
    until_chunked = scenario.partition("-")[0] in WRITERS
    name = f"{scenario} {secrets.token_hex(4)}"
    collection, _ = client.ensure_collection(name, description="created by scripts/memory")
    while client.operations(collection["id"], "pending,processing"):
        time.sleep(0.2)
    for name in MEASURED:
        functions.stop(load(), name, kill=False)
    began = time.monotonic()
    with Peaks() as peaks, ProgressBar(scenario, documents) as progress:
        operation = client.add_source(collection["id"], "directory", {"path": str(folder)})
        while operation["status"] in ("pending", "processing"):
            operation = client.operation(operation["id"], wait_seconds=5)
            progress.show(operation["progress"]["done"])
            if until_chunked and is_chunked(operation["progress"]):
                break
    if until_chunked:
        finish_early(client, collection["id"], operation)
        print(f"  chunked in {time.monotonic() - began:.0f} s")
        return {name: peaks.of.get(name, 0.0) for name in MEASURED}
    counts: dict[str, Any] = operation["meta"].get("counts", {})
    if operation["status"] != "completed" or counts.get("new") != documents:
        reason = operation["error_message"] or counts
        raise CommandError(f"{scenario} ended with status {operation['status']}: {reason}")
    row = client.collection(collection["id"])
    print(f"  {row['vector_count']} chunks in {time.monotonic() - began:.0f} s")
    client.delete_collection(collection["id"])
    return {name: peaks.of.get(name, 0.0) for name in MEASURED}


def is_chunked(progress: dict[str, Any]) -> bool:
    """Whether every document is beyond the stages that are measured."""
    states = progress["by_state"]
    return progress["is_listed"] and progress["total"] > 0 and not states["listed"] and not states["staged"]


def finish_early(client: Client, collection_id: str, operation: dict[str, Any]) -> None:
    """Cancels an operation whose documents are chunked, and deletes its collection."""
    progress = operation["progress"]
    if progress["by_state"]["failed"] or operation["status"] == "failed":
        documents = list(client.documents(collection_id, status="failed"))
        reason = documents[0]["error_message"] if documents else operation["error_message"]
        raise CommandError(f"a document failed: {reason}")
    if operation["status"] in ("pending", "processing"):
        client.cancel(operation["id"])
        client.wait_for_operation(operation["id"])
    client.delete_collection(collection_id)


def table(measured: dict[str, dict[str, float]]) -> list[str]:
    """Prints the peaks of each pair; returns the functions whose peak grows too much."""
    grown = []
    for small, large in PAIRS:
        if small not in measured or large not in measured:
            continue
        heading(f"peak memory in MiB: {small}, {large}")
        for name in MEASURED:
            low, high = measured[small][name], measured[large][name]
            ratio = high / low if low else 0.0
            mark = "" if ratio <= TOLERANCE else "  more than a fifth"
            if mark:
                grown.append(f"{name} {large}")
            print(f"  {name:7} {low:8.1f} {high:8.1f}   × {ratio:.2f}{mark}")
    return grown


if __name__ == "__main__":
    run("scripts/memory", main)
