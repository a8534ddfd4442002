//! Grants of places on the server's side, which sources may read.

use chrono::{DateTime, Utc};
use domain::{ServerPlace, SourceGrantId, SourceId, UserId};
use sqlx::PgConnection;

use crate::{DbError, Page};

/// A grant to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewSourceGrant<'a> {
    /// The place.
    pub place: &'a ServerPlace,
    /// Who may read it; `None` for everyone.
    pub user_id: Option<UserId>,
    /// The superuser who grants it; `None` for the operator.
    pub granted_by: Option<UserId>,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceGrant {
    /// ID of the grant.
    pub id: SourceGrantId,
    /// The place.
    pub place: ServerPlace,
    /// Username of who may read it; `None` for everyone.
    pub username: Option<String>,
    /// Username of who granted it; `None` for the operator or a deleted account.
    pub granted_by: Option<String>,
    /// When it was granted.
    pub created_at: DateTime<Utc>,
}

/// Reads and changes grants.
#[derive(Debug)]
pub struct SourceGrants<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> SourceGrants<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Inserts a grant and returns its ID; `None` if it exists already.
    pub async fn insert(&mut self, new: &NewSourceGrant<'_>) -> Result<Option<SourceGrantId>, DbError> {
        let (bucket, path) = columns(new.place);
        let id = sqlx::query_scalar!(
            "INSERT INTO source_grants (id, bucket, path, user_id, granted_by)
            VALUES (gen_random_uuid(), $1, $2, $3, $4)
            ON CONFLICT (coalesce(bucket, ''), path, coalesce(user_id, 0)) DO NOTHING
            RETURNING id",
            bucket,
            path,
            new.user_id.map(|id| id.0),
            new.granted_by.map(|id| id.0),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(id.map(SourceGrantId))
    }

    /// Returns this grant.
    pub async fn find(&mut self, id: SourceGrantId) -> Result<Option<SourceGrant>, DbError> {
        Ok(self.select(Some(id), 1, 0).await?.pop())
    }

    /// Returns the grants, oldest first.
    pub async fn list(&mut self, limit: i64, offset: i64) -> Result<Page<SourceGrant>, DbError> {
        let total = sqlx::query_scalar!(r#"SELECT count(*) AS "total!" FROM source_grants"#)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(Page { items: self.select(None, limit, offset).await?, total })
    }

    /// Deletes a grant. Returns whether there was one.
    pub async fn delete(&mut self, id: SourceGrantId) -> Result<bool, DbError> {
        let done = sqlx::query!("DELETE FROM source_grants WHERE id = $1", id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Returns the places that a user may read: those granted to the user, if active, and to everyone.
    pub async fn of_user(&mut self, user_id: UserId) -> Result<Vec<ServerPlace>, DbError> {
        let rows = sqlx::query!(
            "SELECT bucket, path FROM source_grants
            WHERE user_id IS NULL OR user_id = (SELECT id FROM users WHERE id = $1 AND is_active)
            ORDER BY created_at, id",
            user_id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(rows.into_iter().map(|row| place(row.bucket, row.path)).collect())
    }

    /// Returns the places that a source may read: those of the user who added it or changed its settings last.
    pub async fn of_source(&mut self, source_id: SourceId) -> Result<Vec<ServerPlace>, DbError> {
        let rows = sqlx::query!(
            "SELECT g.bucket, g.path
            FROM collection_sources s
            JOIN collections c ON c.id = s.collection_id
            LEFT JOIN source_grantees grantee ON grantee.source_id = s.id
            LEFT JOIN users u ON u.id = coalesce(grantee.user_id, c.owner_id) AND u.is_active
            JOIN source_grants g ON g.user_id IS NULL OR g.user_id = u.id
            WHERE s.id = $1
            ORDER BY g.created_at, g.id",
            source_id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(rows.into_iter().map(|row| place(row.bucket, row.path)).collect())
    }

    /// Records that a source is read by the grants of this user from now on.
    pub async fn set_grantee(&mut self, source_id: SourceId, user_id: UserId) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO source_grantees (source_id, user_id) VALUES ($1, $2)
            ON CONFLICT (source_id) DO UPDATE SET user_id = EXCLUDED.user_id",
            source_id.0,
            user_id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    async fn select(
        &mut self,
        id: Option<SourceGrantId>,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<SourceGrant>, DbError> {
        let rows = sqlx::query!(
            r#"SELECT g.id, g.bucket, g.path, grantee.username AS "username?",
                granter.username AS "granted_by?", g.created_at
            FROM source_grants g
            LEFT JOIN users grantee ON grantee.id = g.user_id
            LEFT JOIN users granter ON granter.id = g.granted_by
            WHERE $1::uuid IS NULL OR g.id = $1
            ORDER BY g.created_at, g.id LIMIT $2 OFFSET $3"#,
            id.map(|id| id.0),
            limit,
            offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let grants = rows.into_iter().map(|row| SourceGrant {
            id: SourceGrantId(row.id),
            place: place(row.bucket, row.path),
            username: row.username,
            granted_by: row.granted_by,
            created_at: row.created_at,
        });
        Ok(grants.collect())
    }
}

fn columns(place: &ServerPlace) -> (Option<&str>, &str) {
    match place {
        ServerPlace::Bucket { bucket, prefix } => (Some(bucket), prefix),
        ServerPlace::Directory { path } => (None, path),
    }
}

fn place(bucket: Option<String>, path: String) -> ServerPlace {
    match bucket {
        Some(bucket) => ServerPlace::Bucket { bucket, prefix: path },
        None => ServerPlace::Directory { path },
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::Db;

    fn guides() -> ServerPlace {
        ServerPlace::Bucket { bucket: "manuals".to_owned(), prefix: "guides/".to_owned() }
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_source_is_read_by_the_grants_of_its_user_or_of_the_owner(pool: PgPool) {
        sqlx::raw_sql(
            "INSERT INTO users (username, email, hashed_password)
            VALUES ('owner', 'a', 'x'), ('writer', 'b', 'x');
            INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            VALUES (gen_random_uuid(), 'notes', 1, 'x', 'm', 256, 51);
            INSERT INTO collection_sources (collection_id, source_path, source_type)
            SELECT id, '/srv', 'directory' FROM collections",
        )
        .execute(&pool)
        .await
        .unwrap();
        let source =
            SourceId(sqlx::query_scalar("SELECT id FROM collection_sources").fetch_one(&pool).await.unwrap());
        let db = Db::from_pool(pool.clone());
        let mut connection = db.connection().await.unwrap();
        let mut grants = connection.source_grants();
        let everywhere = ServerPlace::Directory { path: "/srv".to_owned() };
        assert_eq!(grants.of_source(source).await.unwrap(), []);
        let to_writer =
            NewSourceGrant { place: &guides(), user_id: Some(UserId(2)), granted_by: Some(UserId(1)) };
        let id = grants.insert(&to_writer).await.unwrap().unwrap();
        assert_eq!(grants.insert(&to_writer).await.unwrap(), None);
        let to_everyone = NewSourceGrant { place: &everywhere, user_id: None, granted_by: None };
        assert!(grants.insert(&to_everyone).await.unwrap().is_some());
        assert_eq!(grants.of_source(source).await.unwrap(), std::slice::from_ref(&everywhere));

        grants.set_grantee(source, UserId(2)).await.unwrap();
        assert_eq!(grants.of_source(source).await.unwrap(), [guides(), everywhere.clone()]);
        let listed = grants.list(10, 0).await.unwrap();
        assert_eq!((listed.total, &listed.items[0].place), (2, &guides()));
        assert_eq!(listed.items[0].username.as_deref(), Some("writer"));
        assert_eq!(listed.items[0].granted_by.as_deref(), Some("owner"));
        sqlx::query("UPDATE users SET is_active = FALSE WHERE id = 2").execute(&pool).await.unwrap();
        assert_eq!(grants.of_source(source).await.unwrap(), [everywhere]);
        assert!(grants.delete(id).await.unwrap());
        assert!(!grants.delete(id).await.unwrap());
    }
}
