//! MCP profiles and the collections that they search.

use chrono::{DateTime, Utc};
use domain::{CollectionId, McpProfileId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

/// The part of an MCP profile that its owner edits.
#[derive(Debug, Clone, PartialEq)]
pub struct McpProfileSettings {
    /// Name, unique per owner: a lower-case letter, then letters, digits, `_` and `-`.
    pub name: String,
    /// Description of the tool for the assistant.
    pub description: String,
    /// Whether assistants can see it.
    pub enabled: bool,
    /// The search type, see `domain::SearchType`.
    pub search_type: String,
    /// The search mode, see `domain::SearchMode`.
    pub search_mode: String,
    /// Number of results of a search, 1 to 100.
    pub result_count: i32,
    /// Whether results are reranked.
    pub use_reranker: bool,
    /// Minimum score of a result.
    pub score_threshold: Option<f64>,
    /// Weight of dense against sparse scores, 0 to 1.
    pub hybrid_alpha: Option<f64>,
    /// The constant `k` of reciprocal rank fusion.
    pub rrf_k: Option<i32>,
    /// Whether to expand queries with hypothetical answers (HyDE).
    pub use_hyde: bool,
    /// The collections to search, in this order.
    pub collection_ids: Vec<CollectionId>,
}

/// An MCP profile.
#[derive(Debug, Clone, PartialEq)]
pub struct McpProfile {
    /// ID of the profile.
    pub id: McpProfileId,
    /// Its settings, without collections that were deleted since.
    pub settings: McpProfileSettings,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Reads and changes MCP profiles.
#[derive(Debug)]
pub struct McpProfiles<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> McpProfiles<'c> {
    /// The constraint that makes names unique per user.
    pub const NAME_CONSTRAINT: &'static str = "uq_mcp_profiles_user_name";

    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns a user's profiles with their collections, ordered by name: all, or only those that are enabled,
    /// or only those that are not.
    pub async fn list(
        &mut self,
        user_id: UserId,
        enabled: Option<bool>,
        limit: i64,
        offset: i64,
    ) -> Result<Page<McpProfile>, DbError> {
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM mcp_profiles
            WHERE user_id = $1 AND ($2::boolean IS NULL OR enabled = $2)"#,
            user_id.0,
            enabled,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(Page { items: self.select(user_id, None, None, enabled, limit, offset).await?, total })
    }

    /// Returns a user's profile with this ID.
    pub async fn find(&mut self, user_id: UserId, id: McpProfileId) -> Result<Option<McpProfile>, DbError> {
        Ok(self.select(user_id, Some(id), None, None, 1, 0).await?.pop())
    }

    /// Returns a user's profile with this name, if it is enabled.
    pub async fn find_enabled(&mut self, user_id: UserId, name: &str) -> Result<Option<McpProfile>, DbError> {
        Ok(self.select(user_id, None, Some(name), Some(true), 1, 0).await?.pop())
    }

    /// Locks a user's profile until the transaction ends and returns it.
    pub async fn lock(&mut self, user_id: UserId, id: McpProfileId) -> Result<Option<McpProfile>, DbError> {
        sqlx::query!(
            "SELECT id FROM mcp_profiles WHERE id = $1 AND user_id = $2 FOR UPDATE",
            id.0,
            user_id.0
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        self.find(user_id, id).await
    }

    /// Inserts a profile.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] with [`Self::NAME_CONSTRAINT`] if the user has a profile with that
    /// name.
    pub async fn insert(
        &mut self,
        user_id: UserId,
        id: McpProfileId,
        settings: &McpProfileSettings,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO mcp_profiles (id, user_id, name) VALUES ($1, $2, $3)",
            id.0,
            user_id.0,
            settings.name
        )
        .execute(&mut *self.connection)
        .await?;
        self.update(user_id, id, settings).await
    }

    /// Replaces a profile's settings and collections.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] with [`Self::NAME_CONSTRAINT`] if the user has another profile with
    /// that name.
    pub async fn update(
        &mut self,
        user_id: UserId,
        id: McpProfileId,
        settings: &McpProfileSettings,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE mcp_profiles
            SET name = $3, description = $4, enabled = $5, search_type = $6, search_mode = $7,
                result_count = $8, use_reranker = $9, score_threshold = $10, hybrid_alpha = $11,
                rrf_k = $12, use_hyde = $13, updated_at = now()
            WHERE id = $1 AND user_id = $2",
            id.0,
            user_id.0,
            settings.name,
            settings.description,
            settings.enabled,
            settings.search_type,
            settings.search_mode,
            settings.result_count,
            settings.use_reranker,
            settings.score_threshold,
            settings.hybrid_alpha,
            settings.rrf_k,
            settings.use_hyde,
        )
        .execute(&mut *self.connection)
        .await?;
        sqlx::query!("DELETE FROM mcp_profile_collections WHERE profile_id = $1", id.0)
            .execute(&mut *self.connection)
            .await?;
        let collection_ids: Vec<Uuid> = settings.collection_ids.iter().map(|id| id.0).collect();
        sqlx::query!(
            "INSERT INTO mcp_profile_collections (profile_id, collection_id, position)
            SELECT $1, named.id, named.position::int - 1
            FROM unnest($2::uuid[]) WITH ORDINALITY AS named (id, position)",
            id.0,
            &collection_ids,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Deletes a user's profile. Returns its name if it existed.
    pub async fn delete(&mut self, user_id: UserId, id: McpProfileId) -> Result<Option<String>, DbError> {
        let name = sqlx::query_scalar!(
            "DELETE FROM mcp_profiles WHERE id = $1 AND user_id = $2 RETURNING name",
            id.0,
            user_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(name)
    }

    async fn select(
        &mut self,
        user_id: UserId,
        only: Option<McpProfileId>,
        name: Option<&str>,
        enabled: Option<bool>,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<McpProfile>, DbError> {
        let rows = sqlx::query!(
            r#"SELECT id, name, description, enabled, search_type, search_mode, result_count,
                use_reranker, score_threshold, hybrid_alpha, rrf_k, use_hyde, created_at, updated_at,
                ARRAY(
                    SELECT named.collection_id FROM mcp_profile_collections named
                    JOIN collections ON collections.id = named.collection_id
                    WHERE named.profile_id = mcp_profiles.id AND collections.deleted_at IS NULL
                    ORDER BY named.position
                ) AS "collection_ids!"
            FROM mcp_profiles
            WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2) AND ($5::boolean IS NULL OR enabled = $5)
                AND ($6::text IS NULL OR name = $6)
            ORDER BY name LIMIT $3 OFFSET $4"#,
            user_id.0,
            only.map(|id| id.0),
            limit,
            offset,
            enabled,
            name,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let profiles = rows.into_iter().map(|row| McpProfile {
            id: McpProfileId(row.id),
            created_at: row.created_at,
            updated_at: row.updated_at,
            settings: McpProfileSettings {
                name: row.name,
                description: row.description,
                enabled: row.enabled,
                search_type: row.search_type,
                search_mode: row.search_mode,
                result_count: row.result_count,
                use_reranker: row.use_reranker,
                score_threshold: row.score_threshold,
                hybrid_alpha: row.hybrid_alpha,
                rrf_k: row.rrf_k,
                use_hyde: row.use_hyde,
                collection_ids: row.collection_ids.into_iter().map(CollectionId).collect(),
            },
        });
        Ok(profiles.collect())
    }
}
