//! What one invocation has recorded.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::registry::Metric;

/// The namespace of all metrics.
const NAMESPACE: &str = "Semantik";

/// The most values of one metric in a line, by the specification of the format.
const MAX_VALUES: usize = 100;

type DimensionValues = Vec<&'static str>;

/// The dimensions of some metrics, and their values.
type Dimensions = (&'static [&'static str], DimensionValues);

/// Values by the dimensions that they share, then by metric.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    recorded: BTreeMap<Dimensions, BTreeMap<Metric, Vec<f64>>>,
}

impl Buffer {
    pub(super) const fn new() -> Self {
        Self { recorded: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, metric: Metric, values: &[&'static str], count: f64) {
        let recorded = self.values_of(metric, values);
        match recorded.first_mut() {
            Some(sum) => *sum += count,
            None => recorded.push(count),
        }
    }

    pub(super) fn observe(&mut self, metric: Metric, value: f64) {
        let recorded = self.values_of(metric, &[]);
        if recorded.len() < MAX_VALUES {
            recorded.push(value);
        }
    }

    fn values_of(&mut self, metric: Metric, values: &[&'static str]) -> &mut Vec<f64> {
        let dimensions = metric.dimensions();
        debug_assert_eq!(dimensions.len(), values.len(), "{metric:?} has the dimensions {dimensions:?}");
        self.recorded.entry((dimensions, values.to_vec())).or_default().entry(metric).or_default()
    }

    /// Returns one line for each combination of dimensions: usually one, because most metrics have `Stack` only.
    pub(super) fn into_lines(self, stack: &str, milliseconds: u64) -> impl Iterator<Item = Value> {
        self.recorded.into_iter().map(move |((dimensions, values), metrics)| {
            let mut line = Map::new();
            let described: Vec<Value> =
                metrics.keys().map(|metric| json!({ "Name": metric.name(), "Unit": metric.unit() })).collect();
            let mut sets = vec![[&["Stack"], dimensions].concat()];
            if metrics.keys().any(|metric| metric.has_total()) {
                sets.push(vec!["Stack"]);
            }
            line.insert(
                "_aws".to_owned(),
                json!({
                    "Timestamp": milliseconds,
                    "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": sets, "Metrics": described }],
                }),
            );
            line.insert("Stack".to_owned(), stack.into());
            line.extend(dimensions.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value.into())));
            for (metric, values) in metrics {
                let value = if let [value] = values[..] { json!(value) } else { json!(values) };
                line.insert(metric.name().to_owned(), value);
            }
            Value::Object(line)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(buffer: Buffer) -> String {
        buffer.into_lines("prod", 1_700_000_000_000).map(|line| line.to_string() + "\n").collect()
    }

    #[test]
    fn an_invocation_writes_one_line_for_all_metrics_of_the_stack() {
        let mut buffer = Buffer::new();
        buffer.add(Metric::ChunksIndexed, &[], 256.0);
        buffer.add(Metric::DocumentsIndexed, &[], 1.0);
        buffer.add(Metric::ChunksIndexed, &[], 4.0);
        buffer.observe(Metric::EmbedTokensPerSecond, 4000.5);
        buffer.observe(Metric::EmbedTokensPerSecond, 3800.0);
        insta::assert_snapshot!(lines(buffer), @r#"{"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"Semantik","Dimensions":[["Stack"]],"Metrics":[{"Name":"DocumentsIndexed","Unit":"Count"},{"Name":"ChunksIndexed","Unit":"Count"},{"Name":"EmbedTokensPerSecond","Unit":"Count/Second"}]}]},"Stack":"prod","DocumentsIndexed":1.0,"ChunksIndexed":260.0,"EmbedTokensPerSecond":[4000.5,3800.0]}"#);
    }

    #[test]
    fn each_value_of_a_dimension_has_a_line() {
        let mut buffer = Buffer::new();
        buffer.add(Metric::DependencyErrors, &["database"], 1.0);
        buffer.add(Metric::DependencyErrors, &["database"], 1.0);
        buffer.add(Metric::DeadLetters, &["chunk"], 1.0);
        insta::assert_snapshot!(lines(buffer), @r#"
        {"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"Semantik","Dimensions":[["Stack","Dependency"]],"Metrics":[{"Name":"DependencyErrors","Unit":"Count"}]}]},"Stack":"prod","Dependency":"database","DependencyErrors":2.0}
        {"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"Semantik","Dimensions":[["Stack","Stage"],["Stack"]],"Metrics":[{"Name":"DeadLetters","Unit":"Count"}]}]},"Stack":"prod","Stage":"chunk","DeadLetters":1.0}
        "#);
    }

    #[test]
    fn a_line_has_at_most_a_hundred_values_of_a_metric() {
        let mut buffer = Buffer::new();
        (0..300).for_each(|value| buffer.observe(Metric::SearchTime, f64::from(value)));
        let line = buffer.into_lines("prod", 0).next().unwrap();
        assert_eq!(line["SearchTime"].as_array().unwrap().len(), MAX_VALUES);
    }

    #[test]
    fn without_values_there_is_no_line() {
        assert_eq!(lines(Buffer::new()), "");
    }
}
