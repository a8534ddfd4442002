//! Groups batches of chunks that are embedded in one call.

use std::borrow::Cow;

use artifacts::BatchKey;
use db::operations::{ItemWork, StagedVersion};
use domain::ChunkRecord;
use vectors::DocumentGeneration;

/// One batch of one document, with its chunks loaded.
#[derive(Debug)]
pub(crate) struct Job {
    /// The position of the request among the caller's.
    pub(crate) position: usize,
    pub(crate) work: ItemWork,
    pub(crate) staged: StagedVersion,
    pub(crate) batch: u32,
    pub(crate) chunks: Vec<ChunkRecord>,
    /// The vector of each chunk that an earlier generation or another document contains.
    pub(crate) known: Vec<Option<Vec<f32>>>,
}

impl Job {
    /// Returns what the vectors depend on: the model and its precision.
    fn encoder(&self) -> (&str, &'static str) {
        (&self.work.settings.embedding_model, self.work.settings.quantization.as_str())
    }

    pub(crate) fn key(&self) -> BatchKey {
        let StagedVersion { document_id, generation, .. } = self.staged;
        BatchKey { collection_id: self.work.collection_id, document_id, generation, batch: self.batch }
    }

    pub(crate) fn version(&self) -> DocumentGeneration {
        let StagedVersion { document_id, generation, first_seen_at, .. } = self.staged;
        DocumentGeneration {
            document_id,
            collection_id: self.work.collection_id,
            source_id: self.work.source_id,
            generation,
            uri: self.work.uri.clone(),
            path: self.work.file_path.clone(),
            file_name: self.work.file_name.clone(),
            mime_type: self.work.mime_type.clone(),
            first_seen_at,
            metadata: self.work.metadata.clone(),
        }
    }

    /// Returns the texts without a vector.
    pub(crate) fn unknown_texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let chunks = self.chunks.iter().zip(&self.known);
        chunks.filter(|(_, known)| known.is_none()).map(|(chunk, _)| chunk.embedded_text())
    }

    /// Returns the number of chunks whose vector is reused.
    pub(crate) fn reused_chunks(&self) -> u32 {
        let reused = self.known.iter().filter(|known| known.is_some()).count();
        u32::try_from(reused).unwrap_or(u32::MAX)
    }

    /// Returns the vectors of all chunks, taking those of [`Self::unknown_texts`] from `computed`.
    pub(crate) fn vectors(&self, computed: &mut impl Iterator<Item = Vec<f32>>) -> Vec<Vec<f32>> {
        self.known.iter().filter_map(|known| known.clone().or_else(|| computed.next())).collect()
    }
}

/// Sorts jobs into groups of one model and quantization, each embedded in one call. A group has at most
/// `max_texts` texts unless a single job has more: a job is never split, because its message succeeds or
/// fails as a whole.
pub(crate) fn groups(mut jobs: Vec<Job>, max_texts: usize) -> Vec<Vec<Job>> {
    jobs.sort_by(|a, b| a.encoder().cmp(&b.encoder()));
    let mut groups: Vec<Vec<Job>> = Vec::new();
    for job in jobs {
        let fits = groups.last().is_some_and(|group| {
            let texts: usize = group.iter().map(|job| job.chunks.len()).sum();
            let is_same = group.iter().all(|other| other.encoder() == job.encoder());
            is_same && texts + job.chunks.len() <= max_texts
        });
        match groups.last_mut() {
            Some(group) if fits => group.push(job),
            _ => groups.push(vec![job]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::{
        ChunkPlace, ChunkSettings, CollectionId, DocumentId, DocumentMetadata, Generation, IndexSettings,
        ItemId, ItemState, OperationId, Quantization, SourceId,
    };
    use uuid::uuid;

    use super::*;

    fn job(position: usize, model: &str, chunks: u32) -> Job {
        quantized(position, model, chunks, Quantization::Float16)
    }

    fn quantized(position: usize, model: &str, chunks: u32, quantization: Quantization) -> Job {
        let staged = StagedVersion {
            document_id: DocumentId(uuid!("6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f")),
            generation: Generation(2),
            searchable_generation: Generation(1),
            first_seen_at: DateTime::UNIX_EPOCH,
        };
        Job {
            position,
            work: ItemWork {
                item_id: ItemId(1),
                operation_id: OperationId(uuid!("00000000-0000-0000-0000-000000000001")),
                is_wanted: true,
                state: ItemState::Chunked,
                collection_id: CollectionId(uuid!("00000000-0000-0000-0000-000000000002")),
                source_id: Some(SourceId(7)),
                outermost_id: None,
                is_reindex: false,
                starts_ocr: false,
                vector_store_name: "store".to_owned(),
                settings: IndexSettings {
                    embedding_model: model.to_owned(),
                    quantization,
                    chunks: ChunkSettings { chunk_size: 256, chunk_overlap: 51 },
                    contextualize: true,
                    ocr: false,
                },
                chunking_strategy: "recursive".to_owned(),
                chunking_config: serde_json::Value::Null,
                uri: "upload://a.txt".to_owned(),
                file_path: "a.txt".to_owned(),
                file_name: "a.txt".to_owned(),
                mime_type: Some("text/plain".to_owned()),
                size_bytes: 10,
                metadata: DocumentMetadata::default(),
                title: None,
                staged: Some(staged),
                base: None,
                original: None,
                chunk_count: chunks,
                missing_batches: vec![0],
                last_error: None,
            },
            staged,
            batch: 0,
            known: vec![None; chunks as usize],
            chunks: (0..chunks)
                .map(|index| ChunkRecord {
                    index,
                    text: format!("text {index}"),
                    start_offset: u64::from(index) * 10,
                    end_offset: u64::from(index) * 10 + 6,
                    token_count: 4,
                    parent: None,
                    place: ChunkPlace::default(),
                    context: None,
                })
                .collect(),
        }
    }

    #[test]
    fn groups_contain_whole_jobs_of_one_model() {
        let jobs =
            vec![job(0, "b", 200), job(1, "a", 200), job(2, "b", 256), job(3, "b", 256), job(4, "a", 1)];
        let grouped: Vec<Vec<usize>> =
            groups(jobs, 512).iter().map(|group| group.iter().map(|job| job.position).collect()).collect();
        assert_eq!(grouped, [vec![1, 4], vec![0, 2], vec![3]]);
    }

    #[test]
    fn quantizations_are_grouped_separately() {
        let jobs = vec![
            quantized(0, "a", 1, Quantization::Int8),
            quantized(1, "a", 1, Quantization::Float32),
            quantized(2, "a", 1, Quantization::Int8),
        ];
        let grouped: Vec<Vec<usize>> =
            groups(jobs, 512).iter().map(|group| group.iter().map(|job| job.position).collect()).collect();
        assert_eq!(grouped, [vec![1], vec![0, 2]]);
    }

    #[test]
    fn reused_and_computed_vectors_are_merged_in_chunk_order() {
        let mut job = job(0, "a", 3);
        job.known[1] = Some(vec![9.0]);
        assert_eq!(job.unknown_texts().collect::<Vec<_>>(), ["text 0", "text 2"]);
        assert_eq!(job.reused_chunks(), 1);
        let mut computed = vec![vec![1.0], vec![2.0], vec![3.0]].into_iter();
        assert_eq!(job.vectors(&mut computed), [vec![1.0], vec![9.0], vec![2.0]]);
        assert_eq!(computed.next(), Some(vec![3.0]), "the next job's");
    }
}
