//! Payload index schemas, in both directions.

use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::{self as proto, FieldType};
use qdrant_edge::{PayloadFieldSchema, PayloadIndexInfo, PayloadSchemaParams, PayloadSchemaType};
use serde_json::{Map, Value};

use crate::error::LocalError;

/// Returns the schema in a request.
pub fn field_schema(request: &proto::CreateFieldIndexCollection) -> Result<PayloadFieldSchema, LocalError> {
    let params = request.field_index_params.as_ref().and_then(|params| params.index_params.as_ref());
    if let Some(params) = params {
        return params_schema(params);
    }
    let field_type = request.field_type.map(FieldType::try_from);
    let schema_type = match field_type {
        Some(Ok(FieldType::Keyword)) => PayloadSchemaType::Keyword,
        Some(Ok(FieldType::Integer)) => PayloadSchemaType::Integer,
        Some(Ok(FieldType::Float)) => PayloadSchemaType::Float,
        Some(Ok(FieldType::Text)) => PayloadSchemaType::Text,
        Some(Ok(FieldType::Bool)) => PayloadSchemaType::Bool,
        Some(Ok(FieldType::Datetime)) => PayloadSchemaType::Datetime,
        Some(Ok(FieldType::Uuid)) => PayloadSchemaType::Uuid,
        Some(Ok(FieldType::Geo)) => return Err(LocalError::unsupported("geo indexes")),
        Some(Err(error)) => return Err(LocalError::BadInput(error.to_string())),
        None => return Err(LocalError::BadInput("Expected a field type".to_owned())),
    };
    Ok(PayloadFieldSchema::FieldType(schema_type))
}

/// Converts an index for a collection's info.
pub fn schema_info(info: &PayloadIndexInfo) -> proto::PayloadSchemaInfo {
    let data_type = match info.data_type {
        PayloadSchemaType::Keyword => proto::PayloadSchemaType::Keyword,
        PayloadSchemaType::Integer => proto::PayloadSchemaType::Integer,
        PayloadSchemaType::Float => proto::PayloadSchemaType::Float,
        PayloadSchemaType::Geo => proto::PayloadSchemaType::Geo,
        PayloadSchemaType::Text => proto::PayloadSchemaType::Text,
        PayloadSchemaType::Bool => proto::PayloadSchemaType::Bool,
        PayloadSchemaType::Datetime => proto::PayloadSchemaType::Datetime,
        PayloadSchemaType::Uuid => proto::PayloadSchemaType::Uuid,
    };
    let params = info.params.as_ref().and_then(index_params);
    proto::PayloadSchemaInfo {
        data_type: data_type as i32,
        params: params.map(proto::PayloadIndexParams::from),
        points: Some(info.points as u64),
    }
}

/// Returns the parameters of an index that was created with some; not those of text and geo indexes.
#[expect(deprecated, reason = "its replacement is not supported")]
fn index_params(params: &PayloadSchemaParams) -> Option<IndexParams> {
    match params {
        PayloadSchemaParams::Keyword(params) => Some(IndexParams::from(proto::KeywordIndexParams {
            is_tenant: params.is_tenant,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..Default::default()
        })),
        PayloadSchemaParams::Integer(params) => Some(IndexParams::from(proto::IntegerIndexParams {
            lookup: params.lookup,
            range: params.range,
            is_principal: params.is_principal,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..Default::default()
        })),
        PayloadSchemaParams::Float(params) => Some(IndexParams::from(proto::FloatIndexParams {
            is_principal: params.is_principal,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..Default::default()
        })),
        PayloadSchemaParams::Bool(params) => Some(IndexParams::from(proto::BoolIndexParams {
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..Default::default()
        })),
        PayloadSchemaParams::Datetime(params) => Some(IndexParams::from(proto::DatetimeIndexParams {
            is_principal: params.is_principal,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..Default::default()
        })),
        PayloadSchemaParams::Uuid(params) => Some(IndexParams::from(proto::UuidIndexParams {
            is_tenant: params.is_tenant,
            on_disk: params.on_disk,
            enable_hnsw: params.enable_hnsw,
            ..Default::default()
        })),
        PayloadSchemaParams::Text(_) | PayloadSchemaParams::Geo(_) => None,
    }
}

