"""Calibration inputs: a few diverse texts, from which the value ranges of channels are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
from onnx import ModelProto
from tokenizers import Tokenizer

TEXTS = Path(__file__).with_name("calibration.txt")
MAX_TOKENS = 128


def feeds(model: ModelProto, tokenizer: Path) -> list[dict[str, Any]]:
    """Returns the texts as model inputs: each of them, and all of them as one long text."""
    lines = TEXTS.read_text(encoding="utf-8").splitlines()
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.no_padding()
    encoder.enable_truncation(MAX_TOKENS)
    return [feed(model, encoding.ids) for encoding in encoder.encode_batch([*lines, " ".join(lines)])]


def feed(model: ModelProto, ids: list[int]) -> dict[str, Any]:
    """Returns the values of all inputs of a graph for one text."""
    tokens = numpy.array([ids], numpy.int64)
    known = {
        "input_ids": tokens,
        "attention_mask": numpy.ones_like(tokens),
        "token_type_ids": numpy.zeros_like(tokens),
        "position_ids": numpy.arange(tokens.shape[1], dtype=numpy.int64)[None],
    }
    inputs: dict[str, Any] = {}
    for entry in model.graph.input:
        if entry.name.startswith("past_key_values."):
            heads, size = (entry.type.tensor_type.shape.dim[axis].dim_value for axis in (1, 3))
            inputs[entry.name] = numpy.zeros((1, heads, 0, size), numpy.float32)
        elif entry.name in known:
            inputs[entry.name] = known[entry.name]
    return inputs
