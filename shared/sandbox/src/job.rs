//! What a child process is told, by its arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use frames::DocumentFormat;
use thiserror::Error;

/// A document to parse. The document itself is the child's standard input, a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The document's format.
    pub format: DocumentFormat,
    /// The document's name; each `!/` in it is an archive that the document comes from.
    pub file_name: String,
    /// Where `libpdfium.so` is; needed for PDF documents.
    pub pdfium_library: Option<PathBuf>,
    /// What OCR needs; `None` if it is off.
    pub ocr: Option<OcrFiles>,
    /// The limits of the child process.
    pub limits: Limits,
}

/// What OCR needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcrFiles {
    /// Where `libonnxruntime.so` is.
    pub onnxruntime: PathBuf,
    /// The folder of the models.
    pub models: PathBuf,
}

/// Limits of a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Address space. Honest PDFs need less than 256 MiB; mails need twice their size, so the largest ones decide.
    pub memory_bytes: u64,
    /// Processor time. The slowest honest file of the corpus, with 38,640 pages, took 24 s.
    pub cpu_seconds: u64,
    /// Time that the parent waits for the child altogether. Longer than the processor time on a busy machine; it ends
    /// what sleeps for ever, as PDFium does when it is out of memory.
    pub wall_clock: Duration,
    /// Bytes that the child may write to the parent. Longer than the largest output of the parsers, whose own limits
    /// end documents earlier and with better reasons.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 768 << 20,
            cpu_seconds: 60,
            wall_clock: Duration::from_secs(120),
            output_bytes: 3 << 30,
        }
    }
}

impl Limits {
    /// The limits with OCR. A page takes 2 to 6 seconds of processor time, and ONNX Runtime reserves 1.4 GB of address
    /// space for it, of which it uses 0.6 GB; an image of the largest size takes 0.9 GB beside that.
    pub fn with_ocr() -> Self {
        Self {
            memory_bytes: 2560 << 20,
            cpu_seconds: 840,
            wall_clock: Duration::from_secs(840),
            ..Self::default()
        }
    }
}

/// Arguments that are not those of a job.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JobError {
    /// An argument is missing, or has no value.
    #[error("{0}: missing")]
    Missing(&'static str),
    /// An argument is not known, or its value is not valid.
    #[error("invalid argument {0}")]
    Invalid(String),
}

const FORMAT: &str = "--format";
const FILE_NAME: &str = "--file-name";
const PDFIUM_LIBRARY: &str = "--pdfium-library";
const ONNXRUNTIME: &str = "--onnxruntime-library";
const OCR_MODELS: &str = "--ocr-models";
const MEMORY_BYTES: &str = "--memory-bytes";
const CPU_SECONDS: &str = "--cpu-seconds";

impl Job {
    /// The arguments of the child process. The parent's own limits are not among them.
    pub(crate) fn to_arguments(&self) -> Vec<OsString> {
        let Self { format, file_name, pdfium_library, ocr, limits } = self;
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        add(FORMAT, format.extensions()[0].into());
        // A NUL would end the argument.
        add(FILE_NAME, file_name.replace('\0', "").into());
        add(MEMORY_BYTES, limits.memory_bytes.to_string().into());
        add(CPU_SECONDS, limits.cpu_seconds.to_string().into());
        if let Some(library) = pdfium_library {
            add(PDFIUM_LIBRARY, library.into());
        }
        if let Some(OcrFiles { onnxruntime, models }) = ocr {
            add(ONNXRUNTIME, onnxruntime.into());
            add(OCR_MODELS, models.into());
        }
        arguments
    }

    /// Parses the arguments of a child process, without its own name.
    ///
    /// # Errors
    /// Returns [`JobError`] if the arguments were not written by a [`crate::Sandbox`] of this version.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, JobError> {
        let (mut format, mut file_name, mut pdfium_library) = (None, None, None);
        let (mut onnxruntime, mut models) = (None, None);
        let mut limits = Limits::default();
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let invalid =
                |value: &OsString| JobError::Invalid(format!("{} {}", name.display(), value.display()));
            let value = arguments.next().ok_or_else(|| JobError::Invalid(name.display().to_string()))?;
            let text = || value.to_str().ok_or_else(|| invalid(&value));
            let number = || text()?.parse().map_err(|_| invalid(&value));
            match name.to_str() {
                Some(FORMAT) => {
                    let extension = text()?;
                    let found = DocumentFormat::all().find(|format| format.extensions()[0] == extension);
                    format = Some(found.ok_or_else(|| invalid(&value))?);
                }
                Some(FILE_NAME) => file_name = Some(text()?.to_owned()),
                Some(PDFIUM_LIBRARY) => pdfium_library = Some(value.into()),
                Some(ONNXRUNTIME) => onnxruntime = Some(PathBuf::from(value)),
                Some(OCR_MODELS) => models = Some(PathBuf::from(value)),
                Some(MEMORY_BYTES) => limits.memory_bytes = number()?,
                Some(CPU_SECONDS) => limits.cpu_seconds = number()?,
                _ => return Err(invalid(&value)),
            }
        }
        let ocr = match (onnxruntime, models) {
            (Some(onnxruntime), Some(models)) => Some(OcrFiles { onnxruntime, models }),
            (None, None) => None,
            (Some(_), None) => return Err(JobError::Missing(OCR_MODELS)),
            (None, Some(_)) => return Err(JobError::Missing(ONNXRUNTIME)),
        };
        Ok(Self {
            format: format.ok_or(JobError::Missing(FORMAT))?,
            file_name: file_name.ok_or(JobError::Missing(FILE_NAME))?,
            pdfium_library,
            ocr,
            limits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_survive() {
        for format in DocumentFormat::all() {
            let limits = Limits { memory_bytes: 1, cpu_seconds: 2, ..Limits::default() };
            let job = Job {
                format,
                file_name: "--a b\n!/ü".into(),
                pdfium_library: Some("/a/b c.so".into()),
                ocr: Some(OcrFiles { onnxruntime: "/d.so".into(), models: "/e f".into() }),
                limits,
            };
            assert_eq!(Job::from_arguments(job.to_arguments()), Ok(job));
        }
    }

    #[test]
    fn wrong_arguments_are_refused() {
        let parse = |arguments: &[&str]| Job::from_arguments(arguments.iter().map(OsString::from));
        assert_eq!(parse(&["--format", "pdf"]), Err(JobError::Missing("--file-name")));
        assert_eq!(parse(&["--ocr-models", "/a"]), Err(JobError::Missing("--onnxruntime-library")));
        for (arguments, message) in [
            (vec!["--format", "exe"], "invalid argument --format exe"),
            (vec!["--format"], "invalid argument --format"),
            (vec!["--memory-bytes", "much"], "invalid argument --memory-bytes much"),
            (vec!["-x", "1"], "invalid argument -x 1"),
        ] {
            assert_eq!(parse(&arguments).unwrap_err().to_string(), message);
        }
    }
}
