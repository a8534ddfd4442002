//! Positions of chunks: paging through all chunks of a collection.

use domain::{CollectionId, DocumentId, Generation};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::DbError;

/// The chunks of one document that are on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRange {
    /// The document.
    pub document_id: DocumentId,
    /// Its searchable generation.
    pub generation: Generation,
    /// Its file name.
    pub file_name: String,
    /// Its path within its source.
    pub file_path: String,
    /// The URL that its source gives it, if any.
    pub url: Option<String>,
    /// Media type.
    pub mime_type: Option<String>,
    /// Number of all its chunks.
    pub chunk_count: i32,
    /// Index of its first chunk on the page, from 0.
    pub first: u32,
    /// Number of its chunks on the page.
    pub count: u32,
}

/// Pages through chunks.
#[derive(Debug)]
pub struct ChunkRanges<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> ChunkRanges<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns a page of the chunks of a collection, or of one of its documents, ordered by when the
    /// documents were first seen; and the total number of chunks.
    pub async fn page(
        &mut self,
        collection_id: CollectionId,
        document_id: Option<DocumentId>,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<ChunkRange>, i64), DbError> {
        let rows = sqlx::query!(
            r#"WITH placed AS (
                SELECT id, generation, file_name, file_path, url, mime_type, chunk_count,
                    sum(chunk_count) OVER (ORDER BY created_at, id) AS after,
                    sum(chunk_count) OVER () AS total
                FROM documents
                WHERE collection_id = $1 AND status <> 'deleted' AND generation > 0 AND chunk_count > 0
                    AND ($2::uuid IS NULL OR id = $2)
            )
            SELECT total.total AS "total!", p.id AS "id?: Uuid", p.generation AS "generation?",
                p.file_name AS "file_name?", p.file_path AS "file_path?", p.chunk_count AS "chunk_count?",
                p.url AS "url?", p.mime_type AS "mime_type?",
                greatest($4 - (p.after - p.chunk_count), 0)::bigint AS first,
                least($4 + $3, p.after)::bigint AS last_after, (p.after - p.chunk_count)::bigint AS before
            FROM (SELECT coalesce(max(total), 0)::bigint AS total FROM placed) AS total
            LEFT JOIN placed p ON p.after > $4 AND p.after - p.chunk_count < $4 + $3
            ORDER BY p.after"#,
            collection_id.0,
            document_id.map(|id| id.0),
            limit,
            offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let total = rows.first().map_or(0, |row| row.total);
        let mut places = Vec::with_capacity(rows.len());
        for row in rows {
            // An empty page has one row with only the total.
            let (Some(id), Some(generation), Some(file_name), Some(file_path), Some(chunk_count)) =
                (row.id, row.generation, row.file_name, row.file_path, row.chunk_count)
            else {
                continue;
            };
            let (first, last_after, before) =
                (row.first.unwrap_or(0), row.last_after.unwrap_or(0), row.before.unwrap_or(0));
            places.push(ChunkRange {
                document_id: DocumentId(id),
                generation: Generation(generation),
                file_name,
                file_path,
                url: row.url,
                mime_type: row.mime_type,
                chunk_count,
                first: u32::try_from(first).unwrap_or(0),
                count: u32::try_from(last_after - before - first).unwrap_or(0),
            });
        }
        Ok((places, total))
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::Db;

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn pages_split_documents_and_cover_each_chunk_once(pool: PgPool) {
        sqlx::raw_sql(
            "INSERT INTO users (username, email, hashed_password) VALUES ('a', 'a', 'x');
            INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
                SELECT lpad(n::text, 32, '0')::uuid, 'c' || n, 1, 'v' || n, 'm', 256, 51 FROM generate_series(1, 2) n;
            INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, generation,
                chunk_count, created_at)
            SELECT lpad(n::text, 32, '0')::uuid, lpad(c::text, 32, '0')::uuid, n::text, 'p', 'f' || n, 1,
                status::document_status, generation, chunks, now() - n * interval '1 s'
            FROM (VALUES
                (1, 1, 'completed', 2, 3), (2, 1, 'deleted', 1, 7), (3, 1, 'failed', 1, 4), (4, 1, 'completed', 1, 0),
                (5, 1, 'pending', 0, 0), (6, 2, 'completed', 1, 9), (7, 1, 'completed', 1, 2)
            ) AS d (n, c, status, generation, chunks);",
        )
        .execute(&pool)
        .await
        .unwrap();
        let collection = CollectionId(Uuid::from_u128(1));
        let mut connection = Db::from_pool(pool).connection().await.unwrap();
        let mut all = Vec::new();
        for offset in [0, 3, 6, 9, 12] {
            let (places, total) = connection.chunk_ranges().page(collection, None, 3, offset).await.unwrap();
            assert_eq!(total, 9);
            let mut on_page = 0;
            for place in places {
                assert!(place.count > 0);
                on_page += i64::from(place.count);
                all.extend(
                    (place.first..place.first + place.count).map(|index| (place.file_name.clone(), index)),
                );
            }
            assert_eq!(on_page, (9 - offset).clamp(0, 3));
        }
        // Ordered by when they were first seen. The previous version of a failed document is included.
        let expected = [("f7", 2), ("f3", 4), ("f1", 3)];
        let expected = expected.iter().flat_map(|(name, count)| (0..*count).map(|n| ((*name).to_owned(), n)));
        assert_eq!(all, expected.collect::<Vec<_>>());

        let one = Some(DocumentId(Uuid::from_u128(3)));
        let (places, total) = connection.chunk_ranges().page(collection, one, 2, 1).await.unwrap();
        assert_eq!((places[0].first, places[0].count, places[0].chunk_count, total), (1, 2, 4, 4));
        for other in [2, 6, 99] {
            let document = Some(DocumentId(Uuid::from_u128(other)));
            let (places, total) = connection.chunk_ranges().page(collection, document, 50, 0).await.unwrap();
            assert_eq!((places, total), (Vec::new(), 0));
        }
    }
}
