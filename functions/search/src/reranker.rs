//! The reranker of this function, opened when the first search asks for it: searches without reranking neither wait for its
//! download nor hold it in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use embedding::{EmbedderOptions, OrtRuntime, Reranker};
use tokio::sync::OnceCell;

/// The files of a cross-encoder, a Hugging Face ONNX export. One of the graphs suffices.
const FILES: [&str; 4] = ["config.json", "tokenizer.json", "model.onnx", "onnx/model.onnx"];

/// Where the reranker is.
#[derive(Debug, Clone)]
pub enum RerankerSource {
    /// A folder on local disk.
    Folder(PathBuf),
    /// A folder of the bucket of models.
    Bucket {
        /// The bucket, `s3://bucket/prefix`.
        models_url: String,
        /// The name of the folder.
        name: String,
    },
}

/// A reranker that is opened at its first use.
#[derive(Debug)]
pub struct LazyReranker {
    source: RerankerSource,
    onnx_runtime: PathBuf,
    options: EmbedderOptions,
    open: OnceCell<Arc<Reranker>>,
}

impl LazyReranker {
    /// Creates one without opening it.
    pub(crate) fn new(source: RerankerSource, onnx_runtime: &Path, options: EmbedderOptions) -> Self {
        Self { source, onnx_runtime: onnx_runtime.to_owned(), options, open: OnceCell::new() }
    }

    /// Returns the reranker; the first call downloads and opens it. After an error, the next call tries again.
    pub(crate) async fn get(&self) -> Result<Arc<Reranker>, lambda::Error> {
        let reranker = self.open.get_or_try_init(|| async {
            let (source, onnx_runtime, options) =
                (self.source.clone(), self.onnx_runtime.clone(), self.options);
            let opening = tokio::task::spawn_blocking(move || open(&source, &onnx_runtime, options));
            opening.await?
        });
        reranker.await.map(Arc::clone)
    }
}

fn open(
    source: &RerankerSource,
    onnx_runtime: &Path,
    options: EmbedderOptions,
) -> Result<Arc<Reranker>, lambda::Error> {
    let folder = match source {
        RerankerSource::Folder(folder) => folder.clone(),
        RerankerSource::Bucket { models_url, name } => models::download_folder(models_url, name, &FILES)?,
    };
    let runtime = OrtRuntime::load(onnx_runtime)?;
    Ok(Arc::new(Reranker::open(&runtime, &folder, options)?))
}
