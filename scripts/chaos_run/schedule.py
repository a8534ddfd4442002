"""Which faults come when: all of it follows from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

# The stages whose processes are killed, and how often compared with the others.
FUNCTIONS = {"scan": 3, "chunk": 3, "embed": 4, "intake": 1, "api": 1, "sweep": 1}
QUEUES = ("scan", "chunk", "embed")

# Kind of fault -> its weight. What is behind a colon says whom it hits.
KINDS: dict[str, int] = {
    **{f"kill function: {name}": weight for name, weight in FUNCTIONS.items()},
    "kill: postgres": 2,
    "kill: qdrant": 2,
    "kill: emulator": 2,
    "restart: postgres": 1,
    "restart: qdrant": 1,
    "restart: emulator": 1,
    **{f"messages dropped: {queue}": 1 for queue in QUEUES},
    **{f"messages duplicated: {queue}": 1 for queue in QUEUES},
    **{f"messages late and out of order: {queue}": 1 for queue in QUEUES},
    **{f"messages dead-lettered: {queue}": 1 for queue in QUEUES},
    "dead-letter queue filled": 2,
    "upload events dropped": 1,
    "upload events dead-lettered": 1,
    "S3 answers errors": 2,
    "S3 answers lost": 2,
    "S3 stalls": 1,
    "SQS answers errors": 2,
    "SQS answers lost": 2,
    "PostgreSQL connections cut": 2,
    "PostgreSQL answers lost": 2,
    "PostgreSQL refuses": 1,
    "PostgreSQL stalls": 1,
    "Qdrant connections cut": 2,
    "Qdrant answers lost": 2,
    "Qdrant refuses": 1,
    "Qdrant stalls": 1,
}
# They cost much more time than the others: left out where a run must be quick.
SLOW = {
    "restart: emulator", "upload events dropped", "upload events dead-lettered", "messages dropped: scan", "messages dropped: chunk",
    "messages dropped: embed", "PostgreSQL stalls", "Qdrant stalls",
}
# When something is uploaded at all.
UPLOAD_PHASES = ("index", "change")
# Nobody knows more of the work than this share of it when a phase begins.
LATEST = 0.85


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    number: int
    kind: str
    phase: str
    # After this share of the requests that the phase takes without faults.
    at: float

    @property
    def name(self) -> str:
        return self.kind.partition(":")[0]

    @property
    def whom(self) -> str:
        return self.kind.partition(": ")[2]


def make(seed: int, count: int, phases: dict[str, int], is_quick: bool) -> list[Fault]:
    """`count` faults over the phases, more to those with more requests; in the order in which they come."""
    chooser = random.Random(f"faults {seed}")
    kinds = {kind: weight for kind, weight in KINDS.items() if not (is_quick and kind in SLOW)}
    faults = []
    # No kind comes a second time before half of them have come once.
    recent: list[str] = []
    for number in range(count):
        # Short phases get more than their share: what they do is done nowhere else.
        phase = chooser.choices(list(phases), weights=[requests**0.5 for requests in phases.values()])[0]
        open_kinds = {
            kind: weight for kind, weight in kinds.items()
            if kind not in recent and (not kind.startswith("upload events") or phase in UPLOAD_PHASES)
        }
        kind = chooser.choices(list(open_kinds), weights=list(open_kinds.values()))[0]
        recent = [*recent, kind][-len(kinds) // 2 :]
        faults.append(Fault(number, kind, phase, round(chooser.uniform(0.02, LATEST), 3)))
    order = list(phases)
    return sorted(faults, key=lambda fault: (order.index(fault.phase), fault.at))
