"""scripts/chaos: runs the same scenario with and without faults, and compares the results."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from chaos_run import corpus as corpora
from chaos_run import fault_points, schedule, state
from chaos_run.corpus import Corpus
from chaos_run.faults import Injector, table
from chaos_run.lab import Lab
from chaos_run.state import Verdict
from chaos_run.story import Story, Stuck
from command_line import CommandError
from local_stack.settings import LOCAL, ROOT
from semantik.command import heading, last_line, run

# Seeds share a few corpora, because each corpus needs a run without faults.
CORPORA = 4
DOCUMENTS = 500
SHORT_DOCUMENTS = 40
# So that most faults of a run do not coincide.
DOCUMENTS_PER_FAULT = 25
REFERENCES = LOCAL.parent / "chaos-references"


def main() -> bool:
    options = _options()
    heading("a stack with proxies between its functions and everything else")
    with Lab() as lab:
        are_recovered = not (options.fault_points or options.short) or fault_points.run(lab, options.short)
        is_same = (options.fault_points and not options.short) or _run_seeds(lab, options)
        return are_recovered and is_same


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=_seeds)
    parser.add_argument("--documents", type=int)
    parser.add_argument("--faults", type=int)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--fault-points", action="store_true")
    options = parser.parse_args()
    options.seeds = options.seeds or [options.seed]
    options.documents = options.documents or (SHORT_DOCUMENTS if options.short else DOCUMENTS)
    options.faults = options.faults or max(8, options.documents // DOCUMENTS_PER_FAULT)
    return options


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def _run_seeds(lab: Lab, options: argparse.Namespace) -> bool:
    results = []
    hit: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for seed in options.seeds:
        corpus = corpora.make(seed % CORPORA, options.documents, ROOT)
        reference = _reference(lab, corpus)
        heading(f"seed {seed}: {options.faults} faults while {corpus.documents} documents are indexed and changed")
        injector = Injector(
            lab, schedule.make(seed, options.faults, reference["requests"], options.short), reference["requests"], seed)
        began = time.monotonic()
        verdict, retried = _with_faults(lab, corpus, seed, injector, reference["state"])
        for line in [*state.report(verdict), *table(injector.hit, injector.missed)]:
            print(line, flush=True)
        print(f"  {time.monotonic() - began:.0f} s, {retried} retries of dead-lettered work", flush=True)
        hit += injector.hit
        missed += injector.missed
        results.append({
            "seed": seed, "faults": injector.hit.total(), "documents": corpus.documents, **verdict.counts(),
        })
        print(json.dumps(results[-1]), flush=True)
    if len(results) > 1:
        heading(f"all {len(results)} seeds")
        print("\n".join(table(hit, missed)), flush=True)
        total: dict[str, Any] = {name: sum(one[name] for one in results) for name in results[0] if name != "seed"}
        last_line({"seeds": len(results), **total})
    return all(not one[name] for one in results for name in Verdict().counts())


def _with_faults(
    lab: Lab, corpus: Corpus, seed: int, injector: Injector, reference: dict[str, Any],
) -> tuple[Verdict, int]:
    verdict = Verdict()
    story = Story(lab, corpus, f"seed {seed}")
    try:
        for phase, act in story.phases.items():
            injector.begin(phase)
            act()
            story.settle(lambda: injector.is_done, injector.hurry)
        state.compare(state.capture(lab, story, verdict), reference, verdict)
        story.delete()
        story.settle(lambda: True, lambda: None)
        _check_nothing_is_left(lab, verdict)
    except Stuck as stuck:
        verdict.stuck.append(str(stuck))
    return verdict, story.retried


def _reference(lab: Lab, corpus: Corpus) -> dict[str, Any]:
    """Returns the result without faults and the number of requests per phase, kept per corpus and build."""
    key = hashlib.sha256(f"{corpus.digest()} {lab.packages_digest} {_own_digest()}".encode()).hexdigest()[:24]
    path = REFERENCES / f"{key}.json"
    if path.exists():
        known: dict[str, Any] = json.loads(path.read_text())
        return known
    heading(f"corpus {corpus.number} without faults: {corpus.documents} documents")
    verdict = Verdict()
    story = Story(lab, corpus, f"corpus {corpus.number}")
    requests = {}
    for phase, act in story.phases.items():
        before, began = lab.aws.requests, time.monotonic()
        act()
        story.settle(lambda: True, lambda: None)
        requests[phase] = lab.aws.requests - before
        print(f"  {phase}: {requests[phase]} requests, {time.monotonic() - began:.1f} s", flush=True)
    reference = {"requests": requests, "state": state.capture(lab, story, verdict)}
    story.delete()
    story.settle(lambda: True, lambda: None)
    _check_nothing_is_left(lab, verdict)
    if not verdict.is_clean:
        raise CommandError("problems without any fault:\n" + "\n".join(state.report(verdict)))
    statuses = Counter(document.get("status", "deleted") for document in reference["state"]["documents"].values()
                       if isinstance(document, dict))
    print(f"  {dict(statuses)}, {len(reference['state']['points'])} points", flush=True)
    REFERENCES.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(reference))
    return reference


def _check_nothing_is_left(lab: Lab, verdict: Verdict) -> None:
    """Adds what is left after the deletion of all collections to the verdict."""
    verdict.duplicated += [f"object {key}: its collection is deleted" for key in lab.objects()]
    verdict.duplicated += [f"point {point['id']}: its collection is deleted" for point in lab.points()]
    rows = lab.query(
        "SELECT json_build_object('collections', (SELECT count(*) FROM collections), "
        "'documents', (SELECT count(*) FROM documents), 'operations', (SELECT count(*) FROM operations))")
    verdict.duplicated += [
        f"{count} {name} after the deletion of all collections" for name, count in rows.items() if count]


def _own_digest() -> str:
    """Returns a digest of the scenario, which is part of the key of a reference."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for name in ("corpus.py", "story.py", "state.py", "lab.py"):
        digest.update((here / name).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    run("scripts/chaos", main)
