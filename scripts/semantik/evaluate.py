"""scripts/evaluate: measures search quality on a judged test collection, and compares it with exact search."""

from __future__ import annotations

import argparse
import json
import secrets
import time
from pathlib import Path
from typing import Any

import boto3

from command_line import CommandError
from semantik import corpus, exact, indexing
from semantik.account import Account
from semantik.client import Client
from semantik.command import LOCAL, heading, last_line, run, variable
from semantik.corpus import Corpus
from semantik.http_client import Http
from semantik.indexing import Outcome
from semantik.metrics import group_by_document, spread, summarise
from semantik.progress_bar import ProgressBar

# The limit of a search. So recall@100 is measured on the documents of the 100 best chunks, which are often fewer than
# 100 documents. Exact search has the same limit.
CHUNKS_PER_QUERY = 100
TOLERANCE = 0.005
# Allowed difference of ndcg@10 of dense search from that with float32.
QUANTIZATIONS = {"float32": 0.0, "float16": 0.002, "int8": 0.01}
MODES = ("dense", "sparse", "hybrid")
PARTS = ("embedding_ms", "qdrant_ms", "postgres_ms", "rest_ms")


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/evaluate")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--quantizations", action="store_true")
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--started", type=float, default=time.time())
    arguments = parser.parse_args()

    judged = corpus.load(arguments.folder)
    http = Http(notify=lambda message: print(f"  {message}", flush=True))
    account = Account(http, variable("API_URL"), LOCAL / "evaluate.json", "evaluate")
    account.sign_in()
    client = Client(http, variable("API_URL"), account)
    name = f"evaluate {arguments.folder.resolve().name} {time.strftime('%Y-%m-%d %H.%M.%S')} {secrets.token_hex(2)}"
    collection, _ = client.ensure_collection(name, **arguments.settings)
    try:
        result, outcome = evaluate(client, collection, judged)
        if arguments.quantizations:
            result["quantizations"] = compare_quantizations(client, collection, judged, outcome, result)
    finally:
        clean_up(client, collection["id"], arguments.keep)
    result["seconds"] = round(time.time() - arguments.started, 1)
    for problem in result["problems"]:
        print(f"  PROBLEM: {problem}")
    last_line(result)
    return not result["problems"]


def clean_up(client: Client, collection_id: str, keep: bool) -> None:
    if keep:
        print(f"  collection {collection_id} is kept")
        return
    try:
        client.delete_collection(collection_id)
        print("  the collection is being deleted")
    except CommandError as error:
        # Not raised, because it would hide the error that ended the evaluation.
        print(f"  collection {collection_id} was not deleted: {error}")


def evaluate(client: Client, collection: dict[str, Any], judged: Corpus) -> tuple[dict[str, Any], Outcome]:
    """Indexes the documents and runs the queries; returns measures and problems, and the indexed documents."""
    heading(f"indexing {len(judged.documents)} documents into {collection['name']!r}")
    began = time.monotonic()
    outcome = index(client, collection["id"], judged)
    indexing_seconds = time.monotonic() - began
    problems = check_documents(client, collection["id"], judged, outcome)

    heading(f"running {len(judged.queries)} queries")
    ids = {document["id"]: id for id, document in by_corpus_id(judged, outcome).items()}
    # The first search starts the function and loads the model, so it is measured separately.
    _, first_ms = client.search(collection["id"], next(iter(judged.queries.values())), CHUNKS_PER_QUERY)
    measured, search_ms = {}, {}
    for mode in MODES:
        rankings, search_ms[mode] = run_queries(client, collection["id"], judged, ids, mode)
        measured[mode] = summarise(rankings, judged.judgments)
    dense = measured["dense"]

    heading("exact search over the same chunks")
    s3 = boto3.client("s3", endpoint_url=variable("AWS_ENDPOINT_URL"))
    chunks = exact.staged_chunks(s3, variable("STAGING_BUCKET"), collection["id"])
    if len(chunks) != outcome.chunks:
        problems.append(f"the documents have {outcome.chunks} chunks, the bucket has {len(chunks)}")
    reference = summarise(
        search_exactly(collection, chunks, judged, ids), judged.judgments)
    difference = round(dense["ndcg@10"] - reference["ndcg@10"], 5)
    if abs(difference) > TOLERANCE:
        problems.append(f"ndcg@10 of dense and exact search differ by {difference:+}; {TOLERANCE} is allowed")

    gain = round(measured["hybrid"]["ndcg@10"] - max(measured[mode]["ndcg@10"] for mode in ("dense", "sparse")), 5)
    show(measured | {"exact": reference}, search_ms, first_ms)
    print(f"\n  ndcg@10 of hybrid minus the better of dense and sparse: {gain:+.4f}")
    return {
        "documents": len(judged.documents),
        "queries": len(judged.queries),
        "skipped": len(outcome.having("skipped")),
        "failed": len(outcome.having("failed")),
        "chunks": outcome.chunks,
        "seconds": None,
        "indexing_seconds": round(indexing_seconds, 1),
        **measured,
        "exact": reference,
        "difference": difference,
        "hybrid_gain": gain,
        "search_ms": search_ms | {"first": round(first_ms, 1)},
        "problems": problems,
    }, outcome


