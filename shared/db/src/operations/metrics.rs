//! What operations measured. Written by the statement that ends an operation: see `operation_ends`.

use chrono::{DateTime, Utc};
use domain::OperationId;
use sqlx::PgConnection;

use crate::{DbError, Page};

/// One figure of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationMetric {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it counts: `seconds`, `documents`, `chunks`, `bytes`.
    pub unit: String,
    /// When the operation ended.
    pub recorded_at: DateTime<Utc>,
}

/// Reads what operations measured.
#[derive(Debug)]
pub struct OperationMetrics<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> OperationMetrics<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// What the operation measured, in the order of its course; nothing until it has ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &mut self,
        id: OperationId,
        limit: i64,
        offset: i64,
    ) -> Result<Page<OperationMetric>, DbError> {
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM operation_metrics m JOIN operations o ON o.id = m.operation_id
            WHERE o.uuid = $1"#,
            id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let items = sqlx::query_as!(
            OperationMetric,
            "SELECT m.name, m.value, m.unit, m.recorded_at
            FROM operation_metrics m JOIN operations o ON o.id = m.operation_id
            WHERE o.uuid = $1
            ORDER BY m.id LIMIT $2 OFFSET $3",
            id.0,
            limit,
            offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(Page { items, total })
    }
}

#[cfg(test)]
mod tests;
