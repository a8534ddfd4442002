"""Reads the Hugging Face folder of an embedding model, and lists what it lacks."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto, load
from onnx.external_data_helper import ExternalDataInfo, uses_external_data
from tokenizers import Tokenizer

from onnx_models.files import read_json

GRAPHS = ("onnx/model.onnx", "model.onnx")
INPUTS = {"input_ids", "attention_mask", "token_type_ids", "position_ids"}
OUTPUTS = ("last_hidden_state", "token_embeddings")
POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last_token",
}
# Chunks are never longer. Models with a greater limit are used up to this one.
MAX_TEXT_TOKENS = 8192
# Tokenizers without a limit have a number of 30 digits.
NO_LIMIT = 1_000_000


@dataclass(frozen=True)
class Family:
    """Settings of a model family that its folders may lack."""

    pattern: str
    pooling: str
    query_prefix: str = ""
    passage_prefix: str = ""
    padding_side: str = "right"


# The first pattern that matches the name of a model applies.
FAMILIES = (
    Family("*/*e5-*", "mean", "query: ", "passage: "),
    Family("*/bge-*-en*", "cls", "Represent this sentence for searching relevant passages: "),
    Family("*/bge-*", "cls"),
    Family("*/gte-*-v1.5", "cls"),
    Family("*/gte-multilingual-*", "cls"),
    Family("*/gte-*", "mean"),
    Family("*/nomic-embed-text-*", "mean", "search_query: ", "search_document: "),
    Family(
        "*/qwen3-embedding-*",
        "last_token",
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
        padding_side="left",
    ),
)


class Missing(Exception):
    """Lists what a folder lacks, one line per item."""

    def __init__(self, lines: list[str]):
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True)
class Export:
    """The files and settings of a complete folder."""

    folder: Path
    graph: Path
    model: ModelProto
    weights: list[Path]
    tokenizer: Path
    settings: dict[str, Any]

    @property
    def graph_bytes(self) -> int:
        return sum(path.stat().st_size for path in [self.graph, *self.weights])


def read(folder: Path, name: str | None, overrides: dict[str, Any]) -> Export:
    """Reads a folder. `overrides` take precedence over the folder, and the folder over the family of its name."""
    missing: list[str] = []
    graph = next((folder / path for path in GRAPHS if (folder / path).is_file()), None)
    if graph is None:
        missing.append("onnx/model.onnx or model.onnx: the encoder in float32; export it with optimum-cli export onnx")
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        missing.append("tokenizer.json: the tokenizer, in the format of the tokenizers library")
    config = _json(folder / "config.json")
    if config is None:
        missing.append("config.json: the model type and its limits")
    if graph is None or config is None or not tokenizer.is_file():
        raise Missing(missing)

    name = name or config.get("_name_or_path") or folder.resolve().name
    family = next((family for family in FAMILIES if fnmatch.fnmatch(name.lower(), family.pattern)), None)
    if "/" not in name:
        missing.append(f"--name OWNER/MODEL: the folder names its model {name!r}, without an owner")
    model = load(graph, load_external_data=False)
    weights = _weight_files(graph, model)
    missing += [f"{path.relative_to(folder)}: the weights of the graph" for path in weights if not path.is_file()]
    missing += _graph_lacks(model)
    pooling = overrides.get("pooling") or _pooling(folder) or (family.pooling if family else None)
    if pooling is None:
        missing.append("1_Pooling/config.json: how tokens become one vector; or use --pooling mean, cls or last_token")
    if missing:
        raise Missing(missing)

    prompts = (_json(folder / "config_sentence_transformers.json") or {}).get("prompts") or {}
    query = _first(overrides.get("query_prefix"), prompts.get("query"), family and family.query_prefix, "")
    passage = _first(
        overrides.get("passage_prefix"), prompts.get("passage"), prompts.get("document"),
        family and family.passage_prefix, "",
    )
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.no_padding()
    encoder.no_truncation()
    special = len(encoder.encode("").ids)
    settings = {
        "name": name,
        "short_name": overrides.get("short_name") or short_name(name),
        "dimension": _dimension(model, config),
        "max_tokens": overrides.get("max_tokens") or _max_tokens(folder, config),
        "special_tokens": special,
        "pooling": pooling,
        "normalize": True,
        "query_prefix": query,
        "passage_prefix": passage,
        "passage_prefix_tokens": len(encoder.encode(passage).ids) - special,
        "padding_token_id": _first(_padding_token(folder, encoder), config.get("pad_token_id"), 0),
        "padding_side": _first(
            (_json(folder / "tokenizer_config.json") or {}).get("padding_side"),
            family and family.padding_side, "right"),
    }
    return Export(folder, graph, model, weights, tokenizer, settings)


def short_name(name: str) -> str:
    """Returns the model part of a name, with the characters that names of Qdrant collections may have."""
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789-."
    lowered = name.split("/")[-1].lower().replace("_", "-")
    return "".join(letter for letter in lowered if letter in allowed)[:48]


def _weight_files(graph: Path, model: ModelProto) -> list[Path]:
    """Returns the weight files that the graph refers to."""
    tensors = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
    return sorted({graph.parent / ExternalDataInfo(tensor).location for tensor in tensors})


def _graph_lacks(model: ModelProto) -> list[str]:
    inputs = {entry.name for entry in model.graph.input}
    outputs = {entry.name for entry in model.graph.output}
    unknown = sorted(name for name in inputs - INPUTS if not name.startswith("past_key_values."))
    lines = [f"support for the input {name} of the graph" for name in unknown]
    lines += [f"the input {name} of the graph" for name in ("input_ids", "attention_mask") if name not in inputs]
    if not outputs & set(OUTPUTS):
        lines.append(f"one of the outputs {', '.join(OUTPUTS)}; the graph has {', '.join(sorted(outputs))}")
    return lines


def _pooling(folder: Path) -> str | None:
    modes = _json(folder / "1_Pooling" / "config.json") or {}
    return next((pooling for mode, pooling in POOLINGS.items() if modes.get(mode)), None)


def _dimension(model: ModelProto, config: dict[str, Any]) -> int:
    for output in model.graph.output:
        if output.name in OUTPUTS:
            last = output.type.tensor_type.shape.dim[-1].dim_value if output.type.tensor_type.shape.dim else 0
            if last:
                return int(last)
    return int(config.get("hidden_size") or config["n_embd"])


def _max_tokens(folder: Path, config: dict[str, Any]) -> int:
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    if positions and config.get("model_type") in ("roberta", "xlm-roberta", "camembert"):
        # The first two positions are reserved for padding.
        positions -= 2
    limits = [
        (_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length"),
        (_json(folder / "tokenizer_config.json") or {}).get("model_max_length"),
        positions,
        MAX_TEXT_TOKENS,
    ]
    return min(int(limit) for limit in limits if limit and limit < NO_LIMIT)


def _padding_token(folder: Path, tokenizer: Tokenizer) -> int | None:
    token = (_json(folder / "tokenizer_config.json") or {}).get("pad_token")
    if isinstance(token, dict):
        token = token.get("content")
    return tokenizer.token_to_id(token) if token else None


def _json(path: Path) -> dict[str, Any] | None:
    return read_json(path) if path.is_file() else None


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)
