//! Errors of the database.

use domain::{Classify, Dependency, ErrorKind};
use secrets::SecretError;
use thiserror::Error;

/// The SQLSTATE that the SQL function `hold_documents` raises. PostgreSQL itself uses no class `LM`.
const LIMIT_REACHED: &str = "LM001";

/// An error of the database or of the data in it.
#[derive(Debug, Error)]
pub enum DbError {
    /// A named constraint rejected the change.
    #[error("the change violates constraint {constraint}")]
    Constraint {
        /// Name of the constraint or unique index.
        constraint: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The change would exceed a quota of the collection or its owner.
    #[error("{reason}")]
    LimitReached {
        /// Which limit, the current usage and what to do about it; shown to users.
        reason: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The URL of the database cannot be used.
    #[error("DATABASE_URL cannot be used: {reason}")]
    InvalidUrl {
        /// What is wrong, and what is required.
        reason: String,
    },
    /// The credentials of the database cannot be read.
    #[error("the credentials of the database are not available")]
    Credentials(#[from] SecretError),
    /// The server cannot be reached, is shutting down, refused the credentials, or rolled the transaction back
    /// (deadlock, serialization failure). Retry.
    #[error("the database is unavailable; retry later")]
    Unavailable(#[source] sqlx::Error),
    /// A row holds a value that this version does not know.
    #[error("{table}.{column}: unknown value {value:?}; a newer version may have written it")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The unknown value.
        value: String,
    },
    /// A migration failed.
    #[error("the migrations failed")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Any other failed statement: a defect of the program.
    #[error("a database statement failed")]
    Statement(#[source] sqlx::Error),
}

impl DbError {
    /// Returns the name of the violated constraint, if this is a constraint violation.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint { constraint, .. } => Some(constraint),
            _ => None,
        }
    }

    /// Parses the label of an enum column.
    pub(crate) fn parse_label<T: std::str::FromStr>(
        table: &'static str,
        column: &'static str,
        label: &str,
    ) -> Result<T, Self> {
        label.parse().map_err(|_| Self::Inconsistent { table, column, value: label.to_owned() })
    }

    /// Parses the label of a nullable enum column.
    pub(crate) fn parse_optional_label<T: std::str::FromStr>(
        table: &'static str,
        column: &'static str,
        label: Option<&str>,
    ) -> Result<Option<T>, Self> {
        label.map(|label| Self::parse_label(table, column, label)).transpose()
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(refusal) = &error {
            if let Some(constraint) = refusal.constraint() {
                let constraint = constraint.to_owned();
                return Self::Constraint { constraint, source: error };
            }
            // Transient classes: 08 (connection), 53 (resources), 57 (operator intervention), 40 (rollback: deadlock,
            // serialization failure) and 28 (credentials, which a rotation changes and an operator repairs).
            // https://www.postgresql.org/docs/current/errcodes-appendix.html
            let code = refusal.code().unwrap_or_default();
            if code == LIMIT_REACHED {
                return Self::LimitReached { reason: refusal.message().to_owned(), source: error };
            }
            if ["08", "53", "57", "40", "28"].iter().any(|class| code.starts_with(class)) {
                return Self::Unavailable(error);
            }
            return Self::Statement(error);
        }
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            other => Self::Statement(other),
        }
    }
}

impl Classify for DbError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Constraint { .. } | Self::LimitReached { .. } => ErrorKind::Conflict,
            Self::Unavailable(_) | Self::Credentials(_) => ErrorKind::Unavailable,
            Self::InvalidUrl { .. } | Self::Inconsistent { .. } | Self::Migrate(_) | Self::Statement(_) => {
                ErrorKind::Internal
            }
        }
    }

    fn public_message(&self) -> Option<String> {
        match self {
            Self::LimitReached { reason, .. } => Some(reason.clone()),
            Self::Constraint { .. } => {
                Some("the change conflicts with another one; read the resource again and retry".to_owned())
            }
            _ => None,
        }
    }

    fn dependency(&self) -> Option<Dependency> {
        matches!(self, Self::Unavailable(_) | Self::Credentials(_)).then_some(Dependency::Database)
    }
}
