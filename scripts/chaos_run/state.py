"""The result of a scenario, and how two results differ."""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy

from chaos_run.lab import Lab
from chaos_run.story import Story

# The namespace of point ids in the crate domain.
POINTS = uuid.UUID("0d6f6f5c-3c34-5f0e-8a55-6f0a7c2b4d22")
# The last bits of a vector depend on the other texts of its batch.
MIN_COSINE = 0.9999
SCORE_TOLERANCE = 0.002
RESULTS = 10
SHOWN = 8

ROWS = """
SELECT json_build_object(
    'documents', (SELECT coalesce(json_agg(json_build_object(
        'id', d.id, 'uri', d.uri, 'source', s.source_path, 'size', d.file_size, 'mime_type', d.mime_type,
        'hash', d.content_hash, 'status', d.status, 'reason', d.error_message, 'category', d.error_category,
        'chunks', d.chunk_count, 'generation', d.generation, 'stale', d.is_stale, 'deletion', d.deletion_reason)), '[]')
        FROM documents d LEFT JOIN collection_sources s ON s.id = d.source_id WHERE d.collection_id = '{id}'),
    'collection', (SELECT json_build_object(
        'status', status, 'message', status_message, 'documents', document_count, 'vectors', vector_count,
        'bytes', total_size_bytes, 'store', vector_store_name) FROM collections WHERE id = '{id}'),
    'sources', (SELECT coalesce(json_agg(json_build_object(
        'path', source_path, 'type', source_type, 'documents', document_count, 'bytes', size_bytes,
        'run', last_run_status) ORDER BY source_path), '[]') FROM collection_sources WHERE collection_id = '{id}'),
    'collections', (SELECT json_agg(id) FROM collections)
)"""


