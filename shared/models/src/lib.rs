//! Model folders: what an embedding model is called, reads and returns. No ONNX Runtime, no
//! tokenizer, so every function can ask about a model without linking what runs one.
//!
//! A model folder holds `model.json` (the manifest), `tokenizer.json` and an ONNX graph for each
//! precision that it offers. `scripts/import-model` makes one of a public Hugging Face export. Folders lie
//! on local disk, or in a bucket.

mod bucket;
mod error;
mod manifest;
mod registry;
mod variants;

pub use error::ModelsError;
pub use manifest::{ModelManifest, PaddingSide, Pooling};
pub use registry::{ModelFolder, ModelRegistry};
pub use variants::{ModelFile, ModelVariant, ModelVariants};
