//! Request types of MCP profiles, and the validation of their fields.

use access::Caller;
use db::Tx;
use db::accounts::McpProfileSettings;
use domain::{CollectionId, SearchMode, SearchType};
use lambda::http::{ApiError, FieldErrors};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::nullable::nullable;
use crate::openapi::words;

/// The maximum number of collections of one search.
const MAX_COLLECTIONS: usize = 10;

/// An MCP profile to create.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateMcpProfileRequest {
    /// Name: 1 to 64 lower-case letters, digits, `_` and `-`, starting with a letter. Unique among the
    /// caller's profiles.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z][a-z0-9_-]*$", example = "handbooks")]
    name: String,
    /// Description shown to the assistant, at most 1000 characters; default empty.
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Collections to search, in this order: 1 to 10 that the caller can read.
    #[schema(value_type = Vec<Uuid>, min_items = 1, max_items = 10, example = json!(["5f1d0c1e-8f4b-4f0e-9a53-6c1f0a6d2b11"]))]
    collection_ids: Vec<CollectionId>,
    /// Whether the profile is offered to assistants; default `true`.
    enabled: Option<bool>,
    /// `search_type` of the searches; default `semantic`.
    #[schema(value_type = Option<words::SearchType>)]
    search_type: Option<SearchType>,
    /// Number of results per search, 1 to 100; default 10.
    #[schema(minimum = 1, maximum = 100)]
    result_count: Option<i32>,
    /// Whether to rerank results with a cross-encoder; default `true`.
    use_reranker: Option<bool>,
    /// Minimum score of a result, 0 to 1; default no minimum.
    #[schema(minimum = 0, maximum = 1)]
    score_threshold: Option<f64>,
    /// Weight of the dense vectors against the sparse ones, 0 to 1; default that of search.
    #[schema(minimum = 0, maximum = 1)]
    hybrid_alpha: Option<f64>,
    /// Which vectors to search; default `dense`.
    #[schema(value_type = Option<words::SearchMode>)]
    search_mode: Option<SearchMode>,
    /// Constant k of reciprocal rank fusion, 1 to 1000; default that of search.
    #[schema(minimum = 1, maximum = 1000)]
    rrf_k: Option<i32>,
    /// Whether to expand queries with HyDE (hypothetical document embeddings); default `false`.
    use_hyde: Option<bool>,
}

/// Changes of an MCP profile. Absent fields stay unchanged.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({ "result_count": 20, "enabled": true }))]
pub(crate) struct UpdateMcpProfileRequest {
    /// Name: 1 to 64 lower-case letters, digits, `_` and `-`, starting with a letter. Unique among the
    /// caller's profiles.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z][a-z0-9_-]*$")]
    name: Option<String>,
    /// Description shown to the assistant, at most 1000 characters.
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Collections to search, in this order: 1 to 10 that the caller can read. Replaces the previous ones.
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 10)]
    collection_ids: Option<Vec<CollectionId>>,
    /// Whether the profile is offered to assistants.
    enabled: Option<bool>,
    /// `search_type` of the searches.
    #[schema(value_type = Option<words::SearchType>)]
    search_type: Option<SearchType>,
    /// Number of results per search, 1 to 100.
    #[schema(minimum = 1, maximum = 100)]
    result_count: Option<i32>,
    /// Whether to rerank results with a cross-encoder.
    use_reranker: Option<bool>,
    /// Minimum score of a result, 0 to 1; `null` for no minimum.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    score_threshold: Option<Option<f64>>,
    /// Weight of the dense vectors against the sparse ones, 0 to 1; `null` for the default of search.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    hybrid_alpha: Option<Option<f64>>,
    /// Which vectors to search.
    #[schema(value_type = Option<words::SearchMode>)]
    search_mode: Option<SearchMode>,
    /// Constant k of reciprocal rank fusion, 1 to 1000; `null` for the default of search.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 1000)]
    rrf_k: Option<Option<i32>>,
    /// Whether to expand queries with HyDE (hypothetical document embeddings).
    use_hyde: Option<bool>,
}

impl From<CreateMcpProfileRequest> for UpdateMcpProfileRequest {
    fn from(new: CreateMcpProfileRequest) -> Self {
        Self {
            name: Some(new.name),
            description: new.description,
            collection_ids: Some(new.collection_ids),
            enabled: new.enabled,
            search_type: new.search_type,
            result_count: new.result_count,
            use_reranker: new.use_reranker,
            score_threshold: Some(new.score_threshold),
            hybrid_alpha: Some(new.hybrid_alpha),
            search_mode: new.search_mode,
            rrf_k: Some(new.rrf_k),
            use_hyde: new.use_hyde,
        }
    }
}

