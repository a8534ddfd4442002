//! Token buckets of the rate limits: one row for each caller and route, shared by all instances.

use std::time::Duration;

use sqlx::PgConnection;

use crate::DbError;

/// A bucket after a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Whether the request was within the rate limit. If not, it was not counted.
    pub is_admitted: bool,
    /// Seconds until the bucket is full again.
    pub backlog_seconds: f64,
}

/// Counts requests by the generic cell rate algorithm (ITU-T I.371). A row holds only the time at which its
/// bucket will be full again.
#[derive(Debug)]
pub struct RateLimitBuckets<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> RateLimitBuckets<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Counts a request if at most `requests` per `period` came under this key. Uses the database's clock,
    /// which all instances share.
    pub async fn take(&mut self, key: &str, requests: u32, period: Duration) -> Result<Bucket, DbError> {
        let period = period.as_secs_f64();
        let one = period / f64::from(requests.max(1));
        let admitted = sqlx::query_scalar!(
            r#"INSERT INTO request_throttles AS bucket (key, drained_at)
            VALUES ($1, now() + make_interval(secs => $2))
            ON CONFLICT (key) DO UPDATE SET
                drained_at = greatest(bucket.drained_at, now()) + make_interval(secs => $2)
            WHERE greatest(bucket.drained_at, now()) + make_interval(secs => $2)
                <= now() + make_interval(secs => $3)
            RETURNING extract(epoch FROM drained_at - now())::float8 AS "backlog!""#,
            key,
            one,
            period,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        if let Some(backlog_seconds) = admitted {
            return Ok(Bucket { is_admitted: true, backlog_seconds });
        }
        let backlog_seconds = sqlx::query_scalar!(
            r#"SELECT extract(epoch FROM drained_at - now())::float8 AS "backlog!"
            FROM request_throttles WHERE key = $1"#,
            key,
        )
        .fetch_optional(&mut *self.connection)
        .await?
        .unwrap_or(period);
        Ok(Bucket { is_admitted: false, backlog_seconds })
    }

    /// Deletes full buckets, at most `limit`; a missing row means the same. Returns how many.
    pub async fn delete_drained(&mut self, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM request_throttles WHERE key IN (
                SELECT key FROM request_throttles WHERE drained_at < now() LIMIT $1
                FOR UPDATE SKIP LOCKED
            )",
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::Db;

    const HOUR: Duration = Duration::from_secs(3600);

    async fn take(db: &Db, key: &str) -> Bucket {
        db.connection().await.unwrap().rate_limits().take(key, 10, HOUR).await.unwrap()
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn bucket_holds_the_rate_and_refills_evenly(pool: PgPool) {
        let db = Db::from_pool(pool.clone());
        for number in 1..=10 {
            let bucket = take(&db, "user:1 GET /").await;
            assert!(bucket.is_admitted, "{number}");
            let expected = f64::from(number) * 360.0;
            assert!((bucket.backlog_seconds - expected).abs() < 30.0, "{bucket:?}");
        }
        assert!(!take(&db, "user:1 GET /").await.is_admitted);
        assert!(take(&db, "user:2 GET /").await.is_admitted, "other callers have their own buckets");
        sqlx::query("UPDATE request_throttles SET drained_at = drained_at - interval '6 minutes'")
            .execute(&pool)
            .await
            .unwrap();
        assert!(take(&db, "user:1 GET /").await.is_admitted, "a tenth of an hour refills one request");
        assert!(!take(&db, "user:1 GET /").await.is_admitted);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn concurrent_requests_are_all_counted(pool: PgPool) {
        let db = Db::from_pool(pool);
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { take(&db, "key").await.is_admitted })
            })
            .collect();
        let mut admitted = 0;
        for task in tasks {
            admitted += usize::from(task.await.unwrap());
        }
        assert_eq!(admitted, 10);
    }
}
