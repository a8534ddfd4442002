//! Profiles for AI assistants, with the collections that they search.

use chrono::{DateTime, Utc};
use domain::{CollectionId, McpProfileId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

/// What of a profile its owner chooses.
#[derive(Debug, Clone, PartialEq)]
pub struct McpProfileSettings {
    /// Unique among its owner's: a lower-case letter, then letters, digits, `_` and `-`.
    pub name: String,
    /// What the assistant is told about it.
    pub description: String,
    /// Whether assistants see it.
    pub enabled: bool,
    /// See `domain::SearchType`.
    pub search_type: String,
    /// See `domain::SearchMode`.
    pub search_mode: String,
    /// How many results a search gives, 1 to 100.
    pub result_count: i32,
    /// Whether results are reranked.
    pub use_reranker: bool,
    /// Results below it are left out.
    pub score_threshold: Option<f64>,
    /// How much meanings count against words, 0 to 1.
    pub hybrid_alpha: Option<f64>,
    /// How little the rank counts when results are fused.
    pub rrf_k: Option<i32>,
    /// Whether to search for what a language model answers.
    pub use_hyde: bool,
    /// What to search, in this order.
    pub collection_ids: Vec<CollectionId>,
}

/// A profile.
#[derive(Debug, Clone, PartialEq)]
pub struct McpProfile {
    /// Its id.
    pub id: McpProfileId,
    /// What its owner chose; collections that were deleted since are gone from it.
    pub settings: McpProfileSettings,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Reads and changes profiles.
#[derive(Debug)]
pub struct McpProfiles<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> McpProfiles<'c> {
    /// The constraint that keeps names unique per user.
    pub const NAME_CONSTRAINT: &'static str = "uq_mcp_profiles_user_name";

    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// A user's profiles by name, each with its collections, in one statement.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &mut self,
        user_id: UserId,
        limit: i64,
        offset: i64,
    ) -> Result<Page<McpProfile>, DbError> {
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM mcp_profiles WHERE user_id = $1"#,
            user_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(Page { items: self.select(user_id, None, limit, offset).await?, total })
    }

    /// A user's profile with this id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&mut self, user_id: UserId, id: McpProfileId) -> Result<Option<McpProfile>, DbError> {
        Ok(self.select(user_id, Some(id), 1, 0).await?.pop())
    }

    /// The same, locked until the transaction ends.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Adds a profile.
    ///
    /// # Errors
    /// [`DbError::Constraint`] with [`Self::NAME_CONSTRAINT`] where the user has one of that name;
    /// when the database does not answer.
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
    /// As for [`Self::insert`].
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

    /// Removes a user's profile. Returns its name, if it was there.
    ///
    /// # Errors
    /// When the database does not answer.
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
            WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2)
            ORDER BY name LIMIT $3 OFFSET $4"#,
            user_id.0,
            only.map(|id| id.0),
            limit,
            offset,
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