/// Returns the settings of a new profile that sets only the required fields.
pub(super) fn defaults() -> McpProfileSettings {
    McpProfileSettings {
        name: String::new(),
        description: String::new(),
        enabled: true,
        search_type: SearchType::Semantic.to_string(),
        search_mode: SearchMode::Dense.to_string(),
        result_count: 10,
        use_reranker: true,
        score_threshold: None,
        hybrid_alpha: None,
        rrf_k: None,
        use_hyde: false,
        collection_ids: Vec::new(),
    }
}

impl UpdateMcpProfileRequest {
    /// Returns the settings with these changes applied.
    ///
    /// # Errors
    /// Returns `Invalid` with all invalid fields, including collections that the caller cannot read.
    pub(super) async fn apply_to(
        self,
        before: &McpProfileSettings,
        tx: &mut Tx,
        caller: &Caller,
    ) -> Result<McpProfileSettings, ApiError> {
        let mut errors = FieldErrors::default();
        let mut after = before.clone();
        if let Some(name) = self.name {
            check_name(&mut errors, &name);
            after.name = name;
        }
        if let Some(description) = self.description {
            errors.length("description", &description, 0..=1000);
            errors.no_nul("description", &description);
            after.description = description;
        }
        if let Some(ids) = self.collection_ids {
            check_collections(&mut errors, tx, caller, &ids).await?;
            after.collection_ids = ids;
        }
        after.enabled = self.enabled.unwrap_or(after.enabled);
        after.search_type = self.search_type.map_or(after.search_type, |word| word.to_string());
        after.search_mode = self.search_mode.map_or(after.search_mode, |word| word.to_string());
        after.result_count = self.result_count.unwrap_or(after.result_count);
        after.use_reranker = self.use_reranker.unwrap_or(after.use_reranker);
        after.score_threshold = self.score_threshold.unwrap_or(after.score_threshold);
        after.hybrid_alpha = self.hybrid_alpha.unwrap_or(after.hybrid_alpha);
        after.rrf_k = self.rrf_k.unwrap_or(after.rrf_k);
        after.use_hyde = self.use_hyde.unwrap_or(after.use_hyde);
        errors.range("result_count", after.result_count, 1..=100);
        for (field, share) in
            [("score_threshold", after.score_threshold), ("hybrid_alpha", after.hybrid_alpha)]
        {
            if let Some(share) = share {
                errors.range(field, share, 0.0..=1.0);
            }
        }
        if let Some(rrf_k) = after.rrf_k {
            errors.range("rrf_k", rrf_k, 1..=1000);
        }
        errors.finish()?;
        Ok(after)
    }
}

fn check_name(errors: &mut FieldErrors, name: &str) {
    let mut characters = name.chars();
    let is_first_valid = characters.next().is_some_and(|first| first.is_ascii_lowercase());
    let is_rest_valid = characters.all(|character| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || "_-".contains(character)
    });
    if !is_first_valid || !is_rest_valid || name.len() > 64 {
        errors.add(
            "name",
            format!(
                "wrong format; 1 to 64 lower-case letters, digits, '_' and '-' allowed, starting with a letter, got {name:?}"
            ),
        );
    }
}

async fn check_collections(
    errors: &mut FieldErrors,
    tx: &mut Tx,
    caller: &Caller,
    ids: &[CollectionId],
) -> Result<(), ApiError> {
    if ids.is_empty() || ids.len() > MAX_COLLECTIONS {
        let message = format!("wrong number of items; 1 to {MAX_COLLECTIONS} allowed, got {}", ids.len());
        errors.add("collection_ids", message);
        return Ok(());
    }
    let readable = tx.collections().find_accessible_many(ids, &caller.principal).await?;
    for (index, id) in ids.iter().enumerate() {
        let field = format!("collection_ids[{index}]");
        if ids[..index].contains(id) {
            errors
                .add(field, format!("duplicate of an earlier entry; each collection once allowed, got {id}"));
        } else if !readable.iter().any(|found| found.collection.id == *id) {
            errors.add(field, format!("no collection {id}, or you do not have access to it"));
        }
    }
    Ok(())
}

/// Returns the fields that can be changed, named as in requests: for the `ETag` and the audit log.
pub(super) fn editable(settings: &McpProfileSettings) -> Value {
    json!({
        "name": settings.name,
        "description": settings.description,
        "collection_ids": settings.collection_ids,
        "enabled": settings.enabled,
        "search_type": settings.search_type,
        "result_count": settings.result_count,
        "use_reranker": settings.use_reranker,
        "score_threshold": settings.score_threshold,
        "hybrid_alpha": settings.hybrid_alpha,
        "search_mode": settings.search_mode,
        "rrf_k": settings.rrf_k,
        "use_hyde": settings.use_hyde,
    })
}
