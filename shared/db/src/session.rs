//! The connection pool, and the two kinds of session: transactions and plain connections.

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::Connection as _;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres};

use crate::accounts::{
    ApiKeys, LoginAttempts, McpProfiles, RefreshTokens, UserPreferences, UserResourceLimits, Users,
};
use crate::audit::AuditLog;
use crate::collections::{
    CollectionPermissions, CollectionResourceLimits, Collections, IntegrityChecks, OwnershipOffers,
    RetiredVectorStores,
};
use crate::documents::{ChunkRanges, DocumentArtifacts, Documents, Erasures, SearchDocuments};
use crate::operations::{OperationItems, OperationMetrics, Operations};
use crate::requests::{IdempotencyKeys, RateLimitBuckets};
use crate::sources::{CollectionSources, ConnectorSecrets, PushRuns, SourceGrants, SourceListings};
use crate::sync::SyncRuns;
use crate::system::SystemSettings;
use crate::uploads::{UploadArrivals, Uploads};
use crate::{DbConfig, DbError};

/// How long a pooled connection is reused without a ping. Consecutive steps of one request save a round
/// trip each; an instance that was frozen in between pings before it reuses a connection.
const TRUSTED: Duration = Duration::from_secs(1);

/// The connection pool of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pool: PgPool,
}

impl Db {
    /// Creates a pool. It connects when the first statement runs.
    ///
    /// # Errors
    /// Returns [`DbError::Statement`] if the URL is not a valid PostgreSQL connection string.
    pub fn connect(config: &DbConfig) -> Result<Self, DbError> {
        let options: PgConnectOptions = config.url.expose_secret().parse()?;
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, held| {
                Box::pin(async move {
                    if held.idle_for >= TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options.application_name("semantik"));
        Ok(Self { pool })
    }

    /// Wraps the pool that `sqlx::test` creates.
    pub fn from_pool(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Starts a transaction. Dropping it rolls it back.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        Ok(Tx { inner: self.pool.begin().await? })
    }

    /// Returns a connection on which every statement commits by itself.
    pub async fn connection(&self) -> Result<Connection, DbError> {
        Ok(Connection { inner: self.pool.acquire().await? })
    }

    /// Checks that the database answers a query.
    pub async fn ping(&self) -> Result<(), DbError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// A transaction.
#[derive(Debug)]
pub struct Tx {
    inner: sqlx::Transaction<'static, Postgres>,
}

impl Tx {
    /// Commits the transaction.
    ///
    /// # Errors
    /// Returns the error of a deferred constraint, if one is violated. Nothing is committed then.
    pub async fn commit(self) -> Result<(), DbError> {
        Ok(self.inner.commit().await?)
    }
}

/// For code that works on a transaction, or on a type around one.
impl AsMut<Tx> for Tx {
    fn as_mut(&mut self) -> &mut Tx {
        self
    }
}

/// A connection without a transaction.
#[derive(Debug)]
pub struct Connection {
    inner: PoolConnection<Postgres>,
}

/// Gives both kinds of session the same repositories.
macro_rules! repositories {
    ($($(#[$doc:meta])* $method:ident: $repository:ident,)+) => {
        impl Tx {
            $($(#[$doc])* pub fn $method(&mut self) -> $repository<'_> {
                $repository::new(&mut self.inner)
            })+
        }

        impl Connection {
            $($(#[$doc])* pub fn $method(&mut self) -> $repository<'_> {
                $repository::new(&mut self.inner)
            })+
        }
    };
}

repositories! {
    /// API keys of users.
    api_keys: ApiKeys,
    /// The audit log.
    audit_log: AuditLog,
    /// Permissions on collections for users and API keys.
    collection_permissions: CollectionPermissions,
    /// Positions of chunks within a collection.
    chunk_ranges: ChunkRanges,
    /// Quotas of collections and their usage.
    collection_resource_limits: CollectionResourceLimits,
    /// Sources of collections.
    collection_sources: CollectionSources,
    /// Collections.
    collections: Collections,
    /// Encrypted secrets of sources.
    connector_secrets: ConnectorSecrets,
    /// Staged bytes of documents.
    document_artifacts: DocumentArtifacts,
    /// Documents.
    documents: Documents,
    /// Documents with staged objects that are no longer needed.
    erasures: Erasures,
    /// Stored responses by idempotency key.
    idempotency_keys: IdempotencyKeys,
    /// When collections were checked for integrity.
    integrity_checks: IntegrityChecks,
    /// Failed sign-in attempts.
    login_attempts: LoginAttempts,
    /// MCP profiles.
    mcp_profiles: McpProfiles,
    /// Work lists of operations.
    operation_items: OperationItems,
    /// Metrics of operations.
    operation_metrics: OperationMetrics,
    /// Operations.
    operations: Operations,
    /// Open offers to transfer collections.
    ownership_offers: OwnershipOffers,
    /// Refresh tokens.
    refresh_tokens: RefreshTokens,
    /// Token buckets of the rate limits.
    rate_limits: RateLimitBuckets,
    /// Indexes that were replaced, until they are dropped.
    retired_vector_stores: RetiredVectorStores,
    /// The document fields that search results need.
    search_documents: SearchDocuments,
    /// Places on the server's side that sources may read.
    source_grants: SourceGrants,
    /// What listings of sources remember.
    source_listings: SourceListings,
    push_runs: PushRuns,
    /// Sync runs.
    sync_runs: SyncRuns,
    /// Settings of the installation.
    system_settings: SystemSettings,
    /// The latest arrivals of uploaded documents.
    upload_arrivals: UploadArrivals,
    /// Announced uploads.
    uploads: Uploads,
    /// Preferences of users.
    user_preferences: UserPreferences,
    /// Quotas of users and their usage.
    user_resource_limits: UserResourceLimits,
    /// User accounts.
    users: Users,
}
