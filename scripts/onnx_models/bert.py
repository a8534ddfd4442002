"""The BERT encoder as an ONNX graph, operator by operator from a checkpoint's tensors."""

from __future__ import annotations

import numpy
from onnx import TensorProto, helper, numpy_helper

# The oldest operator set with LayerNormalization; readable by every ONNX Runtime since 1.12.
OPSET = 17
IR_VERSION = 8


class GraphBuilder:
    """Nodes and weights of one graph. Each operator method returns the name of its output."""

    def __init__(self):
        self.nodes = []
        self.weights = {}

    def weight(self, name, array):
        self.weights[name] = array
        return name

    def op(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def linear(self, value, prefix, tensors):
        """x @ W + b. The checkpoint stores W as [out, in], as torch does; MatMul wants [in, out]."""
        kernel = numpy.ascontiguousarray(tensors[f"{prefix}.weight"].T)
        product = self.op("MatMul", [value, self.weight(f"{prefix}.weight", kernel)], f"{prefix}/matmul")
        return self.op("Add", [product, self.weight(f"{prefix}.bias", tensors[f"{prefix}.bias"])], prefix)

    def layer_norm(self, value, prefix, tensors, epsilon):
        scale = self.weight(f"{prefix}.weight", tensors[f"{prefix}.weight"])
        bias = self.weight(f"{prefix}.bias", tensors[f"{prefix}.bias"])
        return self.op("LayerNormalization", [value, scale, bias], prefix, axis=-1, epsilon=epsilon)


def build_encoder(config, tensors):
    """The BERT encoder (Devlin et al. 2018, https://arxiv.org/abs/1810.04805) as an ONNX model.

    Inputs input_ids, attention_mask (1 = read, 0 = padding) and token_type_ids, int64 [batch, sequence];
    output last_hidden_state, float32 [batch, sequence, hidden]. The pooler is left out: nothing uses it.
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


def embed_tokens(builder, config, tensors):
    """Word, position and segment embeddings, added and normalised: [batch, sequence, hidden]."""
    def table(name):
        return builder.weight(f"embeddings.{name}", tensors[f"embeddings.{name}.weight"])

    words = builder.op("Gather", [table("word_embeddings"), "input_ids"], "embeddings/words")
    segments = builder.op("Gather", [table("token_type_embeddings"), "token_type_ids"], "embeddings/segments")
    # Positions 0 .. sequence: the first rows of the table, for every text of the batch.
    length = builder.op("Shape", ["input_ids"], "embeddings/length", start=1, end=2)
    start = builder.weight("zero", numpy.array([0], numpy.int64))
    positions = builder.op("Slice", [table("position_embeddings"), start, length, start], "embeddings/positions")
    typed = builder.op("Add", [words, segments], "embeddings/typed")
    placed = builder.op("Add", [typed, positions], "embeddings/placed")
    return builder.layer_norm(placed, "embeddings.LayerNorm", tensors, config["layer_norm_eps"])


def additive_mask(builder):
    """0 where a token may be read, the lowest float where it is padding: [batch, 1, 1, sequence]."""
    axes = builder.weight("mask/axes", numpy.array([1, 2], numpy.int64))
    wide = builder.op("Unsqueeze", ["attention_mask", axes], "mask/wide")
    kept = builder.op("Cast", [wide], "mask/kept", to=TensorProto.FLOAT)
    one = builder.weight("one", numpy.array(1, numpy.float32))
    dropped = builder.op("Sub", [one, kept], "mask/dropped")
    lowest = builder.weight("mask/lowest", numpy.array(numpy.finfo(numpy.float32).min, numpy.float32))
    return builder.op("Mul", [dropped, lowest], "mask/bias")


def encoder_layer(builder, config, tensors, index, hidden, mask):
    """Self-attention and feed-forward, each added to its input and normalised afterwards."""
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


def self_attention(builder, config, tensors, prefix, hidden, mask):
    """softmax(Q K^T / sqrt(head) + mask) V for every head: [batch, sequence, hidden]."""
    heads = config["num_attention_heads"]
    head_size = config["hidden_size"] // heads
    split = builder.weight("heads/split", numpy.array([0, 0, heads, head_size], numpy.int64))
    join = builder.weight("heads/join", numpy.array([0, 0, config["hidden_size"]], numpy.int64))
    scale = builder.weight("heads/scale", numpy.array(head_size**0.5, numpy.float32))

    def per_head(name, order):
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


def gelu(builder, value, prefix):
    """x (1 + erf(x / sqrt 2)) / 2, the exact form: operator set 17 has no Gelu of its own."""
    root = builder.weight("gelu/root", numpy.array(2**0.5, numpy.float32))
    one = builder.weight("one", numpy.array(1, numpy.float32))
    half = builder.weight("half", numpy.array(0.5, numpy.float32))
    scaled = builder.op("Div", [value, root], f"{prefix}/scaled")
    erf = builder.op("Erf", [scaled], f"{prefix}/erf")
    gate = builder.op("Add", [erf, one], f"{prefix}/gate")
    product = builder.op("Mul", [value, gate], f"{prefix}/product")
    return builder.op("Mul", [product, half], f"{prefix}/gelu")