def compare_quantizations(
    client: Client, collection: dict[str, Any], judged: Corpus, outcome: Outcome, result: dict[str, Any],
) -> dict[str, float]:
    """Reindexes with every quantization; returns ndcg@10 of dense search by quantization."""
    ids = {document["id"]: id for id, document in by_corpus_id(judged, outcome).items()}
    measured = {collection["quantization"]: result["dense"]["ndcg@10"]}
    for quantization in QUANTIZATIONS.keys() - measured.keys():
        heading(f"reindexing with {quantization}")
        operation = client.wait_for_operation(client.reindex(collection["id"], quantization=quantization)["id"])
        if operation["status"] != "completed":
            raise CommandError(f"the reindex ended with status {operation['status']}: {operation['error_message']}")
        rankings, _ = run_queries(client, collection["id"], judged, ids, "dense")
        measured[quantization] = summarise(rankings, judged.judgments)["ndcg@10"]
    for quantization, allowed in QUANTIZATIONS.items():
        difference = round(measured[quantization] - measured["float32"], 5)
        print(f"  {quantization:8} ndcg@10 {measured[quantization]:.5f}, {difference:+.5f} compared with float32")
        if abs(difference) > allowed:
            result["problems"].append(
                f"ndcg@10 of {quantization} differs by {difference:+} from float32; {allowed} is allowed")
    return {quantization: measured[quantization] for quantization in QUANTIZATIONS}


def index(client: Client, collection_id: str, judged: Corpus) -> Outcome:
    files = list(judged.files().values())
    with ProgressBar("uploading", len(files)) as progress:
        client.upload(collection_id, files, lambda _: progress.advance())
    return indexing.wait(client, collection_id, files)


def check_documents(client: Client, collection_id: str, judged: Corpus, outcome: Outcome) -> list[str]:
    """Returns problems: documents that are neither completed nor, if empty, skipped with a reason; wrong counts."""
    problems = indexing.failed_operations(client, collection_id)
    for id, document in by_corpus_id(judged, outcome).items():
        wanted = "completed" if judged.documents[id].strip() else "skipped"
        reason = document["error_message"]
        if document["status"] != wanted:
            problems.append(f"document {id}: expected status {wanted}, got {document['status']}: {reason}")
        elif wanted == "skipped" and not reason:
            problems.append(f"document {id} was skipped without a reason")
    for document in outcome.having("skipped"):
        print(f"  skipped {indexing.name_of(document)}: {document['error_message']}")
    counted = client.collection(collection_id)
    there = {
        "document_count": len(outcome.documents),
        "vector_count": outcome.chunks,
    }
    for field, count in there.items():
        if counted[field] != count:
            problems.append(f"the collection's {field} is {counted[field]}, expected {count}")
    return problems


def by_corpus_id(judged: Corpus, outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {id: outcome.documents[file.name] for id, file in judged.files().items()}


def run_queries(
    client: Client, collection_id: str, judged: Corpus, ids: dict[str, str], mode: str,
) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """Returns rankings by query, and latencies. Runs one query at a time, so that they do not slow each other down."""
    rankings: dict[str, list[str]] = {}
    client_ms: list[float] = []
    total_ms: list[float] = []
    parts: dict[str, list[float]] = {part: [] for part in PARTS}
    with ProgressBar(f"searching, {mode}", len(judged.queries)) as progress:
        for query_id, text in judged.queries.items():
            answer, milliseconds = client.search(collection_id, text, CHUNKS_PER_QUERY, mode, collapse_duplicates=False)
            if answer.get("partial_failure") or answer["search_mode_used"] != mode:
                raise CommandError(f"query {query_id} was not run completely: {answer.get('failed_collections')}")
            hits = [(ids[hit["document_id"]], hit["score"]) for hit in answer["results"]]
            rankings[query_id] = group_by_document(hits)
            client_ms.append(milliseconds)
            total_ms.append(answer["total_time_ms"])
            for part in PARTS:
                parts[part].append(answer["timings"][part])
            progress.advance()
    times = spread(client_ms) | {
        "function": spread(total_ms),
        "parts": {part.removesuffix("_ms"): spread(values) for part, values in parts.items()},
    }
    return rankings, times


def search_exactly(
    collection: dict[str, Any], chunks: list[exact.Chunk], judged: Corpus, ids: dict[str, str],
) -> dict[str, list[str]]:
    models, settings = Path(variable("MODELS_DIR")), (collection["embedding_model"], collection["quantization"])
    model = exact.find_model(models, *settings)
    with ProgressBar("embedding", len(chunks)) as progress:
        vectors = model.passages([chunk.text for chunk in chunks], progress.show)
    queries = dict(zip(judged.queries, model.queries(list(judged.queries.values())), strict=True))
    ranked = exact.rank(queries, chunks, vectors, CHUNKS_PER_QUERY)
    return {
        query: group_by_document((ids[document], score) for document, score in nearest)
        for query, nearest in ranked.items()
    }


def show(measured: dict[str, dict[str, float]], search_ms: dict[str, Any], first_ms: float) -> None:
    heading("results")
    print(f"  {'':12}" + "".join(f"{name:>10}" for name in measured))
    for measure in measured["exact"]:
        print(f"  {measure:12}" + "".join(f"{values[measure]:10.4f}" for values in measured.values()))
    print(f"\n  {'search, ms':20}" + "".join(f"{mode + ' p50':>12}{'p99':>8}" for mode in search_ms))
    rows = {"total": lambda times: times, "in the function": lambda times: times["function"]} | {
        f"  {part}": lambda times, part=part: times["parts"][part] for part in search_ms["dense"]["parts"]
    }
    for label, pick in rows.items():
        values = [pick(times) for times in search_ms.values()]
        print(f"  {label:20}" + "".join(f"{times['p50']:12.1f}{times['p99']:8.1f}" for times in values))
    print(f"  the first search, cold: {first_ms:.0f} ms")


if __name__ == "__main__":
    run("scripts/evaluate", main)