/// Not all parameter types of the engine can be named from outside, but all of them can be deserialized from the
/// JSON of Qdrant's REST API.
#[expect(deprecated, reason = "its replacement is not supported")]
fn params_schema(params: &IndexParams) -> Result<PayloadFieldSchema, LocalError> {
    let mut json = ParamsJson::default();
    match params {
        IndexParams::KeywordIndexParams(params) => {
            json.start("keyword", params.on_disk, params.enable_hnsw, params.memory, &params.nested);
            json.put("is_tenant", params.is_tenant);
            json.reject(params.prefix.is_some(), "prefix");
        }
        IndexParams::IntegerIndexParams(params) => {
            json.start("integer", params.on_disk, params.enable_hnsw, params.memory, &params.nested);
            json.put("lookup", params.lookup);
            json.put("range", params.range);
            json.put("is_principal", params.is_principal);
        }
        IndexParams::FloatIndexParams(params) => {
            json.start("float", params.on_disk, params.enable_hnsw, params.memory, &params.nested);
            json.put("is_principal", params.is_principal);
        }
        IndexParams::BoolIndexParams(params) => {
            json.start("bool", params.on_disk, params.enable_hnsw, params.memory, &params.nested);
        }
        IndexParams::DatetimeIndexParams(params) => {
            json.start("datetime", params.on_disk, params.enable_hnsw, params.memory, &params.nested);
            json.put("is_principal", params.is_principal);
        }
        IndexParams::UuidIndexParams(params) => {
            json.start("uuid", params.on_disk, params.enable_hnsw, params.memory, &params.nested);
            json.put("is_tenant", params.is_tenant);
        }
        IndexParams::TextIndexParams(params) => {
            json.start("text", params.on_disk, params.enable_hnsw, params.memory, &params.nested);
            json.put("tokenizer", Some(tokenizer(params.tokenizer)?));
            json.put("lowercase", params.lowercase);
            json.put("min_token_len", params.min_token_len);
            json.put("max_token_len", params.max_token_len);
            json.put("phrase_matching", params.phrase_matching);
            json.put("ascii_folding", params.ascii_folding);
            json.reject(params.stopwords.is_some(), "stopwords");
            json.reject(params.stemmer.is_some(), "stemmer");
            json.reject(params.scoring.is_some(), "scoring");
        }
        IndexParams::GeoIndexParams(_) => return Err(LocalError::unsupported("geo indexes")),
    }
    json.into_schema()
}

#[derive(Default)]
struct ParamsJson {
    fields: Map<String, Value>,
    unsupported: Vec<&'static str>,
}

impl ParamsJson {
    fn start(
        &mut self,
        kind: &str,
        on_disk: Option<bool>,
        enable_hnsw: Option<bool>,
        memory: Option<i32>,
        nested: &Option<String>,
    ) {
        self.put("type", Some(kind));
        self.put("on_disk", on_disk);
        self.put("enable_hnsw", enable_hnsw);
        self.reject(memory.is_some_and(|memory| memory != 0), "memory");
        self.reject(nested.is_some(), "nested");
    }

    fn put(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.fields.insert(key.to_owned(), value.into());
        }
    }

    fn reject(&mut self, is_set: bool, parameter: &'static str) {
        if is_set {
            self.unsupported.push(parameter);
        }
    }

    fn into_schema(self) -> Result<PayloadFieldSchema, LocalError> {
        if !self.unsupported.is_empty() {
            let parameters = self.unsupported.join(", ");
            return Err(LocalError::unsupported(format!("the index parameter {parameters}")));
        }
        let params: PayloadSchemaParams = serde_json::from_value(Value::Object(self.fields))
            .map_err(|error| LocalError::BadInput(format!("index parameters: {error}")))?;
        if let PayloadSchemaParams::Integer(integer) = &params
            && integer.lookup == Some(false)
            && integer.range == Some(false)
        {
            let message = "the 'lookup' and 'range' capabilities can't be both disabled";
            return Err(LocalError::BadInput(message.to_owned()));
        }
        Ok(PayloadFieldSchema::FieldParams(params))
    }
}

fn tokenizer(value: i32) -> Result<&'static str, LocalError> {
    match proto::TokenizerType::try_from(value) {
        Ok(proto::TokenizerType::Prefix) => Ok("prefix"),
        Ok(proto::TokenizerType::Whitespace) => Ok("whitespace"),
        Ok(proto::TokenizerType::Word) => Ok("word"),
        Ok(proto::TokenizerType::Multilingual) => Ok("multilingual"),
        Ok(proto::TokenizerType::Unknown) => Ok("word"),
        Ok(other) => Err(LocalError::unsupported(format!("the tokenizer {}", other.as_str_name()))),
        Err(error) => Err(LocalError::BadInput(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use qdrant_client::qdrant::{
        IntegerIndexParamsBuilder, KeywordIndexParamsBuilder, TextIndexParamsBuilder, TokenizerType,
    };

    use super::*;

    fn schema(params: impl Into<IndexParams>) -> Result<PayloadFieldSchema, LocalError> {
        params_schema(&params.into())
    }

    #[test]
    fn parameters_are_passed_to_the_engine() {
        let tenant = schema(KeywordIndexParamsBuilder::default().is_tenant(true).build()).unwrap();
        assert!(tenant.is_tenant());
        let range_only = schema(IntegerIndexParamsBuilder::new(false, true).build()).unwrap();
        assert_eq!(range_only.kind(), PayloadSchemaType::Integer);
        assert!(!range_only.supports_match());
        let text = TextIndexParamsBuilder::new(TokenizerType::Whitespace).lowercase(true);
        let text = schema(text.build()).unwrap();
        let PayloadFieldSchema::FieldParams(PayloadSchemaParams::Text(text)) = text else {
            panic!("not a text schema: {text:?}");
        };
        assert_eq!(text.tokenizer, qdrant_edge::TokenizerType::Whitespace);
        assert_eq!(text.lowercase, Some(true));
    }
}
