//! Tests with a small cross-encoder that is built here. Its logit is the number of words that text and query
//! share, minus 1.5: enough to check that pairs, masks, types, padding and limits reach the graph.

use std::path::PathBuf;

use super::*;

const WORDS: [&str; 8] = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "tide", "sea", "moon", "bread"];

/// An encoder for the part of Protocol Buffers that an ONNX file needs.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(mut self, field: u8, value: u64) -> Self {
        self.0.push(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u8, value: &[u8]) -> Self {
        // Fields above 15 need a second byte; ONNX has none of those with this wire type.
        self.0.push((field << 3) | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn texts(self, field: u8, values: &[&str]) -> Self {
        values.iter().fold(self, |message, value| message.bytes(field, value.as_bytes()))
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

fn node(operation: &str, inputs: &[&str], output: &str, attributes: &[Message]) -> Message {
    let node = Message::default().texts(1, inputs).texts(2, &[output]).texts(4, &[operation]);
    attributes.iter().fold(node, |node, attribute| node.bytes(5, &attribute.0))
}

fn integer(name: &str, value: u64) -> Message {
    // The type is field 20, which takes two bytes: 20 << 3 = 160; its value 2 says integer.
    let mut attribute = Message::default().texts(1, &[name]).number(3, value);
    attribute.0.extend([0xa0, 0x01, 2]);
    attribute
}

fn floats(name: &str, dims: &[u64], values: &[f32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = dims.iter().fold(Message::default(), |tensor, dim| tensor.number(1, *dim));
    tensor.number(2, 1).texts(8, &[name]).bytes(9, &raw)
}

fn axes(name: &str, axis: i64) -> Message {
    Message::default().number(1, 1).number(2, 7).texts(8, &[name]).bytes(9, &axis.to_le_bytes())
}

fn value(name: &str, kind: u64, dims: &[&str]) -> Message {
    let shape = dims
        .iter()
        .fold(Message::default(), |shape, dim| shape.bytes(1, &Message::default().texts(2, &[dim]).0));
    let tensor = Message::default().number(1, kind).bytes(2, &shape.0);
    Message::default().texts(1, &[name]).bytes(2, &Message::default().bytes(1, &tensor.0).0)
}

/// Builds the graph: the words of the query as one vector, those of the text as another, and their overlap.
fn graph() -> Vec<u8> {
    let size = WORDS.len();
    let is_word = |row: usize, column: usize| row == column && row > 3;
    let table: Vec<f32> =
        (0..size * size).map(|at| if is_word(at / size, at % size) { 1.0 } else { 0.0 }).collect();
    let float = || [integer("to", 1)];
    let nodes = [
        node("Gather", &["table", "input_ids"], "words", &[]),
        node("Cast", &["attention_mask"], "mask", &float()),
        node("Cast", &["token_type_ids"], "type", &float()),
        node("Mul", &["mask", "type"], "in_passage", &[]),
        node("Sub", &["mask", "in_passage"], "in_query", &[]),
        node("Unsqueeze", &["in_passage", "last"], "passage_mask", &[]),
        node("Unsqueeze", &["in_query", "last"], "query_mask", &[]),
        node("Mul", &["words", "passage_mask"], "passage_words", &[]),
        node("Mul", &["words", "query_mask"], "query_words", &[]),
        node("ReduceMax", &["passage_words"], "passage", &[integer("keepdims", 1), one_axis()]),
        node("ReduceMax", &["query_words"], "query", &[integer("keepdims", 1), one_axis()]),
        node("Mul", &["passage", "query"], "shared", &[]),
        node("ReduceSum", &["shared", "last"], "count", &[integer("keepdims", 0)]),
        node("Sub", &["count", "bias"], "logits", &[]),
    ];
    let graph = nodes.iter().fold(Message::default(), |graph, node| graph.bytes(1, &node.0));
    let dims = [size as u64, size as u64];
    let graph = [floats("table", &dims, &table), floats("bias", &[1], &[1.5]), axes("last", -1)]
        .iter()
        .fold(graph.texts(2, &["count"]), |graph, tensor| graph.bytes(5, &tensor.0));
    let graph = ["input_ids", "attention_mask", "token_type_ids"]
        .iter()
        .fold(graph, |graph, name| graph.bytes(11, &value(name, 7, &["batch", "sequence"]).0));
    let graph = graph.bytes(12, &value("logits", 1, &["batch", "label"]).0);
    let operators = Message::default().texts(1, &[""]).number(2, 17);
    Message::default().number(1, 8).bytes(7, &graph.0).bytes(8, &operators.0).0
}

/// The axes attribute with axis 1: field 8, type 7 (integers).
fn one_axis() -> Message {
    let mut attribute = Message::default().texts(1, &["axes"]).number(8, 1);
    attribute.0.extend([0xa0, 0x01, 7]);
    attribute
}

fn folder(max_position_embeddings: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let special = |index: usize, kind: usize| serde_json::json!({ "SpecialToken": { "id": WORDS[index], "type_id": kind } });
    let text = |id: &str, kind: usize| serde_json::json!({ "Sequence": { "id": id, "type_id": kind } });
    let token =
        |index: usize| serde_json::json!({ "id": WORDS[index], "ids": [index], "tokens": [WORDS[index]] });
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "decoder": null,
        "normalizer": { "type": "Lowercase" }, "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special(1, 0), text("A", 0), special(2, 0)],
            "pair": [special(1, 0), text("A", 0), special(2, 0), text("B", 1), special(2, 1)],
            "special_tokens": { "[CLS]": token(1), "[SEP]": token(2) },
        },
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]" },
    });
    let config = serde_json::json!({
        "architectures": ["BertForSequenceClassification"], "pad_token_id": 0,
        "max_position_embeddings": max_position_embeddings,
    });
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    fs::write(folder.path().join("model.onnx"), graph()).unwrap();
    folder
}

