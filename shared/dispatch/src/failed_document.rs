//! The log line of a document that could not be indexed.

use domain::{DocumentId, ErrorCategory, ItemId, OperationId};
use lambda::metric::{self, Metric};

/// A document that an operation could not index.
#[derive(Debug, Clone, Copy)]
pub struct FailedDocument<'a> {
    /// The stage that failed.
    pub stage: &'static str,
    /// The operation.
    pub operation_id: OperationId,
    /// The document's entry in the operation's work list.
    pub item_id: ItemId,
    /// The document, if it is known.
    pub document_id: Option<DocumentId>,
    /// The reason, with what can be done about it.
    pub reason: &'a str,
    /// Whether trying again can help.
    pub category: ErrorCategory,
}

/// Logs why a document failed, in one line with all ids, and counts it. The request id comes from the span of the
/// message that is being handled.
pub fn log_failed(failed: FailedDocument<'_>) {
    tracing::warn!(
        stage = failed.stage,
        operation.id = %failed.operation_id,
        item.id = %failed.item_id,
        document.id = failed.document_id.map(tracing::field::display),
        reason = failed.reason,
        category = failed.category.as_str(),
        "document failed"
    );
    metric::add_of(Metric::DocumentsFailed, &[failed.stage, failed.category.as_str()], 1);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_line_has_the_reason_and_every_id() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = lambda::telemetry::subscriber("info", move || writer.clone());
        let id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f";
        tracing::subscriber::with_default(subscriber, || {
            let _message = tracing::info_span!("message", request.id = "r-1", message.id = "m-1").entered();
            log_failed(FailedDocument {
                stage: "chunk",
                operation_id: id.parse().unwrap(),
                item_id: ItemId(7),
                document_id: Some(id.parse().unwrap()),
                reason: "this is a binary file",
                category: ErrorCategory::Permanent,
            });
        });
        let written = lines.0.lock().unwrap();
        let line: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"document failed".into()), "{line}");
        assert_eq!((&line["stage"], &line["reason"]), (&"chunk".into(), &"this is a binary file".into()));
        assert_eq!((&line["operation.id"], &line["document.id"]), (&id.into(), &id.into()), "{line}");
        assert_eq!(line["span"]["request.id"], "r-1", "{line}");
    }
}
