//! Configuration of the extract and recognize functions, read from environment variables.

use std::path::PathBuf;

use db::DbConfig;
use lambda::env::{self, EnvError};
use sandbox::OcrFiles;

/// Settings of the extract and recognize functions.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`, `DATABASE_SECRET_ARN`, `DATABASE_AUTHENTICATION`, `DATABASE_CONNECTIONS`.
    pub db: DbConfig,
    /// `STAGING_BUCKET`: holds raw documents and their text.
    pub staging_bucket: String,
    /// `CHUNK_QUEUE_URL`: receives one message per document.
    pub chunk_queue_url: String,
    /// `SCAN_QUEUE_URL`: receives a collection's next operation.
    pub scan_queue_url: String,
    /// `NOTIFY_QUEUE_URL`: receives what webhooks are notified of the end of an operation.
    pub notify_queue_url: String,
    /// `RECOGNIZE_QUEUE_URL`: receives documents that may need OCR, of collections where it is on; unset or empty where
    /// OCR is not deployed, and in the recognize function.
    pub recognize_queue_url: Option<String>,
    /// `PDFIUM_LIBRARY`: the file `libpdfium.so`; default `$LAMBDA_TASK_ROOT/libpdfium.so`.
    pub pdfium_library: PathBuf,
    /// What OCR needs; `None` in the extract function.
    pub ocr: Option<OcrFiles>,
}

impl Config {
    /// Reads the environment variables of the extract function.
    ///
    /// # Errors
    /// Names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        let package = package();
        Ok(Self {
            db: DbConfig::new(env::database()?).with_connections(env::database_connections()?),
            staging_bucket: env::required("STAGING_BUCKET")?,
            chunk_queue_url: env::required("CHUNK_QUEUE_URL")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            notify_queue_url: env::required("NOTIFY_QUEUE_URL")?,
            recognize_queue_url: env::optional("RECOGNIZE_QUEUE_URL"),
            pdfium_library: env::optional("PDFIUM_LIBRARY")
                .map_or_else(|| package.join("libpdfium.so"), PathBuf::from),
            ocr: None,
        })
    }

    /// Reads the environment variables of the recognize function: those of extract; `ORT_DYLIB_PATH`, the file of ONNX
    /// Runtime, by default `$LAMBDA_TASK_ROOT/lib/libonnxruntime.so`; and `OCR_MODELS_DIR`, the folder of the OCR models,
    /// by default `$LAMBDA_TASK_ROOT/ocr`.
    ///
    /// # Errors
    /// As for [`Self::from_env`].
    pub fn from_env_with_ocr() -> Result<Self, EnvError> {
        let path = |name, file| env::optional(name).map_or_else(|| package().join(file), PathBuf::from);
        let ocr = OcrFiles {
            onnxruntime: path("ORT_DYLIB_PATH", "lib/libonnxruntime.so"),
            models: path("OCR_MODELS_DIR", "ocr"),
        };
        Ok(Self { ocr: Some(ocr), ..Self::from_env()? })
    }
}

/// The folder of the function's files.
fn package() -> PathBuf {
    env::optional("LAMBDA_TASK_ROOT").map(PathBuf::from).unwrap_or_default()
}
