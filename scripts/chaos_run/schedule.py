"""Chooses faults and their times from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

# The functions whose processes are killed, with weights.
FUNCTIONS = {"scan": 3, "chunk": 3, "embed": 4, "intake": 1, "api": 1, "sweep": 1}
QUEUES = ("scan", "chunk", "embed")

# Kind of fault -> weight. The target is after the colon.
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
    "S3 fails": 2,
    "S3 responses lost": 2,
    "S3 stalls": 1,
    "SQS fails": 2,
    "SQS responses lost": 2,
    "PostgreSQL connections cut": 2,
    "PostgreSQL responses lost": 2,
    "PostgreSQL refuses": 1,
    "PostgreSQL stalls": 1,
    "Qdrant connections cut": 2,
    "Qdrant responses lost": 2,
    "Qdrant refuses": 1,
    "Qdrant stalls": 1,
}
# Kinds that take much longer than others; excluded from short runs.
SLOW = {
    "restart: emulator", "upload events dropped", "upload events dead-lettered", "messages dropped: scan",
    "messages dropped: chunk", "messages dropped: embed", "PostgreSQL stalls", "Qdrant stalls",
}
# The phases with uploads.
UPLOAD_PHASES = ("index", "change")
# Latest time of a fault, as a share of the requests of a phase, whose number varies between runs.
LATEST = 0.85


@dataclass(frozen=True)
class Fault:
    """One fault and its time."""

    number: int
    kind: str
    phase: str
    # Share of the requests that the phase has without faults.
    at: float

    @property
    def name(self) -> str:
        return self.kind.partition(":")[0]

    @property
    def target(self) -> str:
        return self.kind.partition(": ")[2]


def make(seed: int, count: int, phases: dict[str, int], is_short: bool) -> list[Fault]:
    """Returns `count` faults, ordered by time; phases with more requests have more of them."""
    chooser = random.Random(f"faults {seed}")
    kinds = {kind: weight for kind, weight in KINDS.items() if not (is_short and kind in SLOW)}
    faults = []
    # A kind is repeated only after half of the others.
    recent: list[str] = []
    for number in range(count):
        # Short phases have more than their share, because no other phase does the same.
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
