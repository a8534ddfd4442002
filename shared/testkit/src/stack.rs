//! The endpoints of the stack under test.

/// The endpoints printed by `scripts/stack env`.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The URL of the API.
    pub api_url: String,
    /// The URL of PostgreSQL.
    pub database_url: String,
    /// The URL of Qdrant's gRPC API.
    pub qdrant_url: String,
    /// The name of the staging bucket.
    pub staging_bucket: String,
    /// The name of a bucket that sources may read.
    pub source_bucket: String,
    /// The name of the bucket with additional models.
    pub models_bucket: String,
    /// A directory that directory sources may read.
    pub directory_root: String,
    /// The URL of the scan function's queue.
    pub scan_queue_url: String,
    /// The URL of the extract function's queue.
    pub extract_queue_url: String,
    /// The URL of the chunk function's queue.
    pub chunk_queue_url: String,
    /// The URL of the embed function's queue.
    pub embed_queue_url: String,
    /// The AWS Batch queue for embed jobs.
    pub embed_job_queue: String,
    /// The AWS Batch job definition of embed jobs.
    pub embed_job_definition: String,
}

impl Stack {
    /// Reads the endpoints from the environment.
    ///
    /// # Panics
    /// Panics if a variable is missing, with how to start the stack.
    pub fn from_env() -> Self {
        Self {
            api_url: variable("API_URL"),
            database_url: variable("DATABASE_URL"),
            qdrant_url: variable("QDRANT_URL"),
            staging_bucket: variable("STAGING_BUCKET"),
            source_bucket: variable("SOURCE_BUCKET"),
            models_bucket: variable("MODELS_BUCKET"),
            directory_root: variable("DIRECTORY_ROOT"),
            scan_queue_url: variable("SCAN_QUEUE_URL"),
            extract_queue_url: variable("EXTRACT_QUEUE_URL"),
            chunk_queue_url: variable("CHUNK_QUEUE_URL"),
            embed_queue_url: variable("EMBED_QUEUE_URL"),
            embed_job_queue: variable("EMBED_JOB_QUEUE"),
            embed_job_definition: variable("EMBED_JOB_DEFINITION"),
        }
    }

    /// Reads user name and password of the stack's first superuser from the environment.
    ///
    /// # Panics
    /// Panics if a variable is missing, with how to start the stack.
    pub fn administrator() -> (String, String) {
        (variable("ADMIN_USERNAME"), variable("ADMIN_PASSWORD"))
    }
}

/// Returns a name that no other test uses, such as `reader-3f9c2a1b`.
pub fn unique(prefix: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("{prefix}-{}", &id[..8])
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests find the stack through the variables that scripts/stack env prints"
)]
fn variable(name: &str) -> String {
    let value = std::env::var(name).unwrap_or_default();
    assert!(
        !value.is_empty(),
        "{name} is not set: run scripts/test, or scripts/stack up and eval \"$(scripts/stack env)\""
    );
    value
}
