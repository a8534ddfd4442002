//! Metrics in CloudWatch's embedded metric format: one JSON object per line on standard output, from which
//! CloudWatch makes a metric without a call.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// The namespace of all metrics.
const NAMESPACE: &str = "Semantik";

/// Records a count.
pub fn count(name: &str, value: usize) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let line = embedded(name, value, now.as_millis());
    if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
        tracing::warn!(%error, metric = name, "a metric could not be written");
    }
}

fn embedded(name: &str, value: usize, milliseconds: u128) -> Value {
    json!({
        "_aws": {
            "Timestamp": u64::try_from(milliseconds).unwrap_or(u64::MAX),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [[]],
                "Metrics": [{ "Name": name, "Unit": "Count" }],
            }],
        },
        name: value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_cloudwatchs_format() {
        let line = embedded("IntegrityMismatches", 3, 1_700_000_000_000);
        let expected = json!({
            "_aws": {
                "Timestamp": 1_700_000_000_000_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "Semantik",
                    "Dimensions": [[]],
                    "Metrics": [{"Name": "IntegrityMismatches", "Unit": "Count"}],
                }],
            },
            "IntegrityMismatches": 3,
        });
        assert_eq!(line, expected);
    }
}
