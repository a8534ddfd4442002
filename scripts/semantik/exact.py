"""The reference for dense search: every chunk compared with every query, no index in between.

The chunks are the very ones that the pipeline staged in the bucket. Their vectors are computed here
and now from the same model folder, by Python's ONNX Runtime and tokenizers: two programs that share
nothing but the model's files must come to the same ranking.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from semantik.errors import CommandError

# Small batches of texts of like length: little padding, and fast on a CPU.
TOKENS_PER_BATCH = 1024


@dataclass(frozen=True)
class Chunk:
    document_id: str
    text: str


def staged_chunks(s3: Any, bucket: str, collection_id: str) -> list[Chunk]:
    """All chunks of a collection: of each document those of its newest generation."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"chunks/{collection_id}/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    chunks = []
    for document_id, key in newest(keys):
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8")
        # Not splitlines(): a text may hold characters that it takes for line ends.
        chunks += [Chunk(document_id, json.loads(line)["text"]) for line in body.split("\n") if line]
    return chunks


def newest(keys: Sequence[str]) -> list[tuple[str, str]]:
    """(document, key) of each document's newest generation, in the order of documents and batches."""
    # chunks/{collection}/{document}/{generation}/{batch}.jsonl
    generations: dict[str, dict[int, list[str]]] = {}
    for key in sorted(keys):
        _, _, document_id, generation, _ = key.split("/")
        generations.setdefault(document_id, {}).setdefault(int(generation), []).append(key)
    return [
        (document_id, key)
        for document_id, by_generation in generations.items()
        for key in by_generation[max(by_generation)]
    ]


class Model:
    """A model folder's graph for one quantization: model.json, the ONNX graph, tokenizer.json."""

    def __init__(self, folder: Path, quantization: str):
        self._manifest = json.loads((folder / "model.json").read_text())
        if self._manifest["pooling"] != "mean":
            raise CommandError(f"{folder} wants {self._manifest['pooling']} pooling; only mean is known here")
        graph = graph_of(self._manifest, quantization)
        tokenizer = self._manifest.get("tokenizer", {"name": "tokenizer.json"})
        self._tokenizer = Tokenizer.from_file(str(folder / tokenizer["name"]))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._manifest["max_tokens"])
        self._session = onnxruntime.InferenceSession(str(folder / graph), providers=["CPUExecutionProvider"])
        self._inputs = {entry.name for entry in self._session.get_inputs()}

    def passages(self, texts: Sequence[str], advanced: Callable[[int], None] = lambda done: None) -> np.ndarray:
        """Vectors of length one, float32 [texts, dimension]. `advanced` hears how many are done."""
        prefix = self._manifest.get("passage_prefix", "")
        return self._embed([prefix + text for text in texts], advanced)

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        prefix = self._manifest.get("query_prefix", "")
        return self._embed([prefix + text for text in texts], lambda done: None)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """What the model reads of each text as a passage."""
        prefix = self._manifest.get("passage_prefix", "")
        return [encoding.ids for encoding in self._tokenizer.encode_batch([prefix + text for text in texts])]

    def _embed(self, texts: Sequence[str], advanced: Callable[[int], None]) -> np.ndarray:
        encodings = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(texts), self._manifest["dimension"]), dtype=np.float32)
        batch: list[int] = []
        done = 0
        for index in sorted(range(len(texts)), key=lambda index: len(encodings[index])):
            # Ascending, so the text that comes next is the longest of its batch.
            if batch and (len(batch) + 1) * len(encodings[index]) > TOKENS_PER_BATCH:
                vectors[batch] = self._run([encodings[i] for i in batch])
                done += len(batch)
                advanced(done)
                batch = []
            batch.append(index)
        if batch:
            vectors[batch] = self._run([encodings[i] for i in batch])
            advanced(done + len(batch))
        return vectors

    def _run(self, rows: list[list[int]]) -> np.ndarray:
        width = max(len(row) for row in rows)
        ids = np.full((len(rows), width), self._manifest.get("padding_token_id", 0), dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for position, row in enumerate(rows):
            ids[position, : len(row)] = row
            mask[position, : len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, {name: feed[name] for name in self._inputs})[0]
        weights = mask[:, :, None].astype(np.float32)
        pooled = (states * weights).sum(axis=1) / weights.sum(axis=1)
        if self._manifest["normalize"]:
            pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        return pooled


def graph_of(manifest: Mapping[str, Any], quantization: str) -> str:
    """The graph that embeds for collections of this quantization: its own, or the nearest there is."""
    preferred = {
        "float32": ("float32", "float16", "int8"),
        "float16": ("float16", "float32", "int8"),
        "int8": ("int8", "float16", "float32"),
    }
    variants = manifest.get("variants", {"float32": {"graph": {"name": "model.onnx"}}})
    return next(variants[precision]["graph"]["name"] for precision in preferred[quantization] if precision in variants)


def find_model(models: Path, name: str, quantization: str) -> Model:
    """The folder under `models` whose manifest carries that name."""
    for manifest in sorted(models.glob("*/model.json")):
        if json.loads(manifest.read_text())["name"] == name:
            return Model(manifest.parent, quantization)
    raise CommandError(f"no folder under {models} holds the model {name}; scripts/make-model makes it")


def rank(
    queries: Mapping[str, np.ndarray], chunks: Sequence[Chunk], vectors: np.ndarray, depth: int,
) -> dict[str, list[tuple[str, float]]]:
    """Query -> the `depth` nearest chunks as (document, cosine), best first."""
    ranked = {}
    for query_id, query in queries.items():
        scores = vectors @ query
        nearest = np.argsort(-scores, kind="stable")[:depth]
        ranked[query_id] = [(chunks[index].document_id, float(scores[index])) for index in nearest]
    return ranked
