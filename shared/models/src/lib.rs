//! Model folders: what an embedding model is called, reads and returns. No ONNX Runtime, no
//! tokenizer, so every function can ask about a model without linking what runs one.
//!
//! A model folder holds `model.json` (the manifest), `tokenizer.json` and an ONNX graph. A public
//! Hugging Face export becomes one by adding a manifest.

mod error;
mod manifest;
mod registry;

pub use error::ModelsError;
pub use manifest::{ModelFile, ModelFiles, ModelManifest, Pooling};
pub use registry::{ModelFolder, ModelRegistry};
