"""The reference for dense search: compares every chunk with every query, without an index.

The chunks are those that the pipeline has staged in the bucket. Their vectors are computed here from the same model
folder, with the Python packages onnxruntime and tokenizers: two programs that share nothing but the files of the
model must produce the same ranking.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from command_line import CommandError

Vectors = npt.NDArray[np.float32]

# Small batches of texts of similar length need little padding and are fast on a CPU.
TOKENS_PER_BATCH = 1024


@dataclass(frozen=True)
class Chunk:
    document_id: str
    text: str


def staged_chunks(s3: Any, bucket: str, collection_id: str) -> list[Chunk]:
    """Returns the chunks of the newest generation of each document of a collection."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"chunks/{collection_id}/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    chunks = []
    for document_id, key in newest(keys):
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8")
        # Not splitlines(), which also splits at other characters than \n.
        chunks += [Chunk(document_id, embedded_text(json.loads(line))) for line in body.split("\n") if line]
    return chunks


def embedded_text(chunk: dict[str, Any]) -> str:
    """Returns what the embed function embeds: title and headings, if the collection wants them, before the text."""
    context, text = chunk.get("context"), str(chunk["text"])
    return f"{context}\n\n{text}" if context else text


def newest(keys: Sequence[str]) -> list[tuple[str, str]]:
    """Returns (document, key) of the newest generation of each document, ordered by document and batch."""
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
    """A model folder with the graph for one quantization."""

    def __init__(self, folder: Path, quantization: str):
        self._manifest = json.loads((folder / "model.json").read_text())
        if self._manifest["pooling"] != "mean":
            raise CommandError(f"{folder}: pooling mean is required, got {self._manifest['pooling']}")
        graph = graph_of(self._manifest, quantization)
        tokenizer = self._manifest.get("tokenizer", {"name": "tokenizer.json"})
        self._tokenizer = Tokenizer.from_file(str(folder / tokenizer["name"]))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._manifest["max_tokens"])
        self._session = onnxruntime.InferenceSession(str(folder / graph), providers=["CPUExecutionProvider"])
        self._inputs = {entry.name for entry in self._session.get_inputs()}

    def passages(self, texts: Sequence[str], on_progress: Callable[[int], None] = lambda done: None) -> Vectors:
        """Returns normalized vectors, float32 [texts, dimension]; reports the number of finished texts."""
        prefix = self._manifest.get("passage_prefix", "")
        return self._embed([prefix + text for text in texts], on_progress)

    def queries(self, texts: Sequence[str]) -> Vectors:
        prefix = self._manifest.get("query_prefix", "")
        return self._embed([prefix + text for text in texts], lambda done: None)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the token ids of each text as a passage."""
        prefix = self._manifest.get("passage_prefix", "")
        return [encoding.ids for encoding in self._tokenizer.encode_batch([prefix + text for text in texts])]

    def _embed(self, texts: Sequence[str], on_progress: Callable[[int], None]) -> Vectors:
        encodings = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(texts), self._manifest["dimension"]), dtype=np.float32)
        batch: list[int] = []
        done = 0
        for index in sorted(range(len(texts)), key=lambda index: len(encodings[index])):
            # Ascending lengths, so the next text is the longest of its batch.
            if batch and (len(batch) + 1) * len(encodings[index]) > TOKENS_PER_BATCH:
                vectors[batch] = self._run([encodings[i] for i in batch])
                done += len(batch)
                on_progress(done)
                batch = []
            batch.append(index)
        if batch:
            vectors[batch] = self._run([encodings[i] for i in batch])
            on_progress(done + len(batch))
        return vectors

    def _run(self, rows: list[list[int]]) -> Vectors:
        width = max(len(row) for row in rows)
        ids = np.full((len(rows), width), self._manifest.get("padding_token_id", 0), dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for position, row in enumerate(rows):
            ids[position, : len(row)] = row
            mask[position, : len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states: Vectors = self._session.run(None, {name: feed[name] for name in self._inputs})[0]
        weights = mask[:, :, None].astype(np.float32)
        pooled: Vectors = (states * weights).sum(axis=1) / weights.sum(axis=1)
        if self._manifest["normalize"]:
            pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        return pooled


def graph_of(manifest: Mapping[str, Any], quantization: str) -> str:
    """Returns the graph for collections of a quantization, or the most similar one that the model has."""
    preferred = {
        "float32": ("float32", "float16", "int8"),
        "float16": ("float16", "float32", "int8"),
        "int8": ("int8", "float16", "float32"),
    }
    variants = manifest.get("variants", {"float32": {"graph": {"name": "model.onnx"}}})
    precision = next(precision for precision in preferred[quantization] if precision in variants)
    return str(variants[precision]["graph"]["name"])


def find_model(models: Path, name: str, quantization: str) -> Model:
    """Returns the model with that name in its manifest."""
    for manifest in sorted(models.glob("*/model.json")):
        if json.loads(manifest.read_text())["name"] == name:
            return Model(manifest.parent, quantization)
    raise CommandError(f"{models} has no model {name}; run scripts/make-model")


def rank(
    queries: Mapping[str, Vectors], chunks: Sequence[Chunk], vectors: Vectors, depth: int,
) -> dict[str, list[tuple[str, float]]]:
    """Returns the `depth` nearest chunks of each query as (document, cosine), best first."""
    ranked = {}
    for query_id, query in queries.items():
        scores = vectors @ query
        nearest = np.argsort(-scores, kind="stable")[:depth]
        ranked[query_id] = [(chunks[index].document_id, float(scores[index])) for index in nearest]
    return ranked
