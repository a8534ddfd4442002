//! What can go wrong between us and PostgreSQL.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// What the function `hold_documents` raises; no class of the server's own starts like this.
const LIMIT_REACHED: &str = "LM001";

/// An error of the database or of what it holds.
#[derive(Debug, Error)]
pub enum DbError {
    /// A named constraint refused the change.
    #[error("constraint {constraint} refuses this change")]
    Constraint {
        /// The constraint's or unique index's name.
        constraint: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// A collection or its owner would hold more than they may.
    #[error("{reason}")]
    LimitReached {
        /// Which limit, what is used, and what to do about it, for people.
        reason: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The server cannot be reached or is shutting down.
    #[error("the database does not answer")]
    Unavailable(#[source] sqlx::Error),
    /// A row holds a value that the program does not know.
    #[error("{table}.{column} holds {value:?}, which this version does not know")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What it holds.
        value: String,
    },
    /// The migrations cannot be applied.
    #[error("the migrations cannot be applied")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Any other refusal of a statement: a defect of ours.
    #[error("a database statement failed")]
    Statement(#[source] sqlx::Error),
}

impl DbError {
    /// The violated constraint's name, if that is what happened.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint { constraint, .. } => Some(constraint),
            _ => None,
        }
    }

    /// Reads an enum column's label.
    pub(crate) fn word<T: std::str::FromStr>(
        table: &'static str,
        column: &'static str,
        label: &str,
    ) -> Result<T, Self> {
        label.parse().map_err(|_| Self::Inconsistent { table, column, value: label.to_owned() })
    }

    /// Reads an enum column's label, where there is one.
    pub(crate) fn optional_word<T: std::str::FromStr>(
        table: &'static str,
        column: &'static str,
        label: Option<&str>,
    ) -> Result<Option<T>, Self> {
        label.map(|label| Self::word(table, column, label)).transpose()
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(refusal) = &error {
            if let Some(constraint) = refusal.constraint() {
                let constraint = constraint.to_owned();
                return Self::Constraint { constraint, source: error };
            }
            // Classes 08 (connection), 53 (resources), 57 (operator intervention) and
            // 40 (rollback: deadlock, serialisation) pass by themselves.
            // https://www.postgresql.org/docs/current/errcodes-appendix.html
            let code = refusal.code().unwrap_or_default();
            if code == LIMIT_REACHED {
                return Self::LimitReached { reason: refusal.message().to_owned(), source: error };
            }
            if ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class)) {
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
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Inconsistent { .. } | Self::Migrate(_) | Self::Statement(_) => ErrorKind::Internal,
        }
    }
}
