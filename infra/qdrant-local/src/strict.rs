//! Strict mode: filters may only use payload fields that have an index.
//!
//! Qdrant Cloud enables it for every collection, a self-hosted server only if configured. Here it is enabled
//! unless the collection's `strict_mode_config` disables it, so that a filter which would fail in the cloud
//! fails on a development machine, too.

use std::collections::BTreeMap;

use qdrant_client::qdrant::StrictModeConfig;
use qdrant_edge::external::uuid::Uuid;
use qdrant_edge::{
    AnyVariants, Condition, FieldCondition, Filter, JsonPath, Match, PayloadFieldSchema, PayloadSchemaParams,
    PayloadSchemaType, RangeInterface, ValueVariants,
};

use crate::convert_filter::json_path;
use crate::error::LocalError;

/// The payload indexes of a collection.
pub type Indexes = BTreeMap<JsonPath, PayloadFieldSchema>;

/// Which filters of a collection need payload indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrictMode {
    /// Whether filters of searches, scrolls and counts need them.
    pub reads: bool,
    /// Whether filters of deletions and payload changes need them.
    pub updates: bool,
}

impl StrictMode {
    /// Returns the mode of a collection with this configuration.
    pub fn new(config: Option<&StrictModeConfig>) -> Self {
        let enabled = config.and_then(|config| config.enabled).unwrap_or(true);
        let reads = config.and_then(|config| config.unindexed_filtering_retrieve);
        let updates = config.and_then(|config| config.unindexed_filtering_update);
        Self { reads: enabled && reads != Some(true), updates: enabled && updates != Some(true) }
    }
}

/// Rejects a filter on a field without a suitable index.
pub fn check_filter(filter: &Filter, indexes: &Indexes) -> Result<(), LocalError> {
    check_under(None, filter, indexes)
}

/// The kind of payload index that a condition needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Keyword,
    Uuid,
    IntegerMatch,
    IntegerRange,
    Float,
    Bool,
    Datetime,
    Text,
    Geo,
}

impl Need {
    const ALL: [Self; 9] = [
        Self::Keyword,
        Self::Uuid,
        Self::IntegerMatch,
        Self::IntegerRange,
        Self::Float,
        Self::Bool,
        Self::Datetime,
        Self::Text,
        Self::Geo,
    ];

    fn is_served_by(self, schema: &PayloadFieldSchema) -> bool {
        let (lookup, range) = match schema {
            PayloadFieldSchema::FieldParams(PayloadSchemaParams::Integer(params)) => {
                (params.lookup != Some(false), params.range != Some(false))
            }
            PayloadFieldSchema::FieldParams(_) | PayloadFieldSchema::FieldType(_) => (true, true),
        };
        match self {
            Self::Keyword => schema.kind() == PayloadSchemaType::Keyword,
            Self::Uuid => schema.kind() == PayloadSchemaType::Uuid,
            Self::IntegerMatch => schema.kind() == PayloadSchemaType::Integer && lookup,
            Self::IntegerRange => schema.kind() == PayloadSchemaType::Integer && range,
            Self::Float => schema.kind() == PayloadSchemaType::Float,
            Self::Bool => schema.kind() == PayloadSchemaType::Bool,
            Self::Datetime => schema.kind() == PayloadSchemaType::Datetime,
            Self::Text => schema.kind() == PayloadSchemaType::Text,
            Self::Geo => schema.kind() == PayloadSchemaType::Geo,
        }
    }

    fn index_type(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Uuid => "uuid",
            Self::IntegerMatch | Self::IntegerRange => "integer",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Datetime => "datetime",
            Self::Text => "text",
            Self::Geo => "geo",
        }
    }
}

fn check_under(prefix: Option<&str>, filter: &Filter, indexes: &Indexes) -> Result<(), LocalError> {
    for condition in filter.iter_conditions() {
        match condition {
            Condition::Field(field) => check_key(prefix, &field.key, &needs(field), indexes)?,
            Condition::IsEmpty(condition) => {
                check_key(prefix, &condition.is_empty.key, &Need::ALL, indexes)?;
            }
            Condition::IsNull(condition) => {
                check_key(prefix, &condition.is_null.key, &Need::ALL, indexes)?;
            }
            Condition::Filter(inner) => check_under(prefix, inner, indexes)?,
            Condition::Nested(nested) => {
                let key = join(prefix, &nested.array_key());
                check_under(Some(&key), nested.filter(), indexes)?;
            }
            Condition::HasId(_) | Condition::HasVector(_) | Condition::CustomIdChecker(_) => {}
        }
    }
    Ok(())
}

fn check_key(
    prefix: Option<&str>,
    key: &JsonPath,
    needs: &[Need],
    indexes: &Indexes,
) -> Result<(), LocalError> {
    let full_key = join(prefix, key);
    let schema = indexes.get(&json_path(&full_key)?);
    if schema.is_some_and(|schema| needs.iter().any(|need| need.is_served_by(schema))) {
        return Ok(());
    }
    let mut types: Vec<_> = needs.iter().map(|need| need.index_type()).collect();
    types.sort_unstable();
    types.dedup();
    let types = types.join(", ");
    Err(LocalError::BadRequest(format!(
        "Index required but not found for \"{full_key}\" of one of the following types: \
         [{types}]. Help: Create an index for this key or use a different filter."
    )))
}

