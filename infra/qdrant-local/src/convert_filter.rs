//! Filters and point ids: from Qdrant's messages to the engine's types.

use chrono::DateTime;
use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue as ProtoMatch;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::{self as proto};
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::external::uuid::Uuid;
use qdrant_edge::{
    Condition, DateTimeWrapper, FieldCondition, Filter, HasIdCondition, HasVectorCondition, IsEmptyCondition,
    IsNullCondition, JsonPath, Match, MatchExcept, MatchPhrase, MatchTextAny, MinShould, PointId, Range,
    RangeInterface, ValuesCount,
};

use crate::error::LocalError;

/// Converts a filter.
pub fn filter(value: proto::Filter) -> Result<Filter, LocalError> {
    let proto::Filter { should, must, must_not, min_should } = value;
    let min_should = match min_should {
        Some(proto::MinShould { conditions, min_count }) => Some(MinShould {
            conditions: conditions.into_iter().map(condition).collect::<Result<_, _>>()?,
            min_count: to_usize(min_count),
        }),
        None => None,
    };
    Ok(Filter {
        should: conditions(should)?,
        min_should,
        must: conditions(must)?,
        must_not: conditions(must_not)?,
    })
}

/// Converts a point id, a number or a UUID.
pub fn point_id(value: proto::PointId) -> Result<PointId, LocalError> {
    match value.point_id_options {
        Some(PointIdOptions::Num(number)) => Ok(PointId::NumId(number)),
        Some(PointIdOptions::Uuid(text)) => Uuid::parse_str(&text)
            .map(PointId::Uuid)
            .map_err(|_| LocalError::BadInput(format!("Unable to parse UUID: {text}"))),
        None => Err(LocalError::BadInput("Malformed PointId type".to_owned())),
    }
}

/// Converts a point id for a response or a journal record.
pub fn point_id_to_proto(value: PointId) -> proto::PointId {
    match value {
        PointId::NumId(number) => number.into(),
        PointId::Uuid(uuid) => uuid.to_string().into(),
    }
}

/// Parses the path of a payload field, such as `metadata.mime_type`.
pub fn json_path(text: &str) -> Result<JsonPath, LocalError> {
    text.parse().map_err(|()| LocalError::BadInput(format!("Invalid JSON path: {text}")))
}

/// Converts a size, which has 64 bits in messages on every platform.
pub fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn conditions(values: Vec<proto::Condition>) -> Result<Option<Vec<Condition>>, LocalError> {
    if values.is_empty() {
        return Ok(None);
    }
    values.into_iter().map(condition).collect::<Result<_, _>>().map(Some)
}

fn condition(value: proto::Condition) -> Result<Condition, LocalError> {
    let Some(condition) = value.condition_one_of else {
        return Err(LocalError::BadInput("Malformed Condition type".to_owned()));
    };
    Ok(match condition {
        ConditionOneOf::Field(field) => Condition::Field(field_condition(field)?),
        ConditionOneOf::IsEmpty(is_empty) => {
            Condition::IsEmpty(IsEmptyCondition::from(json_path(&is_empty.key)?))
        }
        ConditionOneOf::IsNull(is_null) => Condition::IsNull(IsNullCondition::from(json_path(&is_null.key)?)),
        ConditionOneOf::HasId(has_id) => {
            let ids = has_id.has_id.into_iter().map(point_id).collect::<Result<Vec<_>, _>>()?;
            Condition::HasId(HasIdCondition::from_iter(ids))
        }
        ConditionOneOf::HasVector(has_vector) => {
            Condition::HasVector(HasVectorCondition::from(has_vector.has_vector))
        }
        ConditionOneOf::Filter(inner) => Condition::Filter(filter(inner)?),
        ConditionOneOf::Nested(nested) => {
            Condition::new_nested(json_path(&nested.key)?, filter(nested.filter.unwrap_or_default())?)
        }
        ConditionOneOf::Slice(_) => return Err(LocalError::unsupported("the slice condition")),
    })
}

