"""Writes an encoder in three precisions, each as a graph with a separate file of weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
from onnx import ModelProto, TensorProto, checker, external_data_helper, helper, load, numpy_helper

from onnx_models.files import entry
from onnx_models.quantize import Feed, int8

# Weights are in a separate file because ONNX Runtime maps it into memory instead of parsing and copying it: measured on
# two cores, a session then starts in about 70 ms instead of 200 to 300, and needs 57 MB instead of 140 at its peak.
MIN_EXTERNAL_BYTES = 1024


def write_variants(model: ModelProto, folder: Path, texts: Sequence[Feed]) -> dict[str, Any]:
    """Writes float32, float16 and int8 into the folder; returns `variants` of the manifest."""
    graphs = {
        "float32": optimise(model, folder),
        "float16": float16(optimise(model, folder)),
        "int8": half_tables(optimise(int8(model, texts), folder)),
    }
    return {precision: write(graph, folder, precision) for precision, graph in graphs.items()}


def optimise(model: ModelProto, folder: Path) -> ModelProto:
    """Returns the graph as ONNX Runtime optimizes it: the same values from fewer, fused operators.

    Done once here instead of at every start. The next optimization level would depend on the processor.
    """
    path = folder / "optimised.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    optimised = load(path)
    path.unlink()
    return optimised


def float16(model: ModelProto) -> ModelProto:
    """Returns the graph with weights in float16 that computes in float32.

    CPUs multiply float32 faster than float16. Weights are converted when a session is created, and lookup tables row
    by row when a text needs them.
    """
    result = half_tables(model)
    graph = result.graph
    kept = []
    for tensor in list(graph.initializer):
        array = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or array.nbytes < MIN_EXTERNAL_BYTES or not _fits(array):
            kept.append(tensor)
            continue
        half = f"{tensor.name}_float16"
        kept.append(numpy_helper.from_array(array.astype(numpy.float16), half))
        cast = helper.make_node("Cast", [half], [tensor.name], name=f"{tensor.name}/float32", to=TensorProto.FLOAT)
        graph.node.insert(0, cast)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return result


def half_tables(model: ModelProto) -> ModelProto:
    """Returns the graph with its lookup tables in float16."""
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for name, tensor in weights.items():
        array = numpy_helper.to_array(tensor)
        is_table = all(node.op_type == "Gather" and node.input[0] == name for node in readers.get(name, []))
        if tensor.data_type != TensorProto.FLOAT or array.ndim != 2 or not is_table or not _fits(array):
            continue
        tensor.CopyFrom(numpy_helper.from_array(array.astype(numpy.float16), name))
        for node in readers.get(name, []):
            output = node.output[0]
            node.output[0] = f"{output}/float16"
            cast = helper.make_node("Cast", [node.output[0]], [output], name=f"{output}/float32", to=TensorProto.FLOAT)
            graph.node.insert(list(graph.node).index(node) + 1, cast)
    return result


def write(model: ModelProto, folder: Path, precision: str) -> dict[str, Any]:
    """Writes the graph and the file of its large weights; returns the manifest entry."""
    graph, weights = f"{precision}.onnx", f"{precision}.onnx_data"
    external_data_helper.convert_model_to_external_data(model, location=weights, size_threshold=MIN_EXTERNAL_BYTES)
    external_data_helper.write_external_data_tensors(model, str(folder))
    (folder / graph).write_bytes(model.SerializeToString(deterministic=True))
    checker.check_model(str(folder / graph))
    # onnx makes the weights readable by their owner only; functions may run as another user.
    (folder / weights).chmod((folder / graph).stat().st_mode)
    return {"graph": entry(folder / graph), "weights": entry(folder / weights), "optimized": True}


def _fits(array: Any) -> bool:
    return bool(numpy.all(numpy.abs(array) < 65504))
