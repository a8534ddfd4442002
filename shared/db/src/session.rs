//! The pool, and the two ways to talk through it.

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
use crate::collections::{CollectionPermissions, CollectionResourceLimits, Collections, RetiredVectorStores};
use crate::documents::{ChunkPlaces, DocumentArtifacts, Documents, SearchDocuments};
use crate::operations::{OperationItems, OperationMetrics, Operations};
use crate::requests::{IdempotencyKeys, RequestThrottles};
use crate::sources::{CollectionSources, ConnectorSecrets};
use crate::sync::SyncRuns;
use crate::system::SystemSettings;
use crate::uploads::Uploads;
use crate::{DbConfig, DbError};

/// How long after its last use a connection is taken to be there still, without being asked: what one
/// request or batch does in several steps is not to pay a round trip for each. A function that was
/// frozen in between asks.
const TRUSTED: Duration = Duration::from_secs(1);

/// The pool of connections of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pool: PgPool,
}

impl Db {
    /// Prepares a pool; the first statement connects.
    ///
    /// # Errors
    /// When the URL is not one that PostgreSQL understands.
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

    /// Takes over a pool that a test made.
    pub fn from_pool(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Starts a transaction. Dropping it rolls it back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        Ok(Tx { inner: self.pool.begin().await? })
    }

    /// A connection on which every statement commits by itself.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn connection(&self) -> Result<Connection, DbError> {
        Ok(Connection { inner: self.pool.acquire().await? })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
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
    /// Makes everything done through this transaction permanent.
    ///
    /// # Errors
    /// When the database refuses or does not answer: then nothing is.
    pub async fn commit(self) -> Result<(), DbError> {
        Ok(self.inner.commit().await?)
    }
}

/// One connection outside any transaction.
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
    /// API keys.
    api_keys: ApiKeys,
    /// The audit log.
    audit_log: AuditLog,
    /// Grants on collections.
    collection_permissions: CollectionPermissions,
    /// Where the chunks of a collection are.
    chunk_places: ChunkPlaces,
    /// Limits of collections.
    collection_resource_limits: CollectionResourceLimits,
    /// Sources of collections.
    collection_sources: CollectionSources,
    /// Collections.
    collections: Collections,
    /// Secrets of sources.
    connector_secrets: ConnectorSecrets,
    /// What is staged of documents.
    document_artifacts: DocumentArtifacts,
    /// Documents.
    documents: Documents,
    /// Answers kept by the client's key.
    idempotency_keys: IdempotencyKeys,
    /// Failed log-ins.
    login_attempts: LoginAttempts,
    /// Profiles for AI assistants.
    mcp_profiles: McpProfiles,
    /// Work lists of operations.
    operation_items: OperationItems,
    /// What operations measured.
    operation_metrics: OperationMetrics,
    /// Operations.
    operations: Operations,
    /// Refresh tokens.
    refresh_tokens: RefreshTokens,
    /// How often callers used routes.
    request_throttles: RequestThrottles,
    /// Qdrant collections that answer no more.
    retired_vector_stores: RetiredVectorStores,
    /// What search results say of their documents.
    search_documents: SearchDocuments,
    /// Runs that read sources again.
    sync_runs: SyncRuns,
    /// What superusers decide.
    system_settings: SystemSettings,
    /// Announced uploads.
    uploads: Uploads,
    /// What users prefer.
    user_preferences: UserPreferences,
    /// Limits of users.
    user_resource_limits: UserResourceLimits,
    /// Accounts.
    users: Users,
}
