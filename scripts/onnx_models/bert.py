"""Builds the BERT encoder as an ONNX graph from the tensors of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
from onnx import ModelProto, TensorProto, helper, numpy_helper

# The oldest operator set with LayerNormalization, supported since ONNX Runtime 1.12.
OPSET = 17
IR_VERSION = 8

Config = Mapping[str, Any]
Tensors = Mapping[str, Any]


class GraphBuilder:
    """Collects nodes and weights of a graph. Methods return the names of outputs."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}

    def weight(self, name: str, array: Any) -> str:
        self.weights[name] = array
        return name

    def op(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def linear(self, value: str, prefix: str, tensors: Tensors) -> str:
        """Adds x @ W + b. The checkpoint has W as [out, in], as torch does; MatMul needs [in, out]."""
        kernel = numpy.ascontiguousarray(tensors[f"{prefix}.weight"].T)
        product = self.op("MatMul", [value, self.weight(f"{prefix}.weight", kernel)], f"{prefix}/matmul")
        return self.op("Add", [product, self.weight(f"{prefix}.bias", tensors[f"{prefix}.bias"])], prefix)

    def layer_norm(self, value: str, prefix: str, tensors: Tensors, epsilon: float) -> str:
        scale = self.weight(f"{prefix}.weight", tensors[f"{prefix}.weight"])
        bias = self.weight(f"{prefix}.bias", tensors[f"{prefix}.bias"])
        return self.op("LayerNormalization", [value, scale, bias], prefix, axis=-1, epsilon=epsilon)


def build_encoder(config: Config, tensors: Tensors) -> ModelProto:
    """Builds the BERT encoder (Devlin et al. 2018, https://arxiv.org/abs/1810.04805).

    Inputs input_ids, attention_mask (1 = read, 0 = padding) and token_type_ids, int64 [batch, sequence];
    output last_hidden_state, float32 [batch, sequence, hidden]. Without the pooler, which is not used.
    """
    builder = GraphBuilder()
    hidden = embed_tokens(builder, config, tensors)
    mask = additive_mask(builder)
    for index in range(config["num_hidden_layers"]):
        hidden = encoder_layer(builder, config, tensors, index, hidden, mask)
    builder.op("Identity", [hidden], "last_hidden_state")

    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info(
        "last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", config["hidden_size"]]
    )
    weights = [numpy_helper.from_array(array, name) for name, array in builder.weights.items()]
    graph = helper.make_graph(builder.nodes, "bert_encoder", ids, [output], weights)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="make-model"
    )


def embed_tokens(builder: GraphBuilder, config: Config, tensors: Tensors) -> str:
    """Adds and normalizes word, position and segment embeddings: [batch, sequence, hidden]."""
    def table(name: str) -> str:
        return builder.weight(f"embeddings.{name}", tensors[f"embeddings.{name}.weight"])

    words = builder.op("Gather", [table("word_embeddings"), "input_ids"], "embeddings/words")
    segments = builder.op("Gather", [table("token_type_embeddings"), "token_type_ids"], "embeddings/segments")
    # Positions 0 .. sequence are the first rows of the table, for every text of the batch.
    length = builder.op("Shape", ["input_ids"], "embeddings/length", start=1, end=2)
    start = builder.weight("zero", numpy.array([0], numpy.int64))
    positions = builder.op("Slice", [table("position_embeddings"), start, length, start], "embeddings/positions")
    typed = builder.op("Add", [words, segments], "embeddings/typed")
    placed = builder.op("Add", [typed, positions], "embeddings/placed")
    return builder.layer_norm(placed, "embeddings.LayerNorm", tensors, config["layer_norm_eps"])


def additive_mask(builder: GraphBuilder) -> str:
    """Returns 0 for tokens and the lowest float for padding: [batch, 1, 1, sequence]."""
    axes = builder.weight("mask/axes", numpy.array([1, 2], numpy.int64))
    wide = builder.op("Unsqueeze", ["attention_mask", axes], "mask/wide")
    kept = builder.op("Cast", [wide], "mask/kept", to=TensorProto.FLOAT)
    one = builder.weight("one", numpy.array(1, numpy.float32))
    dropped = builder.op("Sub", [one, kept], "mask/dropped")
    lowest = builder.weight("mask/lowest", numpy.array(numpy.finfo(numpy.float32).min, numpy.float32))
    return builder.op("Mul", [dropped, lowest], "mask/bias")