fn field_condition(value: proto::FieldCondition) -> Result<FieldCondition, LocalError> {
    let proto::FieldCondition {
        key,
        r#match,
        range,
        geo_bounding_box,
        geo_radius,
        values_count,
        geo_polygon,
        datetime_range,
        is_empty,
        is_null,
    } = value;
    if geo_bounding_box.is_some() || geo_radius.is_some() || geo_polygon.is_some() {
        return Err(LocalError::unsupported("geo conditions"));
    }
    let range = match (range, datetime_range) {
        (Some(_), Some(_)) => {
            let message = format!("`{key}` has a range and a datetime range; only one is allowed");
            return Err(LocalError::BadInput(message));
        }
        (Some(range), None) => Some(float_range(&range)),
        (None, Some(range)) => Some(datetime_interval(range)?),
        (None, None) => None,
    };
    let condition = FieldCondition {
        key: json_path(&key)?,
        r#match: match r#match.map(|value| value.match_value) {
            Some(Some(value)) => Some(match_condition(value)?),
            Some(None) => return Err(LocalError::BadInput(format!("`{key}` has an empty match"))),
            None => None,
        },
        range,
        geo_bounding_box: None,
        geo_radius: None,
        geo_polygon: None,
        values_count: values_count.map(|count| ValuesCount {
            lt: count.lt.map(to_usize),
            gt: count.gt.map(to_usize),
            gte: count.gte.map(to_usize),
            lte: count.lte.map(to_usize),
        }),
        is_empty,
        is_null,
    };
    if condition.all_fields_none() {
        return Err(LocalError::BadInput(format!("`{key}` has no condition")));
    }
    Ok(condition)
}

fn match_condition(value: ProtoMatch) -> Result<Match, LocalError> {
    Ok(match value {
        ProtoMatch::Keyword(text) => Match::from(text),
        ProtoMatch::Integer(number) => Match::from(number),
        ProtoMatch::Boolean(boolean) => Match::from(boolean),
        ProtoMatch::Text(text) => Match::new_text(&text),
        ProtoMatch::TextAny(text_any) => Match::TextAny(MatchTextAny { text_any }),
        ProtoMatch::Phrase(phrase) => Match::Phrase(MatchPhrase { phrase }),
        ProtoMatch::Keywords(any) => Match::from(any.strings),
        ProtoMatch::Integers(any) => Match::from(any.integers),
        ProtoMatch::ExceptKeywords(except) => Match::Except(MatchExcept::from(except.strings)),
        ProtoMatch::ExceptIntegers(except) => Match::Except(MatchExcept::from(except.integers)),
        ProtoMatch::Prefix(_) => return Err(LocalError::unsupported("the prefix match")),
        ProtoMatch::Substring(_) => return Err(LocalError::unsupported("the substring match")),
    })
}

fn float_range(range: &proto::Range) -> RangeInterface {
    RangeInterface::Float(Range {
        lt: range.lt.map(OrderedFloat),
        gt: range.gt.map(OrderedFloat),
        gte: range.gte.map(OrderedFloat),
        lte: range.lte.map(OrderedFloat),
    })
}

fn datetime_interval(range: proto::DatetimeRange) -> Result<RangeInterface, LocalError> {
    let convert = |time: Option<prost_types::Timestamp>| -> Result<_, LocalError> {
        let Some(time) = time else {
            return Ok(None);
        };
        let nanos = u32::try_from(time.nanos).ok();
        nanos
            .and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos))
            .map(|instant| Some(DateTimeWrapper(instant)))
            .ok_or_else(|| LocalError::BadInput(format!("Unable to parse timestamp: {time:?}")))
    };
    Ok(RangeInterface::DateTime(Range {
        lt: convert(range.lt)?,
        gt: convert(range.gt)?,
        gte: convert(range.gte)?,
        lte: convert(range.lte)?,
    }))
}
