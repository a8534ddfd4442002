//! Embedding: texts to vectors, with Hugging Face tokenizers and ONNX Runtime. The only user of ort.
//!
//! ```text
//! texts ─ tokenize ─▶ token ids ─ batch ─▶ padded batches ─ graph ─▶ hidden states ─ pooling ─▶ vectors
//! ```
//!
//! Everything here blocks and uses the CPU fully: call it from `tokio::task::spawn_blocking`. Start with
//! [`OrtRuntime::load`], then [`Embedder::open`].

mod batch;
mod embedder;
mod embedders;
mod error;
mod execution;
mod graph;
mod inputs;
mod pooling;
mod reranker;
mod runtime;
mod tokenize;

pub use embedder::{Embedder, EmbedderOptions, QueryEmbedding};
pub use embedders::Embedders;
pub use error::EmbeddingError;
pub use execution::ExecutionProvider;
pub use reranker::Reranker;
pub use runtime::OrtRuntime;