fn open(folder: &Path) -> Result<Reranker, EmbeddingError> {
    let options = EmbedderOptions { threads: 1, batch_tokens: 24, ..EmbedderOptions::default() };
    Reranker::open(&crate::embedder::tests::runtime(), folder, options)
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[test]
fn texts_are_scored_by_their_overlap_with_the_query_in_any_batch() {
    let folder = folder(64);
    let reranker = open(folder.path()).unwrap();
    assert_eq!(reranker.name(), folder.path().file_name().unwrap().to_str().unwrap());
    let texts =
        ["bread and nothing else", "the Tide of the sea", "", "sea", "tide sea moon tide tide tide tide"];
    let shared = [0.0, 2.0, 0.0, 1.0, 3.0];
    let scores = reranker.scores("moon , sea and tide ?", &texts).unwrap();
    for ((text, score), shared) in texts.iter().zip(&scores).zip(shared) {
        assert!((score - sigmoid(shared - 1.5)).abs() < 1e-6, "{score} for {text:?}");
        let alone = reranker.scores("moon , sea and tide ?", &[text]).unwrap();
        assert!((alone[0] - score).abs() < 1e-6);
    }
    assert!(reranker.scores("tide", &[]).unwrap().is_empty());
}

#[test]
fn a_pair_that_is_too_long_is_truncated() {
    let folder = folder(12);
    // 10 tokens are read: three special ones, one of the query, six of the text.
    let reranker = open(folder.path()).unwrap();
    let scores = reranker.scores("tide", &["x x x x x tide", "x x x x x x tide"]).unwrap();
    assert!((scores[0] - sigmoid(-0.5)).abs() < 1e-6 && (scores[1] - sigmoid(-1.5)).abs() < 1e-6);
}

#[test]
fn several_labels_are_a_softmax() {
    assert!((probability(&[0.0, 0.0]) - 0.5).abs() < 1e-6);
    assert!(probability(&[-2.0, 3.0]) > 0.99);
    assert!((probability(&[0.0]) - 0.5).abs() < 1e-6);
}

#[test]
fn an_incomplete_folder_is_reported_with_what_is_missing() {
    let folder = folder(64);
    let opened = |change: fn(PathBuf)| {
        change(folder.path().to_owned());
        open(folder.path()).unwrap_err().to_string()
    };
    let error = opened(|path| fs::remove_file(path.join("model.onnx")).unwrap());
    assert!(error.contains("there is no model.onnx or onnx/model.onnx"), "{error}");
    let error = opened(|path| fs::write(path.join("config.json"), "[").unwrap());
    assert!(error.contains("config.json cannot be parsed"), "{error}");
}
