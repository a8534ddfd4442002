//! Tests with the real model on real texts. They need the model folder and ONNX Runtime that `scripts/stack`
//! installs, found by MODELS_DIR and ORT_DYLIB_PATH or at their default places in the checkout.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, atomic::AtomicUsize},
};

use domain::Quantization;
use models::{ModelFile, ModelRegistry, ModelVariants};
use ort::session::{Session, builder::GraphOptimizationLevel};
use proptest::prelude::*;

use super::*;

mod families;
mod variants;

const MINILM: &str = "sentence-transformers/all-MiniLM-L6-v2";

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn runtime() -> OrtRuntime {
    let library = env::var_os("ORT_DYLIB_PATH").map(PathBuf::from).or_else(installed_runtime).expect(
        "no libonnxruntime.so under .venv and ORT_DYLIB_PATH is not set: run scripts/stack up, which installs it",
    );
    OrtRuntime::load(&library).unwrap()
}

fn installed_runtime() -> Option<PathBuf> {
    for python in fs::read_dir(checkout().join(".venv/lib")).ok()?.flatten() {
        let capi = python.path().join("site-packages/onnxruntime/capi");
        for file in fs::read_dir(capi).into_iter().flatten().flatten() {
            if file.file_name().to_string_lossy().starts_with("libonnxruntime.so") {
                return Some(file.path());
            }
        }
    }
    None
}

fn minilm() -> ModelFolder {
    let models_dir =
        env::var_os("MODELS_DIR").map_or_else(|| checkout().join(".local/models"), PathBuf::from);
    let folder = ModelRegistry::open(&models_dir)
        .and_then(|registry| registry.require(MINILM).map(Arc::unwrap_or_clone));
    folder.unwrap_or_else(|error| panic!("{error}: run scripts/stack up, which makes the model"))
}

fn open(options: EmbedderOptions) -> Embedder {
    Embedder::open(&runtime(), &minilm(), Quantization::Float32, options).unwrap()
}

/// Texts of this repository, some longer than the model's limit, and their vectors, embedded one by one.
static ALONE: LazyLock<(Vec<String>, Vec<Vec<f32>>)> = LazyLock::new(|| {
    let source = include_str!("../embedder.rs");
    let mut texts: Vec<String> = source.split("\n\n").map(str::to_owned).collect();
    texts
        .extend(["", " ", "Ω", "naïve 🦀 [MASK] #[derive]", "word ".repeat(400).as_str()].map(str::to_owned));
    let embedder = open(EmbedderOptions::default());
    let alone = |text: &String| embedder.embed_chunks(&[text]).unwrap().remove(0);
    let vectors = texts.iter().map(alone).collect();
    (texts, vectors)
});

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

#[test]
fn a_query_and_an_equal_chunk_have_the_same_vector() {
    let embedder = open(EmbedderOptions::default());
    let query = embedder.embed_query("which bird cannot fly?").unwrap().vector;
    let chunks = embedder
        .embed_chunks(&["which bird cannot fly?", "Penguins are flightless.", "The invoice is due in May."])
        .unwrap();
    assert_eq!(query, chunks[0]);
    assert!(cosine(&query, &chunks[1]) > cosine(&query, &chunks[2]) + 0.2);
}

#[test]
fn every_vector_has_the_dimension_and_length_one() {
    for vector in &ALONE.1 {
        assert_eq!(vector.len(), 384);
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-9);
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
}

#[test]
fn no_texts_give_no_vectors() {
    assert!(open(EmbedderOptions::default()).embed_chunks(&[]).unwrap().is_empty());
}

#[test]
fn a_call_that_is_stopped_returns_the_vectors_that_it_has() {
    let options = EmbedderOptions { batch_tokens: 16, threads: 1, runs: 1, ..EmbedderOptions::default() };
    let embedder = open(options);
    let texts = ["tides", "the moon pulls the water of the sea", "high and low tides"];
    assert_eq!(embedder.embed_chunks_until(&texts, &|| true).unwrap(), [None, None, None]);
    let asked = AtomicUsize::new(0);
    let after_one_run = || asked.fetch_add(1, Ordering::Relaxed) >= 1;
    let part = embedder.embed_chunks_until(&texts, &after_one_run).unwrap();
    assert_eq!(
        part.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, false],
        "the longest first"
    );
    let all = embedder.embed_chunks(&texts).unwrap();
    let differences = part[1].iter().flatten().zip(&all[1]).map(|(a, b)| (a - b).abs());
    assert!(differences.fold(0.0, f32::max) < 1e-5);
}

