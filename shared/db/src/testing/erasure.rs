//! Erasure, as sweep does it. The objects of a generation are its row in `document_artifacts`.

use super::Fixture;

impl Fixture {
    /// Erases what is due; returns how many documents were purged.
    pub(crate) async fn erase_due(&self) -> usize {
        let mut purged = 0;
        for due in self.connection().await.erasures().list_due(1000).await.unwrap() {
            let mut tx = self.db.begin().await.unwrap();
            let Some(plan) = tx.erasures().plan(due.document_id).await.unwrap() else {
                tx.erasures().finish(&due).await.unwrap();
                tx.commit().await.unwrap();
                continue;
            };
            if plan.purge.as_ref().is_some_and(|purge| purge.is_in_use) {
                tx.erasures().postpone(&due, chrono::Utc::now()).await.unwrap();
                tx.commit().await.unwrap();
                continue;
            }
            if plan.purge.is_some() {
                tx.collections().lock(plan.collection_id).await.unwrap();
                purged += usize::from(tx.erasures().redact(&plan).await.unwrap());
            }
            tx.erasures().record(&plan).await.unwrap();
            match plan.kept_until {
                Some(at) => tx.erasures().postpone(&due, at).await.unwrap(),
                None => tx.erasures().finish(&due).await.unwrap(),
            }
            tx.commit().await.unwrap();
        }
        purged
    }

    /// Makes everything due that is queued.
    pub(crate) async fn let_time_pass(&self) {
        self.execute("UPDATE erasures SET due_at = now()").await;
    }

    /// Returns the staged generations of each document, ordered by object key.
    pub(crate) async fn staged(&self, name: &str) -> Vec<i32> {
        sqlx::query_scalar(
            "SELECT generation FROM document_artifacts WHERE document_id = $1 ORDER BY generation",
        )
        .bind(self.document_id(name).0)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    /// Returns the columns, of all tables, whose text contains the marker.
    pub(crate) async fn columns_with(&self, marker: &str) -> Vec<String> {
        let columns: Vec<(String, String)> = sqlx::query_as(
            "SELECT c.table_name::text, c.column_name::text FROM information_schema.columns c
            JOIN information_schema.tables t USING (table_schema, table_name)
            WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE '_sqlx%'
            ORDER BY 1, 2",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        let mut found = Vec::new();
        for (table, column) in columns {
            let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
                "SELECT count(*) FROM {table} WHERE strpos({column}::text, $1) > 0"
            )))
            .bind(marker)
            .fetch_one(&self.pool)
            .await
            .unwrap();
            if count > 0 {
                found.push(format!("{table}.{column}"));
            }
        }
        found
    }
}
