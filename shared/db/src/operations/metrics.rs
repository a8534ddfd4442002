//! Metrics of operations, recorded when an operation ends.

use chrono::{DateTime, Utc};
use domain::OperationId;
use sqlx::PgConnection;

use crate::{DbError, Page};

/// A metric of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationMetric {
    /// Name of the metric.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit: `seconds`, `documents`, `chunks` or `bytes`.
    pub unit: String,
    /// When the operation ended.
    pub recorded_at: DateTime<Utc>,
}

/// Reads and records metrics of operations.
#[derive(Debug)]
pub struct OperationMetrics<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> OperationMetrics<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the operation's metrics in the order of its stages; none until it has ended.
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

    /// Records what an operation that has just ended did, and how long each stage took.
    pub(super) async fn record(&mut self, operation_sequence: i64) -> Result<(), DbError> {
        sqlx::query_file!("queries/operations/record_metrics.sql", operation_sequence)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
