//! ONNX Runtime: one shared library and one environment per process.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ort::{environment::Environment, logging::LogLevel};

use crate::EmbeddingError;

/// The runtime of this process. ort allows one environment per process, and none after it was dropped, so it is
/// kept until the process ends.
static LOADED: Mutex<Option<OrtRuntime>> = Mutex::new(None);

/// ONNX Runtime, loaded from a shared library. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OrtRuntime {
    library: PathBuf,
    environment: Environment,
}

impl OrtRuntime {
    /// Loads `libonnxruntime.so` from a path. Loading the same path again is free.
    ///
    /// # Errors
    /// Returns an error if the file does not exist, is not ONNX Runtime, is too old, or if the process has loaded
    /// another one.
    pub fn load(library: &Path) -> Result<Self, EmbeddingError> {
        // ort would resolve a relative path against the executable's directory first.
        let library = match library.canonicalize() {
            Ok(canonical) => canonical,
            Err(source) => {
                return Err(EmbeddingError::LibraryMissing { library: library.to_owned(), source });
            }
        };
        // The value is only replaced as a whole, so a panic elsewhere cannot leave it inconsistent.
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            if runtime.library == library {
                return Ok(runtime.clone());
            }
            let loaded = runtime.library.clone();
            return Err(EmbeddingError::LibraryConflict { loaded, requested: library });
        }

        let builder = match ort::init_from(&library) {
            Ok(builder) => builder,
            Err(source) => return Err(EmbeddingError::LibraryUnusable { library, source }),
        };
        let environment = builder.with_telemetry(false).with_logger(Arc::new(log)).build();
        let environment = match environment {
            Ok(environment) => environment,
            Err(source) => return Err(EmbeddingError::Start { library, source }),
        };
        environment.set_log_level(LogLevel::Warning);
        let runtime = Self { library, environment };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// Returns the path of the loaded library.
    pub fn library(&self) -> &Path {
        &self.library
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// Forwards the runtime's log messages to `tracing`; otherwise they would be written to standard error.
fn log(level: LogLevel, category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => tracing::debug!(category, location, "{message}"),
        LogLevel::Warning => tracing::warn!(category, location, "{message}"),
        LogLevel::Error | LogLevel::Fatal => tracing::error!(category, location, "{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_reported_with_its_variable() {
        let error = OrtRuntime::load(Path::new("/no/such/libonnxruntime.so")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read ONNX Runtime at /no/such/libonnxruntime.so; set ORT_DYLIB_PATH to libonnxruntime.so"
        );
    }

    #[test]
    fn a_file_that_is_not_a_library_is_rejected() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = OrtRuntime::load(file.path()).unwrap_err();
        assert!(matches!(error, EmbeddingError::LibraryUnusable { .. }), "{error:?}");
    }
}
