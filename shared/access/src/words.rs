//! Named schemas of the OpenAPI document, most of them closed sets of words: generators of clients make one type of each.

use domain::AccessLevel as Level;
use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, Schema, Type};

use crate::openapi::{attribute_value, by_attribute};

/// Declares a type without values for each schema, which stands for it in `value_type` of a field.
#[macro_export]
macro_rules! named_schemas {
    ($($name:ident as $public:expr, $description:literal: $schema:expr;)+) => {
        $(
            #[doc = $description]
            #[derive(Debug)]
            pub enum $name {}

            impl $name {
                /// Returns the schema itself, for parameters.
                #[must_use]
                pub fn inline() -> ::utoipa::openapi::schema::Object {
                    let mut schema: ::utoipa::openapi::schema::Object = $schema;
                    schema.description = Some($description.to_owned());
                    schema
                }
            }

            impl ::utoipa::PartialSchema for $name {
                fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::schema::Schema> {
                    Self::inline().into()
                }
            }

            impl ::utoipa::ToSchema for $name {
                fn name() -> ::std::borrow::Cow<'static, str> {
                    ::std::borrow::Cow::Borrowed($public)
                }
            }
        )+
    };
}

/// Declares the schemas of closed sets of words.
#[macro_export]
macro_rules! word_schemas {
    ($($name:ident, $description:literal: $words:expr;)+) => {
        $crate::named_schemas! { $($name as stringify!($name), $description: $crate::one_of($words);)+ }
    };
}

/// Declares the schemas of enumerations of [`domain`], which have their names.
macro_rules! domain_schemas {
    ($($name:ident, $description:literal;)+) => {
        word_schemas! { $($name, $description: ::domain::$name::ALL.iter().map(|word| word.as_str());)+ }
    };
}

domain_schemas! {
    AccessLevel, "Access to a collection; each level includes those before it.";
    CollectionSort, "What decides the order of collections.";
    CollectionStatus, "Status of a collection: `degraded` is searchable, without the documents that failed.";
    DocumentSort, "What decides the order of documents.";
    DocumentStatus, "Status of a document.";
    ErrorCategory, "Whether trying again can help.";
    OperationStatus, "Status of an operation; the last three are final.";
    OperationType, "What an operation does to its collection.";
    Permission, "Access that can be granted.";
    PushRunStatus, "Status of a push run.";
    QualityTier, "Quality of query expansion; has no effect.";
    Quantization, "Number format of model and vectors.";
    SearchMode, "What is compared: embeddings (`dense`), words (`sparse`) or both (`hybrid`).";
    SearchType, "Kind of search of Semantik's v2 API; `hybrid` sets the mode.";
    SecretType, "Type of a secret of a source.";
    SortOrder, "Ascending or descending.";
    SparseType, "Type of the sparse vectors.";
    SyncRunStatus, "Status of a sync run.";
    SyncTrigger, "What started a sync run.";
    TransientError, "Why something is tried again.";
    UploadStatus, "Status of an upload.";
    WaitingFor, "What an operation waits for.";
    WebhookDeliveryState, "State of a delivery to a webhook.";
    WebhookEvent, "What a webhook is notified of; `ping` is a test.";
}

word_schemas! {
    ApiKeyScope, "Highest access of an API key.": [Level::Read, Level::Write, Level::Admin].map(Level::as_str);
}

named_schemas! {
    MetadataSchema as "DocumentMetadata", "Metadata of a document: up to 32 strings, integers and booleans.":
        by_attribute()
            .schema_type(Type::Object)
            .additional_properties(Some(AdditionalProperties::from(Schema::OneOf(attribute_value()))))
            .examples([json!({ "topic": "tides", "year": 2024, "draft": false })])
            .build();
}
