"""Quantized models are accurate, exports are read completely, and static vectors are deterministic."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any, ClassVar

import numpy
import onnxruntime
from onnx import ModelProto
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from onnx_models import calibration, files, hugging_face, quantize, small, static_vectors, variants


def states(model: ModelProto, feed: dict[str, Any]) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["last_hidden_state"], feed)[0]


def cosine(one: Any, other: Any) -> float:
    return float((one * other).sum() / numpy.linalg.norm(one) / numpy.linalg.norm(other))


class PrecisionTest(unittest.TestCase):
    model: ClassVar[ModelProto]
    texts: ClassVar[list[dict[str, Any]]]
    int8: ClassVar[ModelProto]

    @classmethod
    def setUpClass(cls) -> None:
        cls.model = small.encoder(numpy.random.default_rng(3), token_types=True)
        cls.texts = [calibration.feed(cls.model, [2, *range(5, 5 + length), 3]) for length in (4, 9, 20)]
        cls.int8 = quantize.int8(cls.model, cls.texts)

    def test_int8_is_similar_to_float32(self) -> None:
        for text in self.texts:
            self.assertGreater(cosine(states(self.int8, text), states(self.model, text)), 0.99)

    def test_int8_quantizes_every_matrix(self) -> None:
        kinds = [node.op_type for node in self.int8.graph.node]
        self.assertEqual(kinds.count("MatMulIntegerToFloat"), 6 * small.LAYERS)

    def test_int8_does_not_depend_on_the_batch(self) -> None:
        short, long = self.texts[0], self.texts[2]
        width = long["input_ids"].shape[1]
        padded = {name: numpy.pad(value, ((0, 0), (0, width - value.shape[1]))) for name, value in short.items()}
        batch = {name: numpy.concatenate([padded[name], long[name]]) for name in long}
        together = states(self.int8, batch)[0, : short["input_ids"].shape[1]]
        numpy.testing.assert_allclose(together, states(self.int8, short)[0], atol=1e-5)

    def test_sums_of_two_products_fit_into_16_bits(self) -> None:
        from onnx import numpy_helper

        weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.int8.graph.initializer}
        for node in self.int8.graph.node:
            if node.op_type == "MatMulIntegerToFloat":
                largest = int(numpy.abs(weights[node.input[1]].astype(int)).max())
                # Activations use a byte with a zero point, and 7 bits without.
                activation = 255 if len(node.input) > 4 else 127
                self.assertLess(2 * activation * largest, 2**15)

    def test_float16_is_nearly_equal_to_float32(self) -> None:
        half = variants.float16(self.model)
        for text in self.texts:
            self.assertGreater(cosine(states(half, text), states(self.model, text)), 0.9999)


class ImportTest(unittest.TestCase):
    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)

    def missing(self, name: str | None = "owner/model") -> list[str]:
        with self.assertRaises(hugging_face.Missing) as raised:
            hugging_face.read(self.folder, name, {})
        return raised.exception.lines

    def test_empty_folder_lacks_everything(self) -> None:
        self.assertEqual([line.split(":")[0] for line in self.missing()],
                         ["onnx/model.onnx or model.onnx", "tokenizer.json", "config.json"])

    def test_unknown_pooling_is_missing_unless_the_family_defines_it(self) -> None:
        small.write_export(small.FAMILIES[0], self.folder)
        (self.folder / "1_Pooling" / "config.json").unlink()
        self.assertIn("1_Pooling/config.json", self.missing()[0])
        self.assertEqual(hugging_face.read(self.folder, "intfloat/e5-small", {}).settings["pooling"], "mean")

    def test_name_without_an_owner_is_rejected(self) -> None:
        small.write_export(small.FAMILIES[0], self.folder)
        self.assertIn("--name OWNER/MODEL", self.missing(None)[0])

    def test_prompts_of_the_folder_override_those_of_the_family(self) -> None:
        small.write_export(small.FAMILIES[0], self.folder)
        prompts = {"prompts": {"query": "ask: ", "document": ""}}
        (self.folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
        settings = hugging_face.read(self.folder, "intfloat/e5-small", {}).settings
        self.assertEqual(
            (settings["query_prefix"], settings["passage_prefix"], settings["passage_prefix_tokens"]), ("ask: ", "", 0))


class StaticVectorsTest(unittest.TestCase):
    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)
        small.write_export(small.FAMILIES[0], self.folder)

    def write(self) -> dict[str, Any]:
        graph, tokenizer = self.folder / "onnx" / "model.onnx", self.folder / "tokenizer.json"
        made = static_vectors.write(self.folder, graph, tokenizer, "mean")
        self.assertEqual(made, files.entry(self.folder / static_vectors.FILE))
        return load_file(str(self.folder / static_vectors.FILE))

    def test_vectors_are_deterministic(self) -> None:
        one, other = self.write(), self.write()
        numpy.testing.assert_array_equal(one["vectors"], other["vectors"])
        numpy.testing.assert_array_equal(one["scales"], other["scales"])

    def test_every_token_has_a_vector_and_punctuation_has_no_weight(self) -> None:
        tensors = self.write()
        encoder = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.assertEqual(len(tensors["vectors"]), encoder.get_vocab_size())
        for token, scale in enumerate(tensors["scales"]):
            name = encoder.id_to_token(token) or ""
            is_special = token in encoder.get_added_tokens_decoder()
            is_word = any(character.isalnum() for character in name) and not is_special
            self.assertEqual(bool(scale > 0), is_word, name)

    def test_frequent_words_have_less_weight(self) -> None:
        encoder = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        weights = static_vectors.rarity(encoder, encoder.get_vocab_size())
        words = [
            weights[token] for token in range(len(weights))
            if len((encoder.id_to_token(token) or "").removeprefix("##").lstrip("\u2581\u0120")) > 1
            and weights[token] > 0
        ]
        self.assertGreater(len(words), 2)
        self.assertEqual(words, sorted(words))


if __name__ == "__main__":
    unittest.main()
