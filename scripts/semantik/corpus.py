"""Test collections in BEIR format: corpus.jsonl, queries.jsonl, qrels.tsv."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from command_line import CommandError
from semantik.client import File

PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Corpus:
    """Documents, queries and relevance judgments."""

    # Document id -> title and text; empty if a document has neither.
    documents: dict[str, str]
    # Those of them that have a title: Markdown, which begins with it as a heading.
    titled: frozenset[str]
    # Query id -> text, of queries with at least one relevant document.
    queries: dict[str, str]
    # Query id -> document id -> grade, greater than 0.
    judgments: dict[str, dict[str, int]]

    def files(self) -> dict[str, File]:
        """Returns one file per document, by document id."""
        return {
            id: File(
                f"{id if PLAIN_ID.fullmatch(id) else f'document-{position}'}.{'md' if id in self.titled else 'txt'}",
                text.encode())
            for position, (id, text) in enumerate(self.documents.items())
        }


def load(folder: Path) -> Corpus:
    """Reads a folder; raises if its three files are invalid or inconsistent."""
    documents: dict[str, str] = {}
    titled: set[str] = set()
    for line, row in _rows(folder / "corpus.jsonl"):
        if row["_id"] in documents:
            raise CommandError(f"{line}: duplicate document {row['_id']}")
        title = " ".join((row.get("title") or "").split())
        if title:
            titled.add(row["_id"])
        parts = [f"# {title}" if title else "", row["text"]]
        documents[row["_id"]] = "\n\n".join(part for part in parts if part.strip())
    all_queries = {row["_id"]: row["text"] for _, row in _rows(folder / "queries.jsonl")}
    judgments: dict[str, dict[str, int]] = {}
    for query_id, document_id, grade in _judgments(folder / "qrels.tsv"):
        if query_id not in all_queries:
            raise CommandError(f"{folder / 'qrels.tsv'} judges query {query_id}, which is not in queries.jsonl")
        if grade > 0:
            judgments.setdefault(query_id, {})[document_id] = grade
    queries = {id: text for id, text in all_queries.items() if id in judgments}
    if not documents or not queries:
        raise CommandError(
            f"{folder} has {len(documents)} documents and {len(queries)} judged queries; both are required")
    return Corpus(documents, frozenset(titled), queries, judgments)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            yield f"{path}:{number}", {"_id": str(row["_id"]), "text": row["text"], "title": row.get("title", "")}
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(f'{path}:{number}: expected an object with "_id" and "text" ({error})') from error


def _judgments(path: Path) -> Iterator[tuple[str, str, int]]:
    for number, line in _lines(path):
        fields = line.split("\t")
        if number == 1 and not fields[-1].strip().lstrip("-").isdecimal():
            continue
        try:
            query_id, document_id, grade = fields
            yield query_id, document_id, int(grade)
        except ValueError as error:
            raise CommandError(f"{path}:{number}: expected query, document and grade, separated by tabs") from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.rstrip("\n")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
