"""Quantization to int8: matrices of bytes, and one activation scale per token.

The scale of a token is computed from its activations only, so the vector of a text does not depend on its batch, as it
would with one scale per tensor (dynamic quantization of ONNX Runtime). What makes that accurate enough:

- Smoothing (Xiao et al. 2022, https://arxiv.org/abs/2211.10438). A few channels of a hidden state are ten times larger
  than the others and would dominate the range. Each channel is divided by a constant, and the row of the matrix is
  multiplied by it. The constants are calibrated with a few texts.
- GELU is never below -0.17. Its results are shifted by that, so they need no sign; a constant compensates the shift.
- No sum of two products exceeds 16 bits, because one factor of each uses 7 bits. Processors without dot products of
  bytes (before AVX-512 VNNI) add pairs of products with saturation to 16 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

# How much of the range is moved from the activations to the weights.
SMOOTHING = 0.5
LOWEST_GELU = 0.17
# Signed activations are bytes around this, with weights up to 63; otherwise, both are up to 127.
ZERO_POINT = 128
# Smaller matrices are not quantized, because it would save little.
MIN_MATRIX = 64 * 64

Feed = dict[str, Any]


def int8(model: ModelProto, texts: Sequence[Feed]) -> ModelProto:
    """Returns the model with int8 matrices; `texts` are the calibration inputs."""
    result = ModelProto()
    result.CopyFrom(model)
    graph = _Graph(result)
    products = graph.products()
    ranges = _ranges(model, sorted({product.input[0] for product in products}), texts)
    smoothing = {name: graph.smoothing(name, largest) for name, largest in ranges.items()}
    wanted = {product.name for product in products}
    for node in list(result.graph.node):
        if node.name in wanted:
            graph.replace(node, smoothing[node.input[0]])
        else:
            graph.nodes.append(node)
    graph.write_back()
    return result


def _ranges(model: ModelProto, names: Sequence[str], texts: Sequence[Feed]) -> dict[str, Any]:
    """Returns the largest absolute value of every channel of the named values, over the texts."""
    watched = ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    largest: dict[str, Any] = {}
    for text in texts:
        for name, value in zip(names, session.run(list(names), text), strict=True):
            seen = numpy.abs(value.reshape(-1, value.shape[-1])).max(0)
            largest[name] = numpy.maximum(largest.get(name, seen), seen)
    return largest


@dataclass
class _Graph:
    """A graph during its quantization."""

    model: ModelProto
    nodes: list[NodeProto] = field(default_factory=list)
    made: dict[str, TensorProto] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    # Quantized activations: name -> (values, scales).
    quantized: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.weights = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self.makers = {output: node for node in self.model.graph.node for output in node.output}

    def products(self) -> list[NodeProto]:
        """Returns the products with a constant matrix that is large enough."""
        return [
            node
            for node in self.model.graph.node
            if node.op_type == "MatMul"
            and (weight := self.weights.get(node.input[1])) is not None
            and weight.data_type == TensorProto.FLOAT
            and len(weight.dims) == 2
            and weight.dims[0] * weight.dims[1] >= MIN_MATRIX
        ]

    def matrix(self, name: str) -> Any:
        return numpy_helper.to_array(self.weights[name])

    def smoothing(self, value: str, largest: Any) -> Any:
        """Returns the divisor of each channel of a value; 1 for results of GELU."""
        if self.is_gelu(value):
            return numpy.ones_like(largest)
        readers = [product.input[1] for product in self.products() if product.input[0] == value]
        weights = numpy.max([numpy.abs(self.matrix(name)).max(1) for name in readers], axis=0)
        factors = numpy.maximum(largest, 1e-5) ** SMOOTHING / numpy.maximum(weights, 1e-5) ** (1 - SMOOTHING)
        return (factors / numpy.exp(numpy.log(factors).mean())).astype(numpy.float32)

    def is_gelu(self, value: str) -> bool:
        """Returns whether a value is the result of x (1 + erf(x / sqrt 2)) / 2, in any order of products."""
        todo = [self.makers.get(value)]
        for _ in range(3):
            inputs = [
                name for node in todo if node is not None and node.op_type in ("Mul", "Add") for name in node.input]
            todo = [self.makers.get(name) for name in inputs]
            if any(node is not None and node.op_type == "Erf" for node in todo):
                return True
        maker = self.makers.get(value)
        return maker is not None and maker.op_type in ("Gelu", "BiasGelu", "FastGelu")

    def replace(self, product: NodeProto, smoothing: Any) -> None:
        """Replaces x @ W by (q - 128) @ w * row scale * column scale."""
        value, weight, output = product.input[0], product.input[1], product.output[0]
        shifted = self.is_gelu(value)
        matrix = self.matrix(weight) * smoothing[:, None]
        levels = 127 if shifted else 63
        scales = numpy.maximum(numpy.abs(matrix).max(0) / levels, 1e-12).astype(numpy.float32)
        integers = numpy.clip(numpy.round(matrix / scales), -levels, levels)
        self.constant(f"{weight}_int8", integers.astype(numpy.int8))
        self.constant(f"{weight}_scales", scales)
        self.dropped.add(weight)
        values, rows = self.quantize_rows(value, smoothing, shifted)
        one = self.constant("int8/one", numpy.array(1, numpy.float32))
        inputs = [values, f"{weight}_int8", one, f"{weight}_scales"]
        if not shifted:
            inputs.append(self.constant("int8/zero_point", numpy.array(ZERO_POINT, numpy.uint8)))
        self.op("MatMulIntegerToFloat", inputs, f"{output}/product", domain="com.microsoft")
        if not shifted:
            self.op("Mul", [f"{output}/product", rows], output)
            return
        # Compensates what the shift adds to every row.
        added = -LOWEST_GELU * (integers * scales).sum(0)
        self.op("Mul", [f"{output}/product", rows], f"{output}/shifted")
        self.op("Add", [f"{output}/shifted", self.constant(f"{weight}_shift", added.astype(numpy.float32))], output)

    def quantize_rows(self, value: str, smoothing: Any, shifted: bool) -> tuple[str, str]:
        """Returns unsigned bytes and a scale per token, created once for all products that read the value."""
        if value in self.quantized:
            return self.quantized[value]
        prefix = f"{value}/int8"
        if shifted:
            shift = self.constant("int8/gelu", numpy.array(LOWEST_GELU, numpy.float32))
            value = self.op("Add", [value, shift], f"{prefix}/shifted")
            size = value
        else:
            if not numpy.all(smoothing == 1):
                inverse = self.constant(f"{prefix}/smoothing", (1 / smoothing).astype(numpy.float32))
                value = self.op("Mul", [value, inverse], f"{prefix}/smooth")
            size = self.op("Abs", [value], f"{prefix}/abs")
        largest = self.largest(size, f"{prefix}/largest")
        step = self.constant("int8/step", numpy.array(1 / 127, numpy.float32))
        tiny = self.constant("int8/tiny", numpy.array(1e-12, numpy.float32))
        rows = self.op("Max", [self.op("Mul", [largest, step], f"{prefix}/scale"), tiny], f"{prefix}/rows")
        values = self.divided(value, rows, len(smoothing), 0 if shifted else ZERO_POINT, prefix)
        self.quantized[prefix.removesuffix("/int8")] = (values, rows)
        return values, rows

    def divided(self, value: str, rows: str, channels: int, zero_point: int, prefix: str) -> str:
        """Divides each row by its scale; returns bytes around the zero point.

        QuantizeLinear does it in one pass, with a scale and a zero point per index of the first axis. The operator of
        ONNX Runtime does not need a recent operator set.
        """
        shape = self.constant(f"{prefix}/shape", numpy.array([-1, channels], numpy.int64))
        lines = self.op("Reshape", [value, shape], f"{prefix}/lines")
        flat = self.constant("int8/flat", numpy.array([-1], numpy.int64))
        scales = self.op("Reshape", [rows, flat], f"{prefix}/scales")
        zero = self.constant(f"int8/zero_{zero_point}", numpy.array([zero_point], numpy.uint8))
        zeros = self.op("Expand", [zero, self.op("Shape", [scales], f"{prefix}/count")], f"{prefix}/zeros")
        inputs = [lines, scales, zeros]
        integers = self.op("QuantizeLinear", inputs, f"{prefix}/integers", domain="com.microsoft", axis=0)
        return self.op("Reshape", [integers, self.op("Shape", [value], f"{prefix}/places")], f"{prefix}/values")

    def largest(self, value: str, output: str) -> str:
        """Returns the largest number of each row. Since operator set 18, the axes are an input."""
        opset = next(entry.version for entry in self.model.opset_import if entry.domain in ("", "ai.onnx"))
        if opset < 18:
            return self.op("ReduceMax", [value], output, axes=[-1], keepdims=1)
        axes = self.constant("int8/axes", numpy.array([-1], numpy.int64))
        return self.op("ReduceMax", [value, axes], output, keepdims=1)

    def op(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: Any) -> str:
        if name not in self.made:
            self.made[name] = numpy_helper.from_array(array, name)
        return name

    def write_back(self) -> None:
        graph = self.model.graph
        still_read = {name for node in self.nodes for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name not in self.dropped or tensor.name in still_read]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend([*kept, *self.made.values()])
        if all(opset.domain != "com.microsoft" for opset in self.model.opset_import):
            self.model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
