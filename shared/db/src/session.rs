//! The connection pool, and the two kinds of session: transactions and plain connections.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Connection as _;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres};

use crate::accounts::{
    ApiKeys, LoginAttempts, McpProfiles, RefreshTokens, UserPreferences, UserResourceLimits, Users,
};
use crate::audit::AuditLog;
use crate::collections::{
    CollectionPermissions, CollectionResourceLimits, Collections, IntegrityChecks, OwnershipOffers,
    RetiredVectorStores,
};
use crate::credentials::Credentials;
use crate::documents::{ChunkRanges, DocumentArtifacts, Documents, Erasures, SearchDocuments};
use crate::operations::{OperationItems, OperationMetrics, Operations};
use crate::requests::{IdempotencyKeys, RateLimitBuckets};
use crate::sources::{CollectionSources, ConnectorSecrets, PushRuns, SourceGrants, SourceListings};
use crate::sync::SyncRuns;
use crate::system::SystemSettings;
use crate::uploads::{UploadArrivals, Uploads};
use crate::webhooks::{WebhookDeliveries, WebhookSecrets, Webhooks};
use crate::{DbConfig, DbError};

/// How long a pooled connection is reused without a ping. Consecutive steps of one request save a round
/// trip each; an instance that was frozen in between pings before it reuses a connection.
const TRUSTED: Duration = Duration::from_secs(1);

/// For how long a database that has been used cannot have paused: Aurora and Neon wait for five minutes.
const AWAKE: Duration = Duration::from_secs(60);

/// How long the pool's tasks may take to return a connection that was dropped.
const RETURN: Duration = Duration::from_millis(100);

/// The connection pool of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pool: PgPool,
    acquire_timeout: Duration,
    resume_timeout: Duration,
    /// When a connection was last taken. Clones share it.
    last_used: Arc<Mutex<Option<Instant>>>,
    /// `None` for a pool that was made elsewhere.
    credentials: Option<Arc<Credentials>>,
}

impl Db {
    /// Creates a pool. It connects when the first statement runs.
    ///
    /// # Errors
    /// Returns [`DbError::InvalidUrl`] if the URL is malformed or its TLS mode is too weak.
    pub fn connect(config: &DbConfig) -> Result<Self, DbError> {
        let (credentials, options) = Credentials::new(config)?;
        let idle_timeout = config.idle_timeout;
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.resume_timeout)
            // A process that is not frozen closes its connections itself, before the server does.
            .idle_timeout(idle_timeout.map(|after| after / 2))
            .after_connect(move |connection, _| Box::pin(end_when_idle(connection, idle_timeout)))
            .test_before_acquire(false)
            .before_acquire(|connection, held| {
                Box::pin(async move {
                    if held.idle_for >= TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            acquire_timeout: config.acquire_timeout,
            resume_timeout: config.resume_timeout,
            last_used: Arc::default(),
            credentials: Some(Arc::new(credentials)),
        })
    }

    /// Wraps the pool that `sqlx::test` creates, with its own timeout.
    pub fn from_pool(pool: PgPool) -> Self {
        let timeout = pool.options().get_acquire_timeout();
        let last_used = Arc::default();
        Self { pool, acquire_timeout: timeout, resume_timeout: timeout, last_used, credentials: None }
    }

    /// Starts a transaction. Dropping it rolls it back.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        Ok(Tx { inner: sqlx::Transaction::begin(self.acquire().await?, None).await? })
    }

    /// Returns a connection on which every statement commits by itself.
    pub async fn connection(&self) -> Result<Connection, DbError> {
        Ok(Connection { inner: self.acquire().await? })
    }

    /// Checks that the database answers a query.
    pub async fn ping(&self) -> Result<(), DbError> {
        sqlx::query("SELECT 1").execute(&mut *self.acquire().await?).await?;
        Ok(())
    }

    /// Takes a connection from the pool, or makes one: sqlx tries again while the server refuses connections or starts.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, DbError> {
        let last_used = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_awake = last_used.is_some_and(|at| at.elapsed() < AWAKE);
        let timeout = if is_awake { self.acquire_timeout } else { self.resume_timeout };
        let connect = || async {
            let acquired = tokio::time::timeout(timeout, self.pool.acquire()).await;
            acquired.map_err(|_elapsed| sqlx::Error::PoolTimedOut)?
        };
        let connection = match &self.credentials {
            Some(credentials) => credentials.retry(&self.pool, self.acquire_timeout, connect).await?,
            None => connect().await?,
        };
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(connection)
    }

    /// Closes the connections that nobody uses. The next call connects again.
    ///
    /// Waits briefly for those that are on their way back to the pool: they are returned by tasks of their own.
    pub async fn close_idle_connections(&self) {
        let deadline = tokio::time::Instant::now() + RETURN;
        while self.pool.size() > 0 && tokio::time::Instant::now() < deadline {
            match self.pool.try_acquire() {
                // The server ends the session even if it is not told so.
                Some(idle) => drop(idle.close().await),
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }
}

/// Has the server end the session when it is idle for too long.
///
/// A setting of the session and no startup parameter: servers and poolers that do not know it refuse the statement, not
/// the connection. There, a frozen function keeps its session.
async fn end_when_idle(connection: &mut PgConnection, after: Option<Duration>) -> sqlx::Result<()> {
    let Some(after) = after else { return Ok(()) };
    let set = AssertSqlSafe(format!("SET idle_session_timeout = {}", after.as_millis()));
    match sqlx::raw_sql(set).execute(connection).await {
        Ok(_) | Err(sqlx::Error::Database(_)) => Ok(()),
        Err(error) => Err(error),
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

impl Connection {
    pub(crate) fn inner(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
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
    /// What webhooks are told.
    webhook_deliveries: WebhookDeliveries,
    /// Encrypted secrets of webhooks.
    webhook_secrets: WebhookSecrets,
    /// Webhooks.
    webhooks: Webhooks,
}

#[cfg(test)]
mod tests;
