"""A cross-encoder that counts words, for tests: the logit of a query and a passage is the number of tokens of the
passage that are in the query, minus two. Inputs, output and files are those of a public export, and the tokenizer is
that of all-MiniLM-L6-v2.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy
from onnx import ModelProto, TensorProto, helper, numpy_helper, save

from onnx_models import bert

# The tokens before it are special tokens, unused ones, punctuation and single letters.
FIRST_WORD = 1996


def write(folder: Path, tokenizer: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    config = {"model_type": "bert", "max_position_embeddings": 514, "pad_token_id": 0}
    (folder / "config.json").write_text(json.dumps(config))
    save(graph(), folder / "model.onnx")


def graph() -> ModelProto:
    builder = bert.GraphBuilder()
    op = builder.op

    def number(name: str, value: object, kind: type) -> str:
        return builder.weight(name, numpy.array(value, kind))

    one = number("one", 1, numpy.int64)
    read = op("Equal", ["attention_mask", one], "read")
    first_word = number("first_word", FIRST_WORD, numpy.int64)
    word = op("And", [read, op("GreaterOrEqual", ["input_ids", first_word], "above")], "word")
    in_passage = op("Equal", ["token_type_ids", one], "in_passage")
    of_passage = op("And", [word, in_passage], "of_passage")
    of_query = op("And", [word, op("Not", [in_passage], "in_query")], "of_query")
    # [batch, passage's token, query's token]
    last, middle = number("last", [2], numpy.int64), number("middle", [1], numpy.int64)
    rows, columns = op("Unsqueeze", ["input_ids", last], "rows"), op("Unsqueeze", ["input_ids", middle], "columns")
    same = op("Equal", [rows, columns], "same")
    passage_rows = op("Unsqueeze", [of_passage, last], "passage/rows")
    both = op("And", [passage_rows, op("Unsqueeze", [of_query, middle], "query/columns")], "both")
    pairs = op("Cast", [op("And", [same, both], "matches")], "matches/numbers", to=TensorProto.FLOAT)
    shared = op("ReduceMax", [pairs], "shared", axes=[2], keepdims=0)
    count = op("ReduceSum", [shared, middle], "count", keepdims=1)
    op("Sub", [count, number("two", 2, numpy.float32)], "logits")

    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
    initializers = [numpy_helper.from_array(array, name) for name, array in builder.weights.items()]
    made = helper.make_graph(builder.nodes, "word_overlap", inputs, [output], initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", bert.OPSET)], ir_version=bert.IR_VERSION)
