//! Model folders: the manifests and files of embedding models, on local disk or in a bucket. Without ONNX
//! Runtime or tokenizers, so that every function can read a manifest without linking them.
//!
//! A model folder holds `model.json` (the manifest), `tokenizer.json` and an ONNX graph for each precision that
//! it offers. `scripts/import-model` creates one from a public Hugging Face export.

mod bucket;
mod bucket_folder;
mod error;
mod folder;
mod manifest;
mod registry;
mod variants;

pub use bucket::download_folder;
pub use error::ModelsError;
pub use folder::ModelFolder;
pub use manifest::{ModelManifest, PaddingSide, Pooling};
pub use registry::ModelRegistry;
pub use variants::{ModelFile, ModelVariant, ModelVariants};
