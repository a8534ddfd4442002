//! Follows operations.

use std::time::Duration;

use client::{Client, ClientError, Operation};
use domain::{OperationId, OperationStatus};

use crate::Outcome;
use crate::failure::Failure;
use crate::output::{Output, sanitize};
use crate::upload::progress::Progress;

/// Runs `semantik watch`.
pub async fn run(client: &Client, id: OperationId, output: Output) -> Outcome {
    let operation = until_it_ends(client, id).await?;
    if output.json {
        output.value(&operation)?;
    } else {
        output.line(describe(&operation))?;
    }
    judge(&operation)
}

/// Waits until an operation ends, with its progress on standard error; returns it.
pub async fn until_it_ends(client: &Client, id: OperationId) -> Outcome<Operation> {
    let progress = Progress::documents();
    loop {
        let operation = client.poll_operation(id).await?;
        let is_progressing = operation.waiting_for.is_none();
        progress.set_total(operation.progress.total);
        progress.set(
            operation.progress.done,
            &match operation.waiting_for {
                Some(reason) => format!("waits for {}", reason.as_str().replace('_', " ")),
                None => operation.status.to_string(),
            },
        );
        if operation.has_ended() {
            progress.finish();
            return Ok(operation);
        }
        if !is_progressing {
            // Long polls answer at once when the reason changes; it may alternate.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// As [`until_it_ends`], of an operation that may be gone: a collection's deletion takes its operations with it.
pub async fn until_they_end(client: &Client, ids: &[OperationId]) -> Outcome<Vec<Operation>> {
    let mut ended = Vec::with_capacity(ids.len());
    for id in ids {
        match until_it_ends(client, *id).await {
            Ok(operation) => ended.push(operation),
            Err(Failure::Client(ClientError::Refused(problem))) if problem.status == 404 => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(ended)
}

/// Says in one line how an operation ended.
pub fn describe(operation: &Operation) -> String {
    let counts = &operation.progress.by_state;
    let named = [
        (counts.completed, "searchable"),
        (counts.unchanged, "unchanged"),
        (counts.removed, "removed"),
        (counts.skipped, "skipped"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
    ];
    let parts: Vec<String> = named
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    let mut line = format!("{} {}", operation.operation_type.as_str().replace('_', " "), operation.status);
    if !parts.is_empty() {
        line.push_str(&format!(": {}", parts.join(", ")));
    }
    if let Some(message) = &operation.error_message {
        line.push_str(&format!("; {}", sanitize(message)));
    }
    line
}

/// Fails unless an operation completed without a failed document.
pub fn judge(operation: &Operation) -> Outcome {
    let counts = &operation.progress.by_state;
    if operation.status == OperationStatus::Completed && counts.failed == 0 {
        Ok(())
    } else {
        Err(Failure::Items)
    }
}