def encoder_layer(
    builder: GraphBuilder, config: Config, tensors: Tensors, index: int, hidden: str, mask: str,
) -> str:
    """Applies self-attention and feed-forward, each with a residual connection and normalization."""
    prefix = f"encoder.layer.{index}"
    epsilon = config["layer_norm_eps"]

    attended = self_attention(builder, config, tensors, f"{prefix}.attention.self", hidden, mask)
    attended = builder.linear(attended, f"{prefix}.attention.output.dense", tensors)
    attended = builder.op("Add", [attended, hidden], f"{prefix}.attention.output/residual")
    attended = builder.layer_norm(attended, f"{prefix}.attention.output.LayerNorm", tensors, epsilon)

    wide = builder.linear(attended, f"{prefix}.intermediate.dense", tensors)
    wide = gelu(builder, wide, f"{prefix}.intermediate")
    narrow = builder.linear(wide, f"{prefix}.output.dense", tensors)
    narrow = builder.op("Add", [narrow, attended], f"{prefix}.output/residual")
    return builder.layer_norm(narrow, f"{prefix}.output.LayerNorm", tensors, epsilon)


def self_attention(
    builder: GraphBuilder, config: Config, tensors: Tensors, prefix: str, hidden: str, mask: str,
) -> str:
    """Computes softmax(Q K^T / sqrt(head) + mask) V for every head: [batch, sequence, hidden]."""
    heads = config["num_attention_heads"]
    head_size = config["hidden_size"] // heads
    split = builder.weight("heads/split", numpy.array([0, 0, heads, head_size], numpy.int64))
    join = builder.weight("heads/join", numpy.array([0, 0, config["hidden_size"]], numpy.int64))
    scale = builder.weight("heads/scale", numpy.array(head_size**0.5, numpy.float32))

    def per_head(name: str, order: list[int]) -> str:
        value = builder.linear(hidden, f"{prefix}.{name}", tensors)
        value = builder.op("Reshape", [value, split], f"{prefix}.{name}/split")
        return builder.op("Transpose", [value], f"{prefix}.{name}/heads", perm=order)

    query = per_head("query", [0, 2, 1, 3])
    key = per_head("key", [0, 2, 3, 1])
    value = per_head("value", [0, 2, 1, 3])
    scores = builder.op("MatMul", [query, key], f"{prefix}/scores")
    scores = builder.op("Div", [scores, scale], f"{prefix}/scaled")
    scores = builder.op("Add", [scores, mask], f"{prefix}/masked")
    weights = builder.op("Softmax", [scores], f"{prefix}/weights", axis=-1)
    mixed = builder.op("MatMul", [weights, value], f"{prefix}/mixed")
    mixed = builder.op("Transpose", [mixed], f"{prefix}/tokens", perm=[0, 2, 1, 3])
    return builder.op("Reshape", [mixed, join], f"{prefix}/joined")


def gelu(builder: GraphBuilder, value: str, prefix: str) -> str:
    """Computes x (1 + erf(x / sqrt 2)) / 2, the exact GELU, which operator set 17 does not have."""
    root = builder.weight("gelu/root", numpy.array(2**0.5, numpy.float32))
    one = builder.weight("one", numpy.array(1, numpy.float32))
    half = builder.weight("half", numpy.array(0.5, numpy.float32))
    scaled = builder.op("Div", [value, root], f"{prefix}/scaled")
    erf = builder.op("Erf", [scaled], f"{prefix}/erf")
    gate = builder.op("Add", [erf, one], f"{prefix}/gate")
    product = builder.op("Mul", [value, gate], f"{prefix}/product")
    return builder.op("Mul", [product, half], f"{prefix}/gelu")
