//! What may be true of a collection: at any moment, and when no work is left.

use domain::{ArtifactKey, DocumentId, Generation, point_id};
use integrity::DiscrepancyKind;
use sqlx::Row;
use uuid::Uuid;

use crate::bytes::Bytes;
use crate::world::World;

/// What must not exist when no work is left, with the query that counts it.
const NEVER: &[(&str, &str)] = &[
    ("operations that ended with open items or with other counts than their items",
    "SELECT count(*) FROM operations o WHERE o.collection_id = $1 AND o.meta -> 'counts' IS DISTINCT FROM (
        SELECT jsonb_build_object(
            'new', count(*) FILTER (WHERE state = 'completed' AND is_new IS NOT FALSE),
            'changed', count(*) FILTER (WHERE state = 'completed' AND NOT is_new),
            'unchanged', count(*) FILTER (WHERE state = 'unchanged'),
            'removed', count(*) FILTER (WHERE state = 'removed'),
            'duplicate', count(*) FILTER (WHERE state = 'duplicate'),
            'skipped', count(*) FILTER (WHERE state = 'skipped'),
            'failed', count(*) FILTER (WHERE state = 'failed'),
            'cancelled', count(*) FILTER (WHERE state = 'cancelled')
        ) FROM operation_items i WHERE i.operation_id = o.id)"),
    ("open items",
    "SELECT count(*) FROM operation_items i JOIN operations o ON o.id = i.operation_id
        WHERE o.collection_id = $1 AND i.state IN ('listed', 'staged', 'chunked')"),
    ("items that failed or were skipped without a reason",
    "SELECT count(*) FROM operation_items i JOIN operations o ON o.id = i.operation_id
        WHERE o.collection_id = $1 AND i.state IN ('failed', 'skipped') AND i.error_message IS NULL"),
    ("documents that are still waiting",
    "SELECT count(*) FROM documents WHERE collection_id = $1 AND status IN ('pending', 'processing')"),
    ("documents that failed or were skipped without a reason",
    "SELECT count(*) FROM documents
        WHERE collection_id = $1 AND status IN ('failed', 'skipped') AND error_message IS NULL"),
    ("searchable documents without a generation",
    "SELECT count(*) FROM documents WHERE collection_id = $1 AND status = 'completed'
        AND (generation = 0 OR chunk_count = 0)"),
    ("documents without points of their own because another one has the same bytes",
    "SELECT count(*) FROM documents WHERE collection_id = $1 AND duplicate_of IS NOT NULL"),
    ("deleted documents with points",
    "SELECT count(*) FROM documents WHERE collection_id = $1 AND status = 'deleted' AND chunk_count > 0"),
    ("documents that are not purged yet",
    "SELECT count(*) FROM documents WHERE collection_id = $1 AND purge_requested_at IS NOT NULL AND purged_at IS NULL"),
    ("erasures that are not done",
    "SELECT count(*) FROM erasures WHERE collection_id = $1 AND due_at <= now()"),
    ("bytes that are counted wrong",
    "SELECT used_bytes - (SELECT coalesce(sum(size_bytes), 0)::bigint FROM document_artifacts a WHERE a.collection_id = l.collection_id)
        FROM (SELECT $1::uuid AS collection_id) c LEFT JOIN collection_resource_limits l USING (collection_id)
        WHERE l.collection_id IS NOT NULL UNION ALL SELECT 0 LIMIT 1"),
    ("collections with other counts than their documents",
    "SELECT count(*) FROM collections c CROSS JOIN LATERAL (
            SELECT count(*) AS documents, coalesce(sum(chunk_count), 0) AS vectors,
                coalesce(sum(file_size), 0) AS bytes, count(*) FILTER (WHERE status = 'failed') AS failed
            FROM documents WHERE collection_id = c.id AND status <> 'deleted') d
        WHERE c.id = $1 AND (c.document_count <> d.documents OR c.vector_count <> d.vectors
            OR c.total_size_bytes <> d.bytes
            OR (c.status <> 'pending' AND (c.status = 'degraded') <> (d.failed > 0)))"),
    ("sources with other counts than their documents",
    "SELECT count(*) FROM collection_sources s CROSS JOIN LATERAL (
            SELECT count(*) AS documents, coalesce(sum(file_size), 0) AS bytes
            FROM documents WHERE source_id = s.id AND status <> 'deleted') d
        WHERE s.collection_id = $1 AND (s.document_count <> d.documents OR s.size_bytes <> d.bytes)"),
];

impl World<'_> {
    /// Checks what holds at any moment: an end is final, and one operation runs at a time.
    pub(crate) async fn look(&mut self) -> Result<(), String> {
        let rows = sqlx::query(
            "SELECT 'operation ' || uuid AS what, status::text AS state,
                status IN ('completed', 'failed', 'cancelled') AS has_ended, status = 'processing' AS runs
            FROM operations WHERE collection_id = $1
            UNION ALL
            SELECT 'item ' || i.id, i.state::text, i.state NOT IN ('listed', 'staged', 'chunked'), FALSE
            FROM operation_items i JOIN operations o ON o.id = i.operation_id WHERE o.collection_id = $1",
        )
        .bind(self.collection_id.0)
        .fetch_all(&self.pipeline.pool)
        .await
        .unwrap();
        let running = rows.iter().filter(|row| row.get::<bool, _>("runs")).count();
        if running > 1 {
            return Err(format!("{running} operations run at once"));
        }
        for row in rows {
            let (what, state): (String, String) = (row.get("what"), row.get("state"));
            if let Some(before) = self.ended.get(&what)
                && *before != state
            {
                return Err(format!("{what} had ended as {before} and is {state} now"));
            }
            if row.get("has_ended") {
                self.ended.insert(what, state);
            }
        }
        Ok(())
    }

    /// Checks what holds when no work is left: everything is accounted for once, and the index matches.
    pub(crate) async fn check(&mut self) -> Result<(), String> {
        self.look().await?;
        for (what, statement) in NEVER {
            let count: i64 = sqlx::query_scalar(*statement)
                .bind(self.collection_id.0)
                .fetch_one(&self.pipeline.pool)
                .await
                .unwrap();
            if count != 0 {
                return Err(format!("{count} {what}"));
            }
        }
        self.check_points().await?;
        self.check_objects().await?;
        let mut found = self.discrepancies().await;
        // A process that dies after it has written an object and before it has recorded it leaves the object.
        found.retain(|discrepancy| discrepancy.kind != DiscrepancyKind::OrphanedObjects);
        if found.is_empty() { Ok(()) } else { Err(format!("the integrity check finds {found:?}")) }
    }

    /// Checks that the bucket contains the staged objects of exactly the generations that are needed, and that
    /// every original that is registered is there.
    async fn check_objects(&self) -> Result<(), String> {
        let rows = sqlx::query(
            "SELECT d.id, greatest(d.generation, d.last_generation, d.reserved_generation) AS newest,
                array(SELECT k.generation FROM kept_generations k WHERE k.document_id = d.id) AS kept,
                array(SELECT a.generation FROM document_artifacts a WHERE a.document_id = d.id) AS registered
            FROM documents d WHERE d.collection_id = $1",
        )
        .bind(self.collection_id.0)
        .fetch_all(&self.pipeline.pool)
        .await
        .unwrap();
        let staged: Vec<(DocumentId, Generation)> = self
            .pipeline
            .aws
            .keys()
            .iter()
            .filter_map(|key| ArtifactKey::parse(key))
            .filter_map(|key| key.document_id().zip(key.generation()))
            .collect();
        for row in rows {
            let document_id = DocumentId(row.get::<Uuid, _>("id"));
            let (kept, newest): (Vec<i32>, i32) = (row.get("kept"), row.get("newest"));
            let of_document = staged.iter().filter(|(owner, _)| *owner == document_id);
            // What was never registered has a later number; the next version overwrites it.
            let useless = of_document.map(|(_, generation)| generation.0);
            let useless: Vec<i32> =
                useless.filter(|number| *number <= newest && !kept.contains(number)).collect();
            if !useless.is_empty() {
                return Err(format!("document {document_id} keeps {kept:?}, and {useless:?} are staged"));
            }
            for generation in row.get::<Vec<i32>, _>("registered").into_iter().map(Generation) {
                let key = ArtifactKey::Raw { collection_id: self.collection_id, document_id, generation };
                if self.pipeline.aws.object(&key.path()).is_none() {
                    return Err(format!("{} is registered and not there", key.path()));
                }
            }
        }
        Ok(())
    }

    /// Checks that the index contains exactly the points of the searchable generations.
    async fn check_points(&self) -> Result<(), String> {
        let rows = sqlx::query(
            "SELECT id, generation, chunk_count FROM documents
            WHERE collection_id = $1 AND status <> 'deleted' AND generation > 0 AND chunk_count > 0",
        )
        .bind(self.collection_id.0)
        .fetch_all(&self.pipeline.pool)
        .await
        .unwrap();
        let mut expected = Vec::new();
        for row in rows {
            let id = DocumentId(row.get::<Uuid, _>("id"));
            let (generation, chunks) = (Generation(row.get("generation")), row.get::<i32, _>("chunk_count"));
            let key = ArtifactKey::Raw { collection_id: self.collection_id, document_id: id, generation };
            let content = self.pipeline.aws.object(&key.path());
            let bytes = Bytes::ALL.into_iter().find(|bytes| Some(bytes.content()) == content);
            if bytes.map(Bytes::chunks) != Some(chunks.unsigned_abs()) {
                return Err(format!("document {id} has {chunks} chunks of {bytes:?}"));
            }
            expected.extend((0..chunks.unsigned_abs()).map(|chunk| point_id(id, generation, chunk)));
        }
        let found = self.pipeline.vectors().find_vectors(&self.index, &expected).await.unwrap();
        let count = self.pipeline.vectors().count(&self.index).await.unwrap();
        let lost = expected.len() - found.len();
        let orphaned = count - found.len() as u64;
        if lost > 0 || orphaned > 0 {
            return Err(format!("{lost} points are lost and {orphaned} are orphaned"));
        }
        Ok(())
    }
}
