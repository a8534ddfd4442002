//! Encrypted secrets of sources.

use domain::{SecretType, SourceId};
use sqlx::PgConnection;

use crate::DbError;

/// An encrypted secret of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorSecret {
    /// ID of the row.
    pub id: i64,
    /// The source.
    pub source_id: SourceId,
    /// Type of the secret.
    pub secret_type: SecretType,
    /// The encrypted secret.
    pub ciphertext: Vec<u8>,
    /// ID of the key that decrypts it.
    pub key_id: String,
}

/// An encrypted secret to store.
#[derive(Debug, Clone, Copy)]
pub struct NewSecret<'a> {
    /// Type of the secret.
    pub secret_type: SecretType,
    /// The encrypted secret.
    pub ciphertext: &'a [u8],
    /// ID of the key that decrypts it.
    pub key_id: &'a str,
}

/// Reads and changes the secrets of sources.
#[derive(Debug)]
pub struct ConnectorSecrets<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> ConnectorSecrets<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the source's secrets, at most one of each type.
    pub async fn list(&mut self, source_id: SourceId) -> Result<Vec<ConnectorSecret>, DbError> {
        let rows = sqlx::query_as!(
            SecretRow,
            "SELECT id, collection_source_id, secret_type, ciphertext, key_id FROM connector_secrets
            WHERE collection_source_id = $1 ORDER BY secret_type",
            source_id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        rows.into_iter().map(ConnectorSecret::try_from).collect()
    }

    /// Stores these secrets of the source, replacing those of the same type.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] if there is no such source.
    pub async fn put(&mut self, source_id: SourceId, secrets: &[NewSecret<'_>]) -> Result<(), DbError> {
        let types: Vec<String> = secrets.iter().map(|new| new.secret_type.as_str().to_owned()).collect();
        let ciphertexts: Vec<Vec<u8>> = secrets.iter().map(|new| new.ciphertext.to_vec()).collect();
        let key_ids: Vec<String> = secrets.iter().map(|new| new.key_id.to_owned()).collect();
        sqlx::query!(
            "INSERT INTO connector_secrets (collection_source_id, secret_type, ciphertext, key_id)
            SELECT $1::bigint, * FROM unnest($2::text[], $3::bytea[], $4::text[])
            ON CONFLICT ON CONSTRAINT uq_source_secret_type DO UPDATE
                SET ciphertext = EXCLUDED.ciphertext, key_id = EXCLUDED.key_id, updated_at = now()",
            source_id.0,
            &types,
            &ciphertexts,
            &key_ids,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Deletes the source's secrets of these types; missing ones are ignored.
    pub async fn delete(&mut self, source_id: SourceId, types: &[SecretType]) -> Result<(), DbError> {
        let types: Vec<String> = types.iter().map(|secret_type| secret_type.as_str().to_owned()).collect();
        sqlx::query!(
            "DELETE FROM connector_secrets WHERE collection_source_id = $1 AND secret_type = ANY($2)",
            source_id.0,
            &types,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns secrets that are encrypted with another key than this one, after this ID, ordered by ID.
    pub async fn list_not_under(
        &mut self,
        key_id: &str,
        after_id: i64,
        limit: i64,
    ) -> Result<Vec<ConnectorSecret>, DbError> {
        let rows = sqlx::query_as!(
            SecretRow,
            "SELECT id, collection_source_id, secret_type, ciphertext, key_id FROM connector_secrets
            WHERE key_id <> $1 AND id > $2 ORDER BY id LIMIT $3",
            key_id,
            after_id,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        rows.into_iter().map(ConnectorSecret::try_from).collect()
    }

    /// Returns the number of secrets that are encrypted with another key than this one.
    pub async fn count_not_under(&mut self, key_id: &str) -> Result<i64, DbError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM connector_secrets WHERE key_id <> $1"#,
            key_id,
        );
        Ok(count.fetch_one(&mut *self.connection).await?)
    }

    /// Replaces a secret's ciphertext with the same secret under another key, unless it was changed since
    /// it was read. Returns whether it was replaced. Keeps `updated_at`, which says when the secret was
    /// set.
    pub async fn reencrypt(
        &mut self,
        read: &ConnectorSecret,
        ciphertext: &[u8],
        key_id: &str,
    ) -> Result<bool, DbError> {
        let updated = sqlx::query!(
            "UPDATE connector_secrets SET ciphertext = $3, key_id = $4 WHERE id = $1 AND ciphertext = $2",
            read.id,
            read.ciphertext,
            ciphertext,
            key_id,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(updated.rows_affected() == 1)
    }
}

struct SecretRow {
    id: i64,
    collection_source_id: i64,
    secret_type: String,
    ciphertext: Vec<u8>,
    key_id: String,
}

impl TryFrom<SecretRow> for ConnectorSecret {
    type Error = DbError;

    fn try_from(row: SecretRow) -> Result<Self, DbError> {
        Ok(Self {
            id: row.id,
            source_id: SourceId(row.collection_source_id),
            secret_type: DbError::parse_label("connector_secrets", "secret_type", &row.secret_type)?,
            ciphertext: row.ciphertext,
            key_id: row.key_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::Db;

    async fn insert_source(pool: &PgPool, path: &str) -> SourceId {
        let id = sqlx::query_scalar(
            "WITH owner AS (
                INSERT INTO users (username, email, hashed_password) VALUES ($1, $1, 'x') RETURNING id
            ), notes AS (
                INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size,
                    chunk_overlap)
                SELECT gen_random_uuid(), $1, id, $1, 'model', 256, 51 FROM owner RETURNING id
            )
            INSERT INTO collection_sources (collection_id, source_path, source_type)
            SELECT id, $1, 'directory' FROM notes RETURNING id",
        )
        .bind(path)
        .fetch_one(pool)
        .await
        .unwrap();
        SourceId(id)
    }

    fn new(secret_type: SecretType, ciphertext: &'static [u8], key_id: &'static str) -> NewSecret<'static> {
        NewSecret { secret_type, ciphertext, key_id }
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn source_has_one_secret_per_type(pool: PgPool) {
        let mut connection = Db::from_pool(pool.clone()).connection().await.unwrap();
        let source = insert_source(&pool, "a").await;
        let other = insert_source(&pool, "b").await;
        let both = [new(SecretType::Token, b"t1", "k1"), new(SecretType::SshKey, b"s1", "k1")];
        connection.connector_secrets().put(source, &both).await.unwrap();
        connection.connector_secrets().put(other, &both).await.unwrap();
        connection.connector_secrets().put(source, &[new(SecretType::Token, b"t2", "k2")]).await.unwrap();
        let kept = connection.connector_secrets().list(source).await.unwrap();
        let kept: Vec<_> =
            kept.iter().map(|kept| (kept.secret_type, &kept.ciphertext[..], &kept.key_id[..])).collect();
        assert_eq!(kept, [(SecretType::SshKey, &b"s1"[..], "k1"), (SecretType::Token, b"t2", "k2")]);

        let gone = [SecretType::Token, SecretType::Password];
        connection.connector_secrets().delete(source, &gone).await.unwrap();
        assert_eq!(connection.connector_secrets().list(source).await.unwrap().len(), 1);
        assert_eq!(connection.connector_secrets().list(other).await.unwrap().len(), 2);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn sources_list_the_types_of_their_secrets(pool: PgPool) {
        let mut connection = Db::from_pool(pool.clone()).connection().await.unwrap();
        let source = insert_source(&pool, "a").await;
        let none = connection.collection_sources().find(source).await.unwrap().unwrap();
        assert_eq!(none.secret_types, []);
        let both = [new(SecretType::Token, b"t", "k"), new(SecretType::Password, b"p", "k")];
        connection.connector_secrets().put(source, &both).await.unwrap();
        let found = connection.collection_sources().find(source).await.unwrap().unwrap();
        assert_eq!(found.secret_types, [SecretType::Password, SecretType::Token]);
        let listed = connection.collection_sources().list(found.collection_id, 10, 0).await.unwrap();
        assert_eq!(listed.items, [found]);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn secrets_under_other_keys_are_listed_in_batches(pool: PgPool) {
        let mut connection = Db::from_pool(pool.clone()).connection().await.unwrap();
        let mut ids = Vec::new();
        for (path, key_id) in [("a", "old"), ("b", "new"), ("c", "old"), ("d", "older")] {
            let source = insert_source(&pool, path).await;
            connection
                .connector_secrets()
                .put(source, &[new(SecretType::Token, b"t", key_id)])
                .await
                .unwrap();
            ids.push(connection.connector_secrets().list(source).await.unwrap()[0].id);
        }
        assert_eq!(connection.connector_secrets().count_not_under("new").await.unwrap(), 3);
        let first = connection.connector_secrets().list_not_under("new", 0, 2).await.unwrap();
        assert_eq!(first.iter().map(|secret| secret.id).collect::<Vec<_>>(), [ids[0], ids[2]]);
        let rest = connection.connector_secrets().list_not_under("new", ids[2], 2).await.unwrap();
        assert_eq!(rest.iter().map(|secret| secret.id).collect::<Vec<_>>(), [ids[3]]);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn reencryption_does_not_overwrite_a_newer_secret(pool: PgPool) {
        let mut connection = Db::from_pool(pool.clone()).connection().await.unwrap();
        let source = insert_source(&pool, "a").await;
        connection.connector_secrets().put(source, &[new(SecretType::Token, b"1", "old")]).await.unwrap();
        let read = connection.connector_secrets().list(source).await.unwrap().remove(0);
        connection.connector_secrets().put(source, &[new(SecretType::Token, b"2", "old")]).await.unwrap();
        assert!(!connection.connector_secrets().reencrypt(&read, b"1 again", "new").await.unwrap());
        let read = connection.connector_secrets().list(source).await.unwrap().remove(0);
        assert_eq!(read.ciphertext, b"2");
        assert!(connection.connector_secrets().reencrypt(&read, b"2 again", "new").await.unwrap());
        let kept = connection.connector_secrets().list(source).await.unwrap().remove(0);
        assert_eq!((&kept.ciphertext[..], &kept.key_id[..]), (&b"2 again"[..], "new"));
    }
}
