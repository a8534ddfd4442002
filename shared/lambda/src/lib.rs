//! What all functions share: configuration, logging, the SQS batch loop, HTTP requests and errors. The
//! only user of lambda_runtime and lambda_http.

pub mod env;
pub mod event;
pub mod fault;
pub mod http;
pub mod metric;
pub mod sqs;
pub mod telemetry;

mod stage_error;
mod trace;

pub use lambda_runtime::Error;
pub use stage_error::{StageError, error_chain};