#[test]
fn sessions_divide_the_threads_evenly_and_their_weights_fit_into_memory() {
    let sessions = |threads, runs, megabytes: u64| {
        let options = EmbedderOptions { threads, runs, ..EmbedderOptions::default() };
        options.sessions(megabytes << 20)
    };
    assert_eq!(sessions(2, 2, 90), 2);
    assert_eq!(sessions(2, 1, 90), 1, "queries");
    assert_eq!(sessions(16, 16, 90), 4, "5 fit, and would leave a thread idle");
    assert_eq!(sessions(6, 4, 1), 3);
    assert_eq!(sessions(2, 2, 700), 1);
    let gpu = EmbedderOptions {
        threads: 4,
        runs: 4,
        provider: ExecutionProvider::Cuda,
        ..EmbedderOptions::default()
    };
    assert_eq!(gpu.sessions(1), 1);
}

#[test]
fn a_failing_graph_stops_the_others() {
    let mut embedder = open(EmbedderOptions { threads: 2, runs: 2, ..EmbedderOptions::default() });
    assert_eq!(embedder.graphs.len(), 2);
    // Not the graph's dimension: every run of this session fails.
    embedder.graphs[1].expect_dimension(7);
    let texts: Vec<String> = (0..5000).map(|number| format!("{number} ").repeat(60)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let error = embedder.embed_chunks(&texts).unwrap_err();
    assert!(matches!(error, EmbeddingError::GraphShape { .. }), "{error:?}");
}

#[test]
fn opening_on_a_missing_gpu_fails() {
    let options = EmbedderOptions { provider: "cuda".parse().unwrap(), ..EmbedderOptions::default() };
    let opened = Embedder::open(&runtime(), &minilm(), Quantization::Float16, options);
    let error = opened.unwrap_err();
    assert!(matches!(error, EmbeddingError::Graph { .. }), "{error:?}");
    assert!("gpu".parse::<ExecutionProvider>().is_err());
}

#[test]
fn text_beyond_the_models_limit_does_not_matter() {
    let embedder = open(EmbedderOptions::default());
    // 254 one-token words fill the 256 tokens with [CLS] and [SEP].
    let full = "word ".repeat(254);
    let (over, under) = (format!("{full} penguin"), "word ".repeat(253));
    let vectors = embedder.embed_chunks(&[&full, &over, &under]).unwrap();
    assert_eq!(largest_difference(&vectors[0], &vectors[1]), 0.0);
    assert!(largest_difference(&vectors[0], &vectors[2]) > 1e-4);
}

#[test]
fn words_beyond_the_tokenizers_limit_are_read() {
    let embedder = open(EmbedderOptions::default());
    let (one, other) = ("deadbeef01".repeat(14), "0badc0ffee".repeat(14));
    let vectors = embedder.embed_chunks(&[&one, &other, "the tide\u{200b}table", "the tide table"]).unwrap();
    assert!(cosine(&vectors[0], &vectors[1]) < 0.99);
    assert_eq!(largest_difference(&vectors[2], &vectors[3]), 0.0);
}

#[test]
fn texts_of_mostly_unknown_tokens_are_similar_to_nothing() {
    let embedder = open(EmbedderOptions::default());
    let (unknown, known) = ("ꦏꦸꦭ ꦩꦔꦤ꧀ 🦀🦀", "kayak and 🦀");
    let vectors = embedder.embed_chunks(&[unknown, known, unknown]).unwrap();
    assert!(vectors[0].iter().chain(&vectors[2]).all(|value| *value == 0.0));
    assert!((cosine(&vectors[1], &vectors[1]) - 1.0).abs() < 1e-9);
    assert_eq!((vectors[0].len(), vectors.len()), (384, 3));

    let query = |text: &str| {
        let QueryEmbedding { truncated, mostly_unknown, .. } = embedder.embed_query(text).unwrap();
        (truncated, mostly_unknown)
    };
    assert_eq!((query(known), query(unknown), query("")), ((false, false), (false, true), (false, false)));
    assert_eq!(query(&"tide ".repeat(300)), (true, false));
}

#[test]
fn threads_can_share_an_embedder() {
    let embedder = open(EmbedderOptions { threads: 1, ..EmbedderOptions::default() });
    let (texts, vectors) = &*ALONE;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for (text, vector) in texts.iter().zip(vectors).take(8) {
                    assert!(largest_difference(&embedder.embed_query(text).unwrap().vector, vector) <= 1e-5);
                }
            });
        }
    });
}