@dataclass
class Verdict:
    """Problems by kind."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    # What the integrity route finds.
    mismatches: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not any(self.all().values())

    def all(self) -> dict[str, list[str]]:
        return {
            "lost": self.lost, "duplicated": self.duplicated, "stuck": self.stuck, "different": self.different,
            "mismatches": self.mismatches,
        }

    def counts(self) -> dict[str, int]:
        return {name: len(problems) for name, problems in self.all().items()}


def capture(lab: Lab, story: Story, verdict: Verdict) -> dict[str, Any]:
    """Returns the result of a scenario without ids; adds its inconsistencies to `verdict`."""
    rows = lab.query(ROWS.format(id=story.collection_id))
    reader = _Reader(lab, rows)
    verdict.mismatches += story.mismatches()
    return {
        "documents": reader.documents(),
        "points": reader.points(verdict),
        "objects": reader.objects(verdict),
        "collection": {name: value for name, value in rows["collection"].items() if name != "store"},
        # The status of the last run of a source depends on dead letters; after a retry, it is not comparable.
        "sources": [
            {name: value for name, value in source.items() if name != "run" or not story.retried}
            | {"path": reader.plain(source["path"])} for source in rows["sources"]
        ],
        "searches": [reader.search(story, query) for query in story.corpus.queries],
    }


class _Reader:
    """Names documents without ids."""

    def __init__(self, lab: Lab, rows: dict[str, Any]):
        self._lab = lab
        self._rows = rows
        self._live = [row for row in rows["documents"] if row["status"] != "deleted"]
        self._by_id = {row["id"]: row for row in rows["documents"]}

    def plain(self, text: str | None) -> str | None:
        """Replaces the folder of the sources, which differs between runs."""
        return None if text is None else self._plain_uri(text)

    def _plain_uri(self, text: str) -> str:
        return text.replace(str(self._lab.sources), "SOURCES")

    def key(self, row: dict[str, Any]) -> str:
        """Returns the name of a document."""
        return self._plain_uri(row["uri"])

    def documents(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for row in self._rows["documents"]:
            name = self._plain_uri(row["uri"])
            if row["status"] == "deleted":
                found[f"{name} (deleted)"] = {"deletion": row["deletion"]}
                continue
            entry = {
                "status": row["status"], "reason": self.plain(row["reason"]), "category": row["category"],
                "size": row["size"], "mime_type": row["mime_type"], "chunks": row["chunks"], "hash": row["hash"],
                "stale": row["stale"], "source": self.plain(row["source"]),
            }
            found[name] = entry
        return found

    def points(self, verdict: Verdict) -> dict[str, Any]:
        found: dict[str, Any] = {}
        counts: Counter[str] = Counter()
        for point in self._lab.points():
            payload = point["payload"]
            row = self._by_id.get(payload["document_id"])
            name = f"point {point['id']} of {payload['metadata']['source_path']} chunk {payload['chunk_index']}"
            if point["collection"] != self._rows["collection"]["store"] or row is None:
                verdict.duplicated.append(f"{name}: no document refers to it, in {point['collection']}")
                continue
            if row["status"] == "deleted" or payload["generation"] != row["generation"]:
                verdict.duplicated.append(
                    f"{name}: of the old generation {payload['generation']}, the row is {row['status']} "
                    f"at {row['generation']}")
                continue
            if point["id"] != point_id(row["id"], row["generation"], payload["chunk_index"]):
                verdict.different.append(f"{name}: its id does not match its document, generation and chunk")
            counts[row["id"]] += 1
            key = f"{self.key(row)} #{payload['chunk_index']}"
            if key in found:
                verdict.duplicated.append(f"{name}: exists twice")
            entry = {name: payload[name] for name in payload if name not in _UNCOMPARED}
            entry["metadata"] = {
                name: value for name, value in payload["metadata"].items() if name not in _UNCOMPARED}
            entry["metadata"]["source_path"] = self.plain(payload["metadata"]["source_path"])
            entry["path_prefixes"] = [self.plain(prefix) for prefix in payload["path_prefixes"]]
            found[key] = {"payload": entry, "vectors": point["vectors"]}
        for row in self._live:
            wanted = row["chunks"]
            if counts[row["id"]] < wanted:
                verdict.lost.append(f"{row['uri']}: {counts[row['id']]} of {wanted} points")
            elif counts[row["id"]] > wanted:
                verdict.duplicated.append(f"{row['uri']}: {counts[row['id']]} points instead of {wanted}")
        return found

    def objects(self, verdict: Verdict) -> dict[str, int]:
        """Returns the number of objects of each kind of the current generations; adds orphaned ones to `verdict`."""
        known = set(self._rows["collections"])
        counts: Counter[str] = Counter()
        for key in self._lab.objects():
            kind, collection, *rest = key.split("/")
            if collection not in known:
                verdict.duplicated.append(f"object {key}: its collection does not exist")
            elif kind not in ("announced", "uploads"):
                row = self._by_id.get(rest[0])
                if row is None:
                    verdict.duplicated.append(f"object {key}: its document does not exist")
                elif row["status"] != "deleted" and row["generation"] == int(rest[1]):
                    counts[f"{kind} of {self.key(row)}"] += 1
        for row in self._live:
            for kind in ("raw", "chunks", "vectors") if row["status"] == "completed" else ():
                if not counts[f"{kind} of {self.key(row)}"]:
                    verdict.lost.append(f"{row['uri']}: no object in {kind}/")
        return dict(counts)

    def search(self, story: Story, query: str) -> list[Any]:
        answer, _ = story.client.search(story.collection_id, query, RESULTS, collapse_duplicates=False)
        return [
            [f"{self.key(self._by_id[one['document_id']])} #{one['chunk_index']}", one["score"]]
            for one in answer["results"]
        ]


# Ids, times, and what names the folder of the sources.
_UNCOMPARED = {
    "document_id", "collection_id", "source_id", "generation", "created_at", "source_path", "path_prefixes",
}


def compare(result: dict[str, Any], reference: dict[str, Any], verdict: Verdict) -> None:
    """Adds what `result` lacks, has in addition or has differently from `reference` to the verdict."""
    for part in ("documents", "points", "objects"):
        for name in sorted(reference[part].keys() - result[part].keys()):
            verdict.lost.append(f"{part}: {name}")
        for name in sorted(result[part].keys() - reference[part].keys()):
            verdict.duplicated.append(f"{part}: {name}")
        for name in sorted(result[part].keys() & reference[part].keys()):
            problem = _differs(result[part][name], reference[part][name])
            if problem:
                verdict.different.append(f"{part}: {name}: {problem}")
    if result["collection"] != reference["collection"]:
        verdict.different.append(f"collection: {result['collection']} instead of {reference['collection']}")
    wanted = [
        {name: source[name] for name in ours}
        for source, ours in zip(reference["sources"], result["sources"], strict=False)
    ]
    if result["sources"] != wanted or len(result["sources"]) != len(reference["sources"]):
        verdict.different.append(f"sources: {result['sources']} instead of {reference['sources']}")
    for number, (ours, theirs) in enumerate(zip(result["searches"], reference["searches"], strict=True)):
        problem = _searches_differ(ours, theirs)
        if problem:
            verdict.different.append(f"search {number}: {problem}")


def point_id(document_id: str, generation: int, chunk_index: int) -> str:
    """Returns the id that the functions give to the point of a chunk."""
    name = uuid.UUID(document_id).bytes + struct.pack(">iI", generation, chunk_index)
    return str(_uuid5(POINTS, name))


def report(verdict: Verdict) -> Iterable[str]:
    """Yields the first problems of each kind, one line each."""
    for name, problems in verdict.all().items():
        for problem in problems[:SHOWN]:
            yield f"  {name}: {problem}"
        if len(problems) > SHOWN:
            yield f"  {name}: and {len(problems) - SHOWN} more"


def _uuid5(namespace: uuid.UUID, name: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.sha1(namespace.bytes + name).digest()[:16], version=5)


def _differs(ours: Any, theirs: Any) -> str:
    if isinstance(ours, dict) and "vectors" in ours:
        if ours["payload"] != theirs["payload"]:
            return f"{ours['payload']} instead of {theirs['payload']}"
        if ours["vectors"].keys() != theirs["vectors"].keys():
            return f"vectors {sorted(ours['vectors'])} instead of {sorted(theirs['vectors'])}"
        return "; ".join(filter(None, (_vectors_differ(name, ours, theirs) for name in ours["vectors"])))
    return "" if ours == theirs else f"{ours} instead of {theirs}"


def _vectors_differ(name: str, ours: Any, theirs: Any) -> str:
    left, right = ours["vectors"][name], theirs["vectors"][name]
    if left.get("indices") != right.get("indices"):
        return f"vector {name} has theirs indices"
    first, second = _floats(left["values"]), _floats(right["values"])
    if first.shape != second.shape:
        return f"vector {name} has {len(first)} values instead of {len(second)}"
    lengths = float(numpy.linalg.norm(first) * numpy.linalg.norm(second))
    cosine = float(first @ second) / lengths if lengths else 1.0
    return "" if cosine >= MIN_COSINE else f"vector {name} has a cosine of {cosine:.6f}"


def _floats(values: list[float]) -> numpy.ndarray:
    return numpy.array(values, dtype=numpy.float64)


def _searches_differ(ours: list[Any], theirs: list[Any]) -> str:
    """Compares results. Those with equal scores may be in any order, and the last of them may be missing."""
    if len(ours) != len(theirs):
        return f"{len(ours)} results instead of {len(theirs)}"
    for (left, first), (right, second) in zip(ours, theirs, strict=True):
        if abs(first - second) > SCORE_TOLERANCE:
            return f"{left} scores {first:.4f} where {right} scored {second:.4f}"
    last = max(score for _, score in theirs[-1:]) if theirs else 0.0
    wanted = {key for key, score in theirs if score > last + SCORE_TOLERANCE}
    missing = wanted - {key for key, _ in ours}
    return f"{sorted(missing)} not found" if missing else ""