fn join(prefix: Option<&str>, key: &JsonPath) -> String {
    match prefix {
        Some(prefix) => format!("{prefix}.{key}"),
        None => key.to_string(),
    }
}

fn needs(field: &FieldCondition) -> Vec<Need> {
    let mut needs = Vec::new();
    match &field.r#match {
        Some(Match::Value(value)) => match &value.value {
            ValueVariants::String(text) => needs.extend(text_needs([text])),
            ValueVariants::Integer(_) => needs.push(Need::IntegerMatch),
            ValueVariants::Bool(_) => needs.push(Need::Bool),
        },
        Some(Match::Any(any)) => needs.extend(any_needs(&any.any)),
        Some(Match::Except(except)) => needs.extend(any_needs(&except.except)),
        Some(Match::Text(_) | Match::TextAny(_) | Match::Phrase(_)) => needs.push(Need::Text),
        None => {}
    }
    match &field.range {
        Some(RangeInterface::Float(_)) => needs.extend([Need::Float, Need::IntegerRange]),
        Some(RangeInterface::DateTime(_)) => needs.push(Need::Datetime),
        None => {}
    }
    if field.values_count.is_some() || field.is_empty.is_some() || field.is_null.is_some() {
        needs.extend(Need::ALL);
    }
    needs
}

fn any_needs(any: &AnyVariants) -> Vec<Need> {
    match any {
        AnyVariants::Strings(texts) => text_needs(texts),
        AnyVariants::Integers(_) => vec![Need::IntegerMatch],
    }
}

fn text_needs<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<Need> {
    if texts.into_iter().all(|text| Uuid::parse_str(text).is_ok()) {
        vec![Need::Keyword, Need::Uuid]
    } else {
        vec![Need::Keyword]
    }
}

#[cfg(test)]
mod tests {
    use qdrant_client::qdrant as proto;

    use super::*;
    use crate::convert_filter::filter;

    fn check(condition: proto::Condition, indexed: &[(&str, PayloadSchemaType)]) -> Option<String> {
        let indexes = indexed
            .iter()
            .map(|(key, kind)| (json_path(key).unwrap(), PayloadFieldSchema::FieldType(*kind)))
            .collect();
        let filter = filter(proto::Filter::must([condition])).unwrap();
        check_filter(&filter, &indexes).err().map(|error| error.to_string())
    }

    #[test]
    fn an_unindexed_field_is_rejected_with_the_suitable_index_types() {
        let message = check(proto::Condition::matches("a", "text".to_owned()), &[]).unwrap();
        assert_eq!(
            message,
            "Bad request: Index required but not found for \"a\" of one of the following types: \
             [keyword]. Help: Create an index for this key or use a different filter."
        );
        let range = proto::Range { gte: Some(1.0), ..Default::default() };
        let message = check(proto::Condition::range("a.b", range), &[]).unwrap();
        assert!(message.contains("for \"a.b\" of one of the following types: [float, integer]"));
    }

    #[test]
    fn an_index_is_suitable_for_conditions_of_its_type_only() {
        let id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".to_owned();
        let by_id = || proto::Condition::matches("a", id.clone());
        assert_eq!(check(by_id(), &[("a", PayloadSchemaType::Uuid)]), None);
        assert_eq!(check(by_id(), &[("a", PayloadSchemaType::Keyword)]), None);
        assert!(check(by_id(), &[("a", PayloadSchemaType::Integer)]).is_some());
        let by_text = proto::Condition::matches("a", "x".to_owned());
        assert!(check(by_text, &[("a", PayloadSchemaType::Uuid)]).is_some());
        let empty = proto::Condition::is_empty("a");
        assert_eq!(check(empty, &[("a", PayloadSchemaType::Bool)]), None);
    }

    #[test]
    fn nested_filters_are_checked() {
        let inner = proto::Filter::must([proto::Condition::matches("b", true)]);
        assert!(check(inner.clone().into(), &[]).is_some());
        let nested = proto::Condition::nested("a", inner);
        assert!(check(nested.clone(), &[("b", PayloadSchemaType::Bool)]).is_some());
        assert_eq!(check(nested, &[("a[].b", PayloadSchemaType::Bool)]), None);
    }

    #[test]
    fn strict_mode_is_on_unless_disabled() {
        let on = StrictMode { reads: true, updates: true };
        assert_eq!(StrictMode::new(None), on);
        let off = StrictModeConfig { enabled: Some(false), ..Default::default() };
        assert_eq!(StrictMode::new(Some(&off)), StrictMode { reads: false, updates: false });
        let reads_free = StrictModeConfig {
            enabled: Some(true),
            unindexed_filtering_retrieve: Some(true),
            ..Default::default()
        };
        assert_eq!(StrictMode::new(Some(&reads_free)), StrictMode { reads: false, updates: true });
    }
}
