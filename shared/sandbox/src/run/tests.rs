//! The child is a shell here; `shared/parsers/tests` has the real one.

use frames::Summary;
use frames::codec::{MAGIC, encode};

use super::*;

/// Runs a shell script as the child, with this file as its document.
async fn run(script: &str, document: File, limits: Limits) -> Result<Vec<Frame>, SandboxError> {
    let sandbox = Sandbox { executable: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
    let job = Job {
        format: DocumentFormat::Pdf,
        file_name: String::new(),
        pdfium_library: None,
        ocr: None,
        limits,
    };
    let mut run = sandbox.start(&job, document)?;
    let mut frames = Vec::new();
    while let Some(frame) = run.next().await? {
        frames.push(frame);
    }
    Ok(frames)
}

fn document(bytes: &[u8]) -> File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

async fn reason(script: &str, limits: Limits) -> String {
    run(script, document(b""), limits).await.unwrap_err().to_string()
}

const CRASH: &str = "the PDF document crashes its parser and is most likely damaged; \
    save it again with the program that it comes from";

#[tokio::test]
async fn frames_of_the_child_arrive() {
    let frames = [Frame::Text("text".to_owned()), Frame::End(Summary::default())];
    let mut bytes = MAGIC.to_vec();
    for frame in &frames {
        encode(frame, &mut bytes).unwrap();
    }
    // The child writes its document: it has it, at its start.
    assert_eq!(run("cat", document(&bytes), Limits::default()).await.unwrap(), frames);
}

#[tokio::test]
async fn child_has_no_environment_and_no_other_files() {
    // Beside what the shell itself sets, and the variable that keeps ONNX Runtime silent.
    let environment =
        "env | grep -v '^\\(PWD\\|OLDPWD\\|SHLVL\\|_\\|ORT_DISABLE_TELEMETRY\\)=' >&2; pwd >&2; exit 3";
    assert_eq!(reason(environment, Limits::default()).await, "the parser's process failed: /");
    // Descriptors that this test has opened, such as a connection to a database would be.
    let other = tempfile::NamedTempFile::new().unwrap();
    let files = reason("ls -l /proc/self/fd >&2; exit 3", Limits::default()).await;
    assert!(files.contains("0 -> "), "{files}");
    assert!(!files.contains(other.path().to_str().unwrap()), "{files}");
}

#[tokio::test]
async fn crash_hang_and_nonsense_are_the_documents_failures() {
    for script in [
        "kill -SEGV $$",
        "echo 'invalid pointer' >&2; kill -ABRT $$",
        "exit 0",
        "exit 101",
        "echo nonsense and more",
    ] {
        assert_eq!(reason(script, Limits::default()).await, CRASH, "{script}");
    }
    let limits = Limits { wall_clock: Duration::from_millis(200), ..Limits::default() };
    let started = Instant::now();
    let slow = "the PDF document could not be read within 0 s; it may be damaged: save it again, or split it";
    assert_eq!(reason("exec sleep 60", limits).await, slow);
    assert!(started.elapsed() < Duration::from_secs(30), "the child is killed");
    assert_eq!(
        reason("kill -XCPU $$", Limits::default()).await,
        "the PDF document could not be read within 60 s; it may be damaged: save it again, or split it"
    );
}

#[tokio::test]
async fn memory_and_output_are_limited() {
    for script in ["echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$", "kill -ABRT $$"] {
        assert_eq!(
            reason(script, Limits::default()).await,
            "the PDF document needs more than 768 MiB of memory; it may be damaged: save it again, or split it",
            "{script}"
        );
    }
    let limits = Limits { output_bytes: 1 << 20, ..Limits::default() };
    let mut frames = MAGIC.to_vec();
    encode(&Frame::Text("x".repeat(1 << 19)), &mut frames).unwrap();
    encode(&Frame::Text("x".repeat(1 << 19)), &mut frames).unwrap();
    let error = run("cat", document(&frames), limits).await.unwrap_err();
    assert_eq!(error.to_string(), "the PDF document contains more than 1 MiB; split it");
}

#[tokio::test]
async fn failure_outside_the_document_is_retried() {
    use domain::Classify;
    let error = run("echo 'no library' >&2; exit 3", document(b""), Limits::default()).await.unwrap_err();
    assert!(error.kind().is_retryable());
    assert_eq!(error.public_message(), None);
    let missing = Sandbox { executable: "/no/such/parser".into(), arguments: Vec::new() };
    let job = Job {
        format: DocumentFormat::Pdf,
        file_name: String::new(),
        pdfium_library: None,
        ocr: None,
        limits: Limits::default(),
    };
    assert!(matches!(missing.start(&job, document(b"")), Err(SandboxError::Process(_))));
}

#[tokio::test]
async fn what_the_child_writes_to_standard_error_is_for_the_log() {
    use std::error::Error;
    let failure = Failure { kind: FailureKind::Damaged, reason: "the PDF document is damaged".to_owned() };
    let mut bytes = MAGIC.to_vec();
    encode(&Frame::Failed(failure), &mut bytes).unwrap();
    for script in ["cat; echo 'at line 1' >&2", "echo 'at line 1' >&2; kill -SEGV $$"] {
        let error = run(script, document(&bytes), Limits::default()).await.unwrap_err();
        assert!(!error.to_string().contains("line 1"), "{error}");
        assert_eq!(error.source().unwrap().to_string(), "the parser's process wrote: at line 1", "{script}");
    }
    let silent = run("cat", document(&bytes), Limits::default()).await.unwrap_err();
    assert!(silent.source().is_none(), "{silent:?}");
}

#[tokio::test]
async fn noisy_child_does_not_block() {
    let script = "i=0; while [ $i -lt 2000 ]; do echo 'a message of some length that nobody reads to its end' >&2; \
        i=$((i+1)); done; exit 3";
    let reason = reason(script, Limits::default()).await;
    assert!(reason.len() < MAX_MESSAGE_BYTES + 100, "{}", reason.len());
}
