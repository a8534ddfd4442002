"""A vector per token of a vocabulary, distilled from the model.

The method is that of Model2Vec (Stephan Tulkens and Thomas van Dongen, "Model2Vec: Fast State-of-the-Art Static
Embeddings", 2024): the model embeds every token alone, principal component analysis reduces the dimensions, and each
vector is weighted by the rarity of its token, after Arora et al., "A Simple but Tough-to-Beat Baseline for Sentence
Embeddings" (2017), with frequencies by Zipf's law, because vocabularies are ordered by frequency. Semantic chunking
compares passages by these vectors for a thousandth of the cost of the model, which is enough to detect where a text
changes its subject.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import onnxruntime
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from onnx_models.files import entry

FILE = "static.safetensors"
DIMENSIONS = 64
# Larger vocabularies have half of the dimensions, so that packages stay small.
LARGE_VOCABULARY = 65536
BATCH = 512
# The "a" of the weights a / (a + p).
SMOOTHING = 1e-3
# The rank of single letters and digits.
FREQUENT_RANK = 20


def write(folder: Path, graph: Path, tokenizer: Path, pooling: str) -> dict[str, str]:
    """Writes the vectors into the folder; returns the manifest entry."""
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.no_padding()
    encoder.no_truncation()
    size = encoder.get_vocab_size(with_added_tokens=True)
    dimensions = DIMENSIONS if size <= LARGE_VOCABULARY else DIMENSIONS // 2
    vectors = reduce(embed_alone(graph, encoder, size, pooling), dimensions)
    vectors *= rarity(encoder, size)[:, None]
    scales = numpy.abs(vectors).max(axis=1) / 127
    rows = numpy.round(vectors / numpy.where(scales > 0, scales, 1)[:, None]).astype(numpy.int8)
    save_file({"vectors": rows, "scales": scales.astype(numpy.float32)}, str(folder / FILE))
    # The library makes files readable by their owner only; functions may run as another user.
    (folder / FILE).chmod(graph.stat().st_mode)
    return entry(folder / FILE)


def embed_alone(graph: Path, encoder: Tokenizer, size: int, pooling: str) -> Any:
    """Embeds each token alone."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    before, after = surroundings(encoder)
    texts = numpy.array([[*before, token, *after] for token in range(size)], numpy.int64)
    parts = []
    for start in range(0, size, BATCH):
        states = session.run(None, inputs(session, texts[start : start + BATCH]))[0]
        pooled = states.mean(axis=1) if pooling == "mean" else states[:, 0 if pooling == "cls" else -1]
        parts.append(pooled.astype(numpy.float32))
    return numpy.concatenate(parts)


def surroundings(encoder: Tokenizer) -> tuple[list[int], list[int]]:
    """Returns the special tokens before and after a text."""
    whole, bare = encoder.encode("a").ids, encoder.encode("a", add_special_tokens=False).ids
    places = range(len(whole) - len(bare) + 1)
    start = next(place for place in places if whole[place : place + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]


def inputs(session: onnxruntime.InferenceSession, texts: Any) -> dict[str, Any]:
    known = {
        "input_ids": texts,
        "attention_mask": numpy.ones_like(texts),
        "token_type_ids": numpy.zeros_like(texts),
        "position_ids": numpy.broadcast_to(numpy.arange(texts.shape[1], dtype=numpy.int64), texts.shape),
    }
    feed: dict[str, Any] = {}
    for wanted in session.get_inputs():
        if wanted.name.startswith("past_key_values."):
            heads, width = wanted.shape[1], wanted.shape[3]
            feed[wanted.name] = numpy.zeros((len(texts), heads, 0, width), numpy.float32)
        elif wanted.name in known:
            feed[wanted.name] = known[wanted.name]
    return feed


def reduce(vectors: Any, dimensions: int) -> Any:
    """Projects vectors onto their first principal components, with deterministic signs."""
    centred = vectors.astype(numpy.float64) - vectors.mean(axis=0, dtype=numpy.float64)
    _, axes = numpy.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :dimensions]
    largest = axes[numpy.abs(axes).argmax(axis=0), numpy.arange(axes.shape[1])]
    return centred @ (axes * numpy.sign(largest))


def rarity(encoder: Tokenizer, size: int) -> Any:
    """Returns the weight of each token, by its rank among the words of the vocabulary.

    Punctuation and special tokens have weight 0. Single letters and digits have the weight of frequent words, whatever
    their rank.
    """
    added = encoder.get_added_tokens_decoder()
    names = {token: (encoder.id_to_token(token) or "") for token in range(size)}
    bare = {token: name.removeprefix("##").lstrip("\u2581\u0120") for token, name in names.items()}
    is_word = [
        any(character.isalnum() for character in bare[token])
        and not names[token].startswith("[unused")
        and not (token in added and added[token].special)
        for token in range(size)
    ]
    ranks = numpy.full(size, FREQUENT_RANK)
    words = [token for token in range(size) if is_word[token] and len(bare[token]) > 1]
    ranks[words] = numpy.arange(1, len(words) + 1)
    shares = 1 / (ranks + 1)
    shares /= shares[words].sum()
    return numpy.where(is_word, SMOOTHING / (SMOOTHING + shares), 0)
