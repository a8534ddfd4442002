"""Tests of build.py: what is in a package."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from local_stack import build
from local_stack.settings import StackError


class Packages(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.model("all", float32="a", float16="b", int8="c")
        # A model that was imported as it is has nothing but float32.
        self.model("single", float32="d")
        self.bootstrap = self.file("bootstrap", "a program")
        self.reranker = self.folder / "cross-encoder"
        for name in ("config.json", "tokenizer.json", "onnx/model.onnx", "onnx/model_O2.onnx", "README.md"):
            self.file(f"cross-encoder/{name}", name)
        runtime = self.file("libonnxruntime.so", "a library")
        for name, value in {
            "BUILT": self.folder / "built", "MODELS": self.folder / "models",
            "onnxruntime": lambda architecture: runtime,
            "_without_symbols": lambda function, binary: binary,
        }.items():
            patch = mock.patch.object(build, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def model(self, name: str, **graphs: str) -> None:
        variants = {}
        for precision, weights in graphs.items():
            self.file(f"models/{name}/{precision}.onnx", "a graph")
            self.file(f"models/{name}/{precision}.onnx_data", weights)
            variants[precision] = {
                "graph": {"name": f"{precision}.onnx"},
                "weights": {"name": f"{precision}.onnx_data"},
                "optimized": True,
            }
        self.file(f"models/{name}/model.json", json.dumps({"name": name, "variants": variants}))

    def packaged(self, function: str, reranker: Path | None) -> dict[str, str]:
        package = build.assemble(function, self.bootstrap, self.folder / "packages", reranker=reranker)
        files = (path for path in package.rglob("*") if path.is_file())
        return {path.relative_to(package).as_posix(): path.read_text() for path in files}

    def test_a_reranker_takes_the_place_of_float32_in_search(self) -> None:
        plain = self.packaged("search", None)
        self.assertIn("models/all/float32.onnx_data", plain)
        self.assertFalse([name for name in plain if name.startswith("reranker/")])

        reranking = self.packaged("search", self.reranker)
        added = ["reranker/config.json", "reranker/onnx/model.onnx", "reranker/tokenizer.json"]
        removed = ["models/all/float32.onnx", "models/all/float32.onnx_data"]
        self.assertEqual(sorted(reranking.keys() - plain.keys()), added)
        self.assertEqual(sorted(plain.keys() - reranking.keys()), removed)
        variants = json.loads(reranking["models/all/model.json"])["variants"]
        self.assertEqual(list(variants), ["float16", "int8"])
        self.assertEqual(reranking["models/single/model.json"], plain["models/single/model.json"])
        # A later package without a reranker has nothing of it.
        self.assertEqual(self.packaged("search", None), plain)

    def test_other_functions_are_packaged_without_the_reranker(self) -> None:
        self.assertEqual(self.packaged("embed", self.reranker), self.packaged("embed", None))

    def test_a_folder_without_a_graph_is_refused(self) -> None:
        (self.reranker / "onnx/model.onnx").unlink()
        with self.assertRaisesRegex(StackError, "neither model.onnx nor onnx/model.onnx"):
            self.packaged("search", self.reranker)


if __name__ == "__main__":
    unittest.main()
