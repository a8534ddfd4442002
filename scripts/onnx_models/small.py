"""Small models in the format of public exports, for tests: random weights, real inputs and outputs.

`python -m onnx_models.small DIR TOKENIZER` writes a Hugging Face folder for each family, imports it into a model
folder, and writes the expected vectors, `expected.json`, computed with the exported graph, one text at a time and
without padding. It also writes the cross-encoder word-overlap, which uses the tokens of TOKENIZER.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper, save
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from onnx_models import bert, calibration, files, word_overlap

SCRIPTS = Path(__file__).resolve().parents[1]
WORDS = [
    "the", "a", "cat", "dog", "bird", "sea", "ship", "wind", "house", "red", "blue", "old", "new", "sleeps", "sails",
    "flies", "near", "over", "query", "passage", "search", "document",
]
TEXTS = [
    "the cat sleeps", "a bird flies over the old house near the sea", "ship", "red wind " * 12, "unknown words here",
    "",
]
HIDDEN, HEADS, LAYERS, VOCABULARY = 64, 4, 2, 64


@dataclass(frozen=True)
class Small:
    """A model family, and how its exports differ from those of BERT."""

    name: str
    pooling_mode: str
    token_types: bool
    decoder: bool = False
    prompts: tuple[tuple[str, str], ...] = ()


FAMILIES = (
    Small("intfloat/e5-small-v2", "pooling_mode_mean_tokens", token_types=True),
    Small("BAAI/bge-small-en-v1.5", "pooling_mode_cls_token", token_types=True),
    Small("Alibaba-NLP/gte-base-en-v1.5", "pooling_mode_cls_token", token_types=False),
    Small("nomic-ai/nomic-embed-text-v1.5", "pooling_mode_mean_tokens", token_types=True),
    Small("Qwen/Qwen3-Embedding-0.6B", "pooling_mode_lasttoken", token_types=False, decoder=True),
)


def main() -> None:
    target, words = Path(sys.argv[1]), Path(sys.argv[2])
    made_from = files.fingerprint([*files.recipe(), SCRIPTS / "import-model", words], [], [onnxruntime.__version__])
    stamp = target / "made_from"
    if stamp.is_file() and stamp.read_text() == made_from:
        print(f"{target} is up to date")
        return
    for family in FAMILIES:
        export = target / "exports" / family.name.split("/")[1]
        write_export(family, export)
        arguments = [str(export), "--name", family.name, "--models-dir", str(target / "models")]
        command = [sys.executable, str(SCRIPTS / "import-model"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        folder = target / "models" / export.name
        (folder / "expected.json").write_text(json.dumps(expected(folder, export), indent=1))
    word_overlap.write(target / "word-overlap", words)
    stamp.write_text(made_from)
    print(f"wrote {target}")


def write_export(family: Small, folder: Path) -> None:
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    (folder / "onnx").mkdir(exist_ok=True)
    random = numpy.random.default_rng(len(family.name))
    save(decoder(random) if family.decoder else encoder(random, family.token_types), folder / "onnx" / "model.onnx")
    tokenizer(family.decoder).save(str(folder / "tokenizer.json"))
    model_type = "qwen3" if family.decoder else "bert"
    config = {"hidden_size": HIDDEN, "max_position_embeddings": 128, "model_type": model_type}
    padding = {"pad_token": "<pad>", "padding_side": "left" if family.decoder else "right", "model_max_length": 64}
    for name, content in [
        ("config.json", config),
        ("tokenizer_config.json", padding),
        ("1_Pooling/config.json", {"word_embedding_dimension": HIDDEN, family.pooling_mode: True}),
    ]:
        (folder / name).write_text(json.dumps(content))


def tokenizer(is_decoder: bool) -> Tokenizer:
    specials = ["<pad>", "[UNK]", "[CLS]", "[SEP]", "<|endoftext|>"]
    vocabulary = {word: place for place, word in enumerate([*specials, *WORDS])}
    result = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    result.pre_tokenizer = pre_tokenizers.Whitespace()
    template = "$A <|endoftext|>" if is_decoder else "[CLS] $A [SEP]"
    used = [(token, vocabulary[token]) for token in specials if token in template.split()]
    result.post_processor = processors.TemplateProcessing(single=template, special_tokens=used)
    return result


def encoder(random: numpy.random.Generator, token_types: bool) -> ModelProto:
    """Builds BERT, with or without the input token_type_ids."""
    config = {"hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "layer_norm_eps": 1e-12}
    tensors = {
        "embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN),
        "embeddings.position_embeddings.weight": (128, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        norms += [f"{prefix}.attention.output.LayerNorm", f"{prefix}.output.LayerNorm"]
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            tensors[f"{prefix}.{part}.weight"] = (HIDDEN, HIDDEN)
        tensors[f"{prefix}.intermediate.dense.weight"] = (2 * HIDDEN, HIDDEN)
        tensors[f"{prefix}.output.dense.weight"] = (HIDDEN, 2 * HIDDEN)
    weights = {name: random.normal(0, 0.3, shape).astype(numpy.float32) for name, shape in tensors.items()}
    matrices = ("dense.weight", "query.weight", "key.weight", "value.weight")
    for name in [name for name in weights if name.endswith(matrices)]:
        bias = numpy.asarray(random.normal(0, 0.1, weights[name].shape[0]), numpy.float32)
        weights[name.replace(".weight", ".bias")] = bias
    for name in norms:
        weights[f"{name}.weight"] = random.normal(1, 0.1, HIDDEN).astype(numpy.float32)
        weights[f"{name}.bias"] = random.normal(0, 0.1, HIDDEN).astype(numpy.float32)
    model = bert.build_encoder(config, weights)
    if not token_types:
        kept = [entry for entry in model.graph.input if entry.name != "token_type_ids"]
        del model.graph.input[:]
        model.graph.input.extend(kept)
        zeros = helper.make_node("Sub", ["input_ids", "input_ids"], ["token_type_ids"], name="token_type_ids")
        model.graph.node.insert(0, zeros)
    return model


def decoder(random: numpy.random.Generator) -> ModelProto:
    """Builds one causal layer with position_ids and a key-value cache."""
    size = HIDDEN // HEADS
    builder = bert.GraphBuilder()

    def matrix(name: str, rows: int, columns: int) -> str:
        return builder.weight(name, random.normal(0, 0.3, (rows, columns)).astype(numpy.float32))

    def numbers(name: str, *values: float, kind: Any = numpy.int64) -> str:
        return builder.weight(name, numpy.array(values, kind))

    op = builder.op
    words = op("Gather", [matrix("words", VOCABULARY, HIDDEN), "input_ids"], "word")
    places = op("Gather", [matrix("places", 128, HIDDEN), "position_ids"], "place")
    hidden = op("Add", [words, places], "hidden")
    split = numbers("split", 0, 0, HEADS, size)
    heads = {}
    for name in ("query", "key", "value"):
        product = op("MatMul", [hidden, matrix(f"{name}.weight", HIDDEN, HIDDEN)], name)
        parts = op("Reshape", [product, split], f"{name}/split")
        heads[name] = op("Transpose", [parts], f"{name}/heads", perm=[0, 2, 1, 3])
    for name in ("key", "value"):
        heads[name] = op("Concat", [f"past_key_values.0.{name}", heads[name]], f"present.0.{name}", axis=2)
    turned = op("Transpose", [heads["key"]], "key/turned", perm=[0, 1, 3, 2])
    scores = op("MatMul", [heads["query"], turned], "scores")
    # A token attends to itself and earlier tokens, not to padding.
    fill = numpy_helper.from_array(numpy.array([1], numpy.float32))
    ones = op("ConstantOfShape", [op("Shape", [scores], "scores/shape")], "ones", value=fill)
    later = op("Trilu", [ones, builder.weight("one", numpy.array(1, numpy.int64))], "later", upper=1)
    wide = op("Unsqueeze", ["attention_mask", numbers("axes", 1, 2)], "mask/wide")
    mask_one = builder.weight("mask/one", numpy.array(1, numpy.float32))
    padding = op("Sub", [mask_one, op("Cast", [wide], "mask/kept", to=TensorProto.FLOAT)], "padding")
    lowest = builder.weight("lowest", numpy.array(-1e9, numpy.float32))
    hiding = op("Mul", [op("Add", [later, padding], "hidden_tokens"), lowest], "hiding")
    weights = op("Softmax", [op("Add", [scores, hiding], "masked")], "weights", axis=-1)
    mixed = op("Transpose", [op("MatMul", [weights, heads["value"]], "mixed")], "mixed/tokens", perm=[0, 2, 1, 3])
    joined = op("Reshape", [mixed, numbers("join", 0, 0, HIDDEN)], "joined")
    op("Add", [hidden, op("MatMul", [joined, matrix("output.weight", HIDDEN, HIDDEN)], "output")], "last_hidden_state")

    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "position_ids")
    ]
    ids.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "total"]))

    def cache(name: str, length: str) -> list[Any]:
        return [
            helper.make_tensor_value_info(f"{name}.0.{part}", TensorProto.FLOAT, ["batch", HEADS, length, size])
            for part in ("key", "value")
        ]

    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", HIDDEN])
    initializers = [numpy_helper.from_array(array, name) for name, array in builder.weights.items()]
    graph = helper.make_graph(
        builder.nodes, "decoder", [*ids, *cache("past_key_values", "past")], [output, *cache("present", "total")],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", bert.OPSET)], ir_version=bert.IR_VERSION)


def expected(folder: Path, export: Path) -> list[dict[str, Any]]:
    """Returns the vectors of each text as a query and as a passage, by the exported float32 graph."""
    manifest = files.read_json(folder / files.MANIFEST)
    session = onnxruntime.InferenceSession(str(export / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    from onnx import load

    model = load(export / "onnx" / "model.onnx")
    words = Tokenizer.from_file(str(export / "tokenizer.json"))

    def vector(text: str) -> list[float]:
        ids = words.encode(text).ids
        states = session.run(["last_hidden_state"], calibration.feed(model, ids))[0][0]
        pooled = {"mean": states.mean(0), "cls": states[0], "last_token": states[-1]}[manifest["pooling"]]
        return [float(value) for value in pooled / numpy.linalg.norm(pooled)]

    return [
        {
            "text": text, "query": vector(manifest["query_prefix"] + text),
            "passage": vector(manifest["passage_prefix"] + text),
        }
        for text in TEXTS
    ]


if __name__ == "__main__":
    main()
