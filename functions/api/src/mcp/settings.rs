//! What a profile's fields may hold, whether it is made or changed.

use access::Caller;
use db::Tx;
use db::accounts::McpProfileSettings;
use domain::{CollectionId, SearchMode, SearchType};
use lambda::http::ApiError;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::openapi::words;
use crate::validation::{Checks, given};

/// As many as one search takes.
const MAX_COLLECTIONS: usize = 10;

/// A new profile.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateMcpProfileRequest {
    /// 1 to 64 characters, a lower-case letter first, then also digits, `_` and `-`; unique among the
    /// caller's.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z][a-z0-9_-]*$", example = "handbooks")]
    name: String,
    /// What the assistant is told about it.
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// 1 to 10 collections that the caller can read, searched in this order.
    #[schema(value_type = Vec<Uuid>, min_items = 1, max_items = 10, example = json!(["5f1d0c1e-8f4b-4f0e-9a53-6c1f0a6d2b11"]))]
    collection_ids: Vec<CollectionId>,
    /// Whether assistants see it; the default is `true`.
    enabled: Option<bool>,
    #[schema(schema_with = words::optional_search_type)]
    search_type: Option<SearchType>,
    /// How many results a search gives; the default is 10.
    #[schema(minimum = 1, maximum = 100)]
    result_count: Option<i32>,
    /// The default is `true`.
    use_reranker: Option<bool>,
    #[schema(minimum = 0, maximum = 1)]
    score_threshold: Option<f64>,
    /// How much meanings count against words.
    #[schema(minimum = 0, maximum = 1)]
    hybrid_alpha: Option<f64>,
    #[schema(schema_with = words::optional_search_mode)]
    search_mode: Option<SearchMode>,
    #[schema(minimum = 1, maximum = 1000)]
    rrf_k: Option<i32>,
    /// The default is `false`.
    use_hyde: Option<bool>,
}

/// What to change of a profile: what is absent stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "result_count": 20, "enabled": true }))]
pub(crate) struct UpdateMcpProfileRequest {
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z][a-z0-9_-]*$")]
    name: Option<String>,
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// They replace those it has.
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 10)]
    collection_ids: Option<Vec<CollectionId>>,
    enabled: Option<bool>,
    #[schema(schema_with = words::optional_search_type)]
    search_type: Option<SearchType>,
    #[schema(minimum = 1, maximum = 100)]
    result_count: Option<i32>,
    use_reranker: Option<bool>,
    /// `null` for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    score_threshold: Option<Option<f64>>,
    /// `null` for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    hybrid_alpha: Option<Option<f64>>,
    #[schema(schema_with = words::optional_search_mode)]
    search_mode: Option<SearchMode>,
    /// `null` for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 1000)]
    rrf_k: Option<Option<i32>>,
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

/// What a profile has that names nothing else.
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
    /// The settings with these changes, if they can be.
    pub(super) async fn apply_to(
        self,
        before: &McpProfileSettings,
        tx: &mut Tx,
        caller: &Caller,
    ) -> Result<McpProfileSettings, ApiError> {
        let mut checks = Checks::default();
        let mut after = before.clone();
        if let Some(name) = self.name {
            check_name(&mut checks, &name);
            after.name = name;
        }
        if let Some(description) = self.description {
            checks.length("description", &description, 0..=1000);
            checks.no_nul("description", &description);
            after.description = description;
        }
        if let Some(ids) = self.collection_ids {
            check_collections(&mut checks, tx, caller, &ids).await?;
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
        checks.range("result_count", after.result_count.into(), 1..=100);
        for (field, share) in
            [("score_threshold", after.score_threshold), ("hybrid_alpha", after.hybrid_alpha)]
        {
            if let Some(share) = share {
                checks.fraction(field, share);
            }
        }
        if let Some(rrf_k) = after.rrf_k {
            checks.range("rrf_k", rrf_k.into(), 1..=1000);
        }
        checks.finish()?;
        Ok(after)
    }
}

fn check_name(checks: &mut Checks, name: &str) {
    let mut characters = name.chars();
    let starts_well = characters.next().is_some_and(|first| first.is_ascii_lowercase());
    let goes_on_well = characters.all(|character| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || "_-".contains(character)
    });
    if !starts_well || !goes_on_well || name.len() > 64 {
        checks.refuse(
            "name",
            format!(
                "must have 1 to 64 characters, a lower-case letter first, then also digits, _ and -, got {name:?}"
            ),
        );
    }
}

async fn check_collections(
    checks: &mut Checks,
    tx: &mut Tx,
    caller: &Caller,
    ids: &[CollectionId],
) -> Result<(), ApiError> {
    if ids.is_empty() || ids.len() > MAX_COLLECTIONS {
        let message = format!("must name 1 to {MAX_COLLECTIONS} collections, got {}", ids.len());
        checks.refuse("collection_ids", message);
        return Ok(());
    }
    let readable = tx.collections().find_accessible_many(ids, &caller.principal).await?;
    for (index, id) in ids.iter().enumerate() {
        let field = format!("collection_ids[{index}]");
        if ids[..index].contains(id) {
            checks.refuse(field, format!("{id} is named twice"));
        } else if !readable.iter().any(|found| found.collection.id == *id) {
            checks.refuse(field, format!("there is no collection {id} that you can read"));
        }
    }
    Ok(())
}

/// What of a profile can be changed, as clients name it.
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
