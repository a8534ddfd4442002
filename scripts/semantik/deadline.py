"""scripts/deadline: indexes a document that takes a slow model longer than the time limit of the embed function."""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3

from command_line import CommandError
from semantik.account import Account
from semantik.client import Client, File
from semantik.command import LOCAL, ROOT, heading, last_line, run, variable
from semantik.http_client import Http

NAME = "semantik/random-bert-base"
FOLDER = "random-bert-base"
PREFIX = "models/"
HIDDEN, HEADS, INTERMEDIATE, MAX_TOKENS = 768, 12, 3072, 512
WORDS_PER_CHUNK = 300
POLL_SECONDS = 1.0
LONGEST_SECONDS = 1800


def main() -> bool:
    parser = argparse.ArgumentParser(prog="scripts/deadline", add_help=False)
    parser.add_argument("--chunks", type=int, default=60)
    parser.add_argument("--timeout", type=int, default=60)
    parser.add_argument("--layers", type=int, default=12)
    options = parser.parse_args()

    bucket = variable("MODELS_BUCKET")
    embed = EmbedFunction()
    keys: list[str] = []
    try:
        heading(f"a model of {options.layers} layers with {HIDDEN} dimensions")
        with tempfile.TemporaryDirectory(dir=LOCAL) as folder:
            write_model(Path(folder), options.layers)
            keys = upload(bucket, Path(folder))
        embed.limit(options.timeout)
        heading(f"a document of about {options.chunks} chunks, at most {options.timeout} s per invocation")
        result = index(options.chunks, embed)
    finally:
        embed.restore()
        for key in keys:
            boto3.client("s3").delete_object(Bucket=bucket, Key=key)
    last_line({"layers": options.layers, "timeout_seconds": options.timeout, **result})
    return not result["timed_out"] and not result["dead_letters"]


class EmbedFunction:
    """The embed function of the stack: its time limit, and what it logged since this object was made."""

    def __init__(self) -> None:
        self._lambda, self._logs, self._sqs = (boto3.client(name) for name in ("lambda", "logs", "sqs"))
        names = [entry["FunctionName"] for entry in self._lambda.list_functions()["Functions"]]
        self.name = next(name for name in names if "EmbedFunction" in name)
        configuration = self._lambda.get_function_configuration(FunctionName=self.name)
        self._timeout, self._log_group = configuration["Timeout"], configuration["LoggingConfig"]["LogGroup"]
        self._since = int(time.time() * 1000)

    def limit(self, seconds: int) -> None:
        """Sets the time limit; new instances start with it."""
        self._lambda.update_function_configuration(FunctionName=self.name, Timeout=seconds)

    def restore(self) -> None:
        """Sets the time limit that it had."""
        self.limit(self._timeout)

    def messages(self) -> list[dict[str, Any]]:
        """Returns the JSON log lines of all functions, and other lines as `{"message": …}`."""
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._log_group, startTime=self._since)
        return [parsed(event["message"]) for page in pages for event in page["events"]]

    def dead_letters(self) -> int:
        """Returns how many messages are in the dead-letter queue."""
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=variable("EMBED_DEAD_LETTER_QUEUE_URL"),
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])
        return sum(int(value) for value in attributes["Attributes"].values())