#[test]
fn a_graph_with_inlined_weights_can_be_used_unchanged() {
    // Hugging Face publishes models of this size as one file, without external weights.
    let folder = tempfile::tempdir().unwrap();
    let original = minilm();
    let single = folder.path().join("model.onnx");
    Session::builder(runtime().environment())
        .unwrap()
        .with_optimization_level(GraphOptimizationLevel::Level1)
        .unwrap()
        .with_optimized_model_path(&single)
        .unwrap()
        // With a threshold of 1 GB for external weights, all weights are inlined.
        .with_config_entry("session.optimized_model_external_initializers_file_name", "unused")
        .unwrap()
        .with_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1000000000")
        .unwrap()
        .commit_from_file(original.graph(Quantization::Float32).unwrap().0)
        .unwrap();
    assert!(fs::metadata(&single).unwrap().len() > 80_000_000);
    fs::copy(original.tokenizer_path().unwrap(), folder.path().join("tokenizer.json")).unwrap();
    let manifest = ModelManifest { variants: ModelVariants::default(), ..original.manifest };
    let public = ModelFolder::local(manifest, folder.path().to_owned());

    let embedder =
        Embedder::open(&runtime(), &public, Quantization::Int8, EmbedderOptions::default()).unwrap();
    assert_eq!(embedder.precision(), Quantization::Float32);
    let (texts, vectors) = &*ALONE;
    for (text, vector) in texts.iter().zip(vectors).take(10) {
        assert!(largest_difference(&embedder.embed_query(text).unwrap().vector, vector) <= 1e-5);
    }
}

#[test]
fn a_manifest_that_contradicts_its_files_is_rejected() {
    let rejection = |change: fn(&mut ModelManifest)| {
        let mut folder = minilm();
        change(&mut folder.manifest);
        let opened = Embedder::open(&runtime(), &folder, Quantization::Float32, EmbedderOptions::default());
        opened.unwrap_err().to_string()
    };
    assert_eq!(
        rejection(|manifest| manifest.special_tokens = 1),
        "the manifest of sentence-transformers/all-MiniLM-L6-v2 has special_tokens 1, but its tokenizer adds 2; \
         correct model.json"
    );
    assert_eq!(
        rejection(|manifest| manifest.passage_prefix = "passage: ".to_owned()),
        "the manifest of sentence-transformers/all-MiniLM-L6-v2 has passage_prefix_tokens 0, but its tokenizer \
         splits the prefix into 2; correct model.json"
    );
    let wrong_dimension = rejection(|manifest| manifest.dimension = 768);
    assert!(wrong_dimension.contains("float32 [batch, sequence, 768] is required"), "{wrong_dimension}");
    fn graph_of(manifest: &mut ModelManifest, file: ModelFile) {
        manifest.variants.float32.as_mut().unwrap().graph = file;
    }
    let no_graph = rejection(|manifest| graph_of(manifest, ModelFile::named("absent.onnx")));
    assert!(no_graph.contains("lacks absent.onnx"), "{no_graph}");
    let no_model = rejection(|manifest| graph_of(manifest, manifest.tokenizer.clone()));
    assert!(no_model.contains("is not a valid graph"), "{no_model}");
}

#[test]
fn prefixes_are_prepended() {
    let mut folder = minilm();
    folder.manifest.query_prefix = "query: ".to_owned();
    folder.manifest.passage_prefix = "passage: ".to_owned();
    folder.manifest.passage_prefix_tokens = 2;
    let prefixed =
        Embedder::open(&runtime(), &folder, Quantization::Float32, EmbedderOptions::default()).unwrap();
    let plain = open(EmbedderOptions::default());
    assert_eq!(
        prefixed.embed_query("penguins").unwrap().vector,
        plain.embed_query("query: penguins").unwrap().vector
    );
    assert_eq!(
        prefixed.embed_chunks(&["penguins"]).unwrap(),
        plain.embed_chunks(&["passage: penguins"]).unwrap()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Any texts, in any order, with duplicates, in batches of any size.
    #[test]
    fn a_vector_does_not_depend_on_its_batch(
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
        batch_tokens in 1usize..3000,
        threads in 1usize..3,
        runs in 1usize..3,
    ) {
        let (texts, vectors) = &*ALONE;
        let picks: Vec<usize> = picks.iter().map(|pick| pick.index(texts.len())).collect();
        let chosen: Vec<&str> = picks.iter().map(|&pick| texts[pick].as_str()).collect();
        let embedder = open(EmbedderOptions { threads, runs, batch_tokens, ..EmbedderOptions::default() });
        for (pick, vector) in picks.into_iter().zip(embedder.embed_chunks(&chosen).unwrap()) {
            prop_assert!(largest_difference(&vector, &vectors[pick]) <= 1e-5, "{:?}", texts[pick]);
        }
    }
}
