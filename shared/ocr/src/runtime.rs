//! ONNX Runtime and the files of the models.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::Tensor;

use crate::OcrError;

/// Threads of a model. Lambda gives two processors at most for the memory that a page needs.
const MAX_THREADS: usize = 2;

/// A model that is ready to run.
#[derive(Debug)]
pub(crate) struct Model {
    /// ort requires exclusive access. The lock costs nothing: a run uses all threads.
    session: Mutex<Session>,
}

/// A planar picture as the input of a model: the values of one channel after those of another.
pub(crate) struct Planes {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) values: Vec<f32>,
}

/// Channels of a picture.
pub(crate) const CHANNELS: usize = 3;

/// The environment of this process: ort allows one, and none after it was dropped.
static LOADED: Mutex<Option<Environment>> = Mutex::new(None);

/// Loads ONNX Runtime, once per process: the first library stays.
pub(crate) fn load(library: &Path) -> Result<Environment, OcrError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = loaded.as_ref() {
        return Ok(environment.clone());
    }
    let failed = |reason: String| OcrError::Runtime { library: library.to_owned(), reason };
    let builder = ort::init_from(library).map_err(|error| failed(error.to_string()))?;
    let environment = builder.with_telemetry(false).build().map_err(|error| failed(error.to_string()))?;
    environment.set_log_level(LogLevel::Error);
    *loaded = Some(environment.clone());
    Ok(environment)
}

impl Model {
    /// Opens a model from its file; nothing is read of it later.
    pub(crate) fn open(environment: &Environment, path: &Path) -> Result<Self, OcrError> {
        let bytes =
            fs::read(path).map_err(|source| OcrError::Unreadable { path: path.to_owned(), source })?;
        let session = open_session(environment, &bytes)
            .map_err(|error| OcrError::Model { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Self { session: Mutex::new(session) })
    }

    /// The model's metadata under this key.
    pub(crate) fn metadata(&self, key: &str) -> Option<String> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.metadata().ok()?.custom(key)
    }

    /// Runs one picture, and calls `read` with the shape and the numbers of the only output.
    pub(crate) fn run<T>(
        &self,
        picture: Planes,
        read: impl FnOnce(&[usize], &[f32]) -> T,
    ) -> Result<T, OcrError> {
        let Planes { width, height, values } = picture;
        let input = Tensor::from_array(([1, CHANNELS, height, width], values))?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs![input])?;
        let (shape, numbers) = outputs[0].try_extract_tensor::<f32>()?;
        let shape: Vec<usize> = shape.iter().map(|size| usize::try_from(*size).unwrap_or_default()).collect();
        Ok(read(&shape, numbers))
    }
}

fn open_session(environment: &Environment, bytes: &[u8]) -> ort::Result<Session> {
    let threads = std::thread::available_parallelism().map_or(1, |found| found.get().min(MAX_THREADS));
    Session::builder(environment)?
        .with_intra_threads(threads)?
        .with_intra_op_spinning(false)?
        // Lines differ in width, so cached allocation plans would only accumulate.
        .with_memory_pattern(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .commit_from_memory(bytes)
}