def parsed(line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError:
        return {"message": line}
    return fields if isinstance(fields, dict) else {"message": line}


def index(chunks: int, embed: EmbedFunction) -> dict[str, Any]:
    """Indexes a document with the model and waits for its end; returns what the embed function did."""
    account = Account(Http(), variable("API_URL"), LOCAL / "deadline.json", "deadline")
    account.sign_in()
    client = Client(Http(), variable("API_URL"), account)
    collection, _ = client.ensure_collection(
        f"deadline {secrets.token_hex(4)}", embedding_model=NAME, quantization="float32", chunk_size=MAX_TOKENS - 2,
        chunk_overlap=0)
    began = time.monotonic()
    client.upload(collection["id"], [File("long.txt", text(chunks).encode())])
    # The new collection's first operation creates its index.
    await_end(client, collection["id"])
    seconds = time.monotonic() - began
    messages = embed.messages()
    groups = [entry for entry in messages if entry.get("message") == "group embedded"]
    document = next(client.documents(collection["id"]))
    dead_letters = embed.dead_letters()
    client.delete_collection(collection["id"])
    if document["status"] != "completed":
        raise CommandError(f"the document is {document['status']}: {document.get('error_message')}")
    tokens, model_seconds = (sum(float(group[name]) for group in groups) for name in ("tokens", "model_ms"))
    print(f"  {document['chunk_count']} chunks are searchable after {seconds:.0f} s")
    return {
        "chunks": document["chunk_count"], "seconds": round(seconds, 1),
        "invocations": len({group["span"]["request.id"] for group in groups}),
        "handed_back": sum("handed back" in str(entry.get("outcome", entry.get("error", ""))) for entry in messages),
        "timed_out": sum("timed out" in str(entry.get("message")) for entry in messages),
        "dead_letters": dead_letters,
        "tokens_per_second": round(tokens / max(model_seconds / 1000, 0.001)),
    }


def await_end(client: Client, collection_id: str) -> None:
    began = time.monotonic()
    while not any(document["status"] in ("completed", "failed") for document in client.documents(collection_id)):
        if time.monotonic() - began > LONGEST_SECONDS:
            raise CommandError(f"not indexed after {LONGEST_SECONDS} s; scripts/stack logs shows why")
        time.sleep(POLL_SECONDS)


def text(chunks: int) -> str:
    """Returns sentences of words that no other sentence has, so that no chunk equals another."""
    import random

    source = random.Random(1)
    words = [f"{source.choice('bcdfglmnprst')}{source.choice('aeiou')}{source.choice('lmnrst')}" for _ in range(400)]
    sentences = (" ".join(source.choices(words, k=15)) + ".\n" for _ in range(chunks * WORDS_PER_CHUNK // 15))
    return "".join(sentences)


def write_model(folder: Path, layers: int) -> None:
    """Writes a model folder: BERT base (Devlin et al. 2018) with random weights, and the tokenizer of another BERT."""
    import numpy
    import onnx

    from onnx_models.bert import build_encoder

    tokenizer = ROOT / ".local" / "models" / "all-MiniLM-L6-v2" / "tokenizer.json"
    vocabulary = len(json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"])
    config = {"num_hidden_layers": layers, "hidden_size": HIDDEN, "num_attention_heads": HEADS, "layer_norm_eps": 1e-12}
    graph = build_encoder(config, RandomTensors(numpy.random.default_rng(1), vocabulary))
    onnx.save(graph, str(folder / "model.onnx"))
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    manifest = {
        "name": NAME, "short_name": "random-bert-base", "dimension": HIDDEN, "max_tokens": MAX_TOKENS,
        "special_tokens": 2, "pooling": "mean", "normalize": True, "query_prefix": "", "passage_prefix": "",
        "passage_prefix_tokens": 0, "padding_token_id": 0,
    }
    (folder / "model.json").write_text(json.dumps(manifest), encoding="utf-8")


class RandomTensors(dict[str, Any]):
    """The tensors of a checkpoint, made when they are read; named as in a checkpoint of BERT."""

    def __init__(self, random: Any, vocabulary: int):
        super().__init__()
        self._random, self._vocabulary = random, vocabulary

    def __missing__(self, name: str) -> Any:
        tensor = self._random.standard_normal(self._shape(name), dtype="float32") * 0.02
        self[name] = tensor + 1 if name.endswith("LayerNorm.weight") else tensor
        return self[name]

    def _shape(self, name: str) -> tuple[int, ...]:
        rows = {"word_embeddings": self._vocabulary, "position_embeddings": MAX_TOKENS, "token_type_embeddings": 2}
        for table, count in rows.items():
            if name == f"embeddings.{table}.weight":
                return count, HIDDEN
        is_wide_out = "intermediate.dense" in name
        is_wide_in = name.endswith(".output.dense.weight") and "attention" not in name
        if name.endswith(("LayerNorm.weight", ".bias")):
            return (INTERMEDIATE if is_wide_out else HIDDEN,)
        return (INTERMEDIATE, HIDDEN) if is_wide_out else (HIDDEN, INTERMEDIATE if is_wide_in else HIDDEN)


def upload(bucket: str, folder: Path) -> list[str]:
    """Uploads a model folder, the manifest last, so that it is found when it is complete; returns the keys."""
    s3 = boto3.client("s3")
    names = sorted((file.name for file in folder.iterdir()), key=lambda name: name == "model.json")
    keys = [f"{PREFIX}{FOLDER}/{name}" for name in names]
    for name, key in zip(names, keys, strict=True):
        s3.upload_file(str(folder / name), bucket, key)
        print(f"  {name}: {(folder / name).stat().st_size / 1e6:.1f} MB")
    return keys


if __name__ == "__main__":
    run("scripts/deadline", main)
