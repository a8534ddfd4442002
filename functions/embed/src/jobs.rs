//! Groups batches of chunks that are embedded in one call.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use artifacts::BatchKey;
use db::operations::{ItemWork, StagedVersion};
use domain::{ChunkRecord, EmbedBatch, OperationId};
use vectors::DocumentGeneration;

/// A message, with the position by which the caller identifies it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) position: usize,
    pub(crate) message: EmbedBatch,
    /// How often it was delivered, from 1.
    pub(crate) receive_count: u32,
}

/// One batch of one document, with its chunks loaded.
#[derive(Debug)]
pub(crate) struct Job {
    /// The message, with the position by which the caller identifies it.
    pub(crate) request: Request,
    pub(crate) work: ItemWork,
    pub(crate) staged: StagedVersion,
    pub(crate) chunks: Vec<ChunkRecord>,
    /// The vector of each chunk, as far as they are known.
    pub(crate) vectors: Vec<Option<Vec<f32>>>,
    /// How many of them an earlier generation or another document had.
    pub(crate) reused_chunks: u32,
}

impl Job {
    /// Creates a job of which these vectors are known already.
    pub(crate) fn new(
        request: Request,
        (work, staged): (ItemWork, StagedVersion),
        chunks: Vec<ChunkRecord>,
        reused: Vec<Option<Vec<f32>>>,
    ) -> Self {
        let count = reused.iter().flatten().count();
        let reused_chunks = u32::try_from(count).unwrap_or(u32::MAX);
        Self { request, work, staged, chunks, vectors: reused, reused_chunks }
    }

    /// Returns what the vectors depend on: the model and its precision.
    pub(crate) fn encoder(&self) -> (&str, &'static str) {
        (&self.work.settings.embedding_model, self.work.settings.quantization.as_str())
    }

    pub(crate) fn batch(&self) -> u32 {
        self.request.message.batch
    }

    pub(crate) fn key(&self) -> BatchKey {
        let StagedVersion { document_id, generation, .. } = self.staged;
        BatchKey { collection_id: self.work.collection_id, document_id, generation, batch: self.batch() }
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

    /// Returns the chunks without a vector, by position in the batch.
    pub(crate) fn unknown_chunks(&self) -> impl Iterator<Item = (usize, &ChunkRecord)> {
        let chunks = self.chunks.iter().zip(&self.vectors).enumerate();
        chunks.filter(|(_, (_, vector))| vector.is_none()).map(|(row, (chunk, _))| (row, chunk))
    }

    /// Returns the approximate number of tokens that are still to be embedded.
    pub(crate) fn unknown_tokens(&self) -> u64 {
        self.unknown_chunks().map(|(_, chunk)| tokens(chunk)).sum()
    }

    /// Whether every chunk has a vector.
    pub(crate) fn is_complete(&self) -> bool {
        self.vectors.iter().all(Option::is_some)
    }
}

/// How many bytes of a chunk's context are one token, roughly: the context is counted with the whole section only.
const CONTEXT_BYTES_PER_TOKEN: usize = 4;

/// Returns the approximate number of tokens that the model reads for a chunk.
pub(crate) fn tokens(chunk: &ChunkRecord) -> u64 {
    let context = chunk.context.as_ref().map_or(0, |context| context.len() / CONTEXT_BYTES_PER_TOKEN);
    u64::from(chunk.token_count.max(1)) + context as u64
}

/// Texts that go through the model in one call.
#[derive(Debug)]
pub(crate) struct Texts<'a> {
    /// For each text, the position of its job in the group, and of its chunk in the job.
    pub(crate) places: Vec<(usize, usize)>,
    pub(crate) texts: Vec<Cow<'a, str>>,
}

/// Returns the texts of a group that have no vector, in order, with `max_tokens` tokens at most, but at least one.
pub(crate) fn unknown_texts(group: &[Job], max_tokens: u64) -> Texts<'_> {
    let (mut places, mut texts, mut sum) = (Vec::new(), Vec::new(), 0_u64);
    for (position, job) in group.iter().enumerate() {
        for (row, chunk) in job.unknown_chunks() {
            sum = sum.saturating_add(tokens(chunk));
            if sum > max_tokens && !texts.is_empty() {
                return Texts { places, texts };
            }
            places.push((position, row));
            texts.push(chunk.embedded_text());
        }
    }
    Texts { places, texts }
}

/// Sorts jobs so that those of one model and quantization follow each other, and first those that were delivered most
/// often, then those of the operations with the fewest tokens: a single document of one user does not wait for the many of
/// another that came with it.
pub(crate) fn in_turn(mut jobs: Vec<Job>) -> VecDeque<Job> {
    let mut operation_tokens: HashMap<OperationId, u64> = HashMap::new();
    for job in &jobs {
        *operation_tokens.entry(job.work.operation_id).or_default() += job.unknown_tokens();
    }
    jobs.sort_by_key(|job| {
        let Job { request, work, .. } = job;
        (Reverse(request.receive_count), operation_tokens[&work.operation_id], work.operation_id)
    });
    // The model of the first job comes first; both sorts are stable.
    let mut models: Vec<(String, &'static str)> = Vec::new();
    for job in &jobs {
        let (model, quantization) = job.encoder();
        if !models.iter().any(|known| known.0 == model && known.1 == quantization) {
            models.push((model.to_owned(), quantization));
        }
    }
    jobs.sort_by_key(|job| models.iter().position(|known| (known.0.as_str(), known.1) == job.encoder()));
    jobs.into()
}

/// How many tokens a group has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupSize {
    /// At most, but at least one job.
    pub(crate) max_tokens: u64,
    /// At most if its jobs are of several operations: each of them is complete no sooner than the whole group.
    pub(crate) max_shared_tokens: u64,
}

/// Takes the next jobs of one model and quantization.
pub(crate) fn take_group(waiting: &mut VecDeque<Job>, size: GroupSize) -> Vec<Job> {
    let (mut group, mut sum, mut is_shared): (Vec<Job>, u64, bool) = (Vec::new(), 0, false);
    while let Some(next) = waiting.front() {
        let tokens = next.unknown_tokens();
        if let Some(first) = group.first() {
            let would_share = is_shared || first.work.operation_id != next.work.operation_id;
            let limit =
                if would_share { size.max_shared_tokens.min(size.max_tokens) } else { size.max_tokens };
            if first.encoder() != next.encoder() || sum + tokens > limit {
                break;
            }
            is_shared = would_share;
        }
        sum += tokens;
        group.extend(waiting.pop_front());
    }
    group
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
        ItemId, ItemState, Quantization, SourceId,
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
        let message =
            EmbedBatch::new(OperationId(uuid!("00000000-0000-0000-0000-000000000001")), ItemId(1), 0);
        Job {
            request: Request { position, message, receive_count: 1 },
            reused_chunks: 0,
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
            vectors: vec![None; chunks as usize],
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
        let grouped: Vec<Vec<usize>> = groups(jobs, 512).iter().map(|group| positions(group)).collect();
        assert_eq!(grouped, [vec![1, 4], vec![0, 2], vec![3]]);
    }

    #[test]
    fn quantizations_are_grouped_separately() {
        let jobs = vec![
            quantized(0, "a", 1, Quantization::Int8),
            quantized(1, "a", 1, Quantization::Float32),
            quantized(2, "a", 1, Quantization::Int8),
        ];
        let grouped: Vec<Vec<usize>> = groups(jobs, 512).iter().map(|group| positions(group)).collect();
        assert_eq!(grouped, [vec![1], vec![0, 2]]);
    }

    #[test]
    fn a_group_has_as_many_tokens_as_there_is_time_for() {
        let mut waiting = in_turn(vec![job(0, "a", 10), job(1, "b", 5), job(2, "a", 10), job(3, "a", 1)]);
        let size = |max_tokens| GroupSize { max_tokens, max_shared_tokens: 0 };
        assert_eq!(positions(&take_group(&mut waiting, size(80))), [0, 2], "4 tokens a chunk");
        assert_eq!(positions(&take_group(&mut waiting, size(3))), [3], "one at least");
        assert_eq!(positions(&take_group(&mut waiting, size(1000))), [1]);
        assert!(take_group(&mut waiting, size(1000)).is_empty());
    }

    #[test]
    fn a_small_operation_is_embedded_first_and_not_with_a_large_one() {
        let of_operation = |number: u128, mut job: Job| {
            job.work.operation_id = OperationId(uuid::Uuid::from_u128(number));
            job
        };
        let jobs = vec![
            of_operation(1, job(0, "a", 20)),
            of_operation(1, job(1, "a", 20)),
            of_operation(2, job(2, "a", 1)),
            of_operation(3, job(3, "a", 2)),
        ];
        let mut waiting = in_turn(jobs);
        let size = GroupSize { max_tokens: 1000, max_shared_tokens: 40 };
        assert_eq!(positions(&take_group(&mut waiting, size)), [2, 3], "small ones share a group");
        assert_eq!(positions(&take_group(&mut waiting, size)), [0, 1]);
    }

    #[test]
    fn jobs_that_were_delivered_often_are_embedded_first() {
        let mut jobs = vec![job(0, "a", 1), job(1, "b", 1), job(2, "a", 1), job(3, "b", 1)];
        jobs[3].request.receive_count = 4;
        jobs[2].request.receive_count = 2;
        assert_eq!(positions(in_turn(jobs).make_contiguous()), [3, 1, 2, 0]);
    }

    #[test]
    fn a_job_with_too_many_tokens_is_embedded_in_parts() {
        let mut group = vec![job(0, "a", 5), job(1, "a", 1)];
        group[0].vectors[1] = Some(vec![9.0]);
        let part = unknown_texts(&group, 8);
        assert_eq!((part.places, part.texts), (vec![(0, 0), (0, 2)], vec!["text 0".into(), "text 2".into()]));
        assert_eq!(unknown_texts(&group, 0).texts, ["text 0"], "one at least");
        assert_eq!(unknown_texts(&group, u64::MAX).places, [(0, 0), (0, 2), (0, 3), (0, 4), (1, 0)]);
        assert_eq!((group[0].unknown_tokens(), group[0].is_complete()), (16, false));
        group[0].vectors.fill(Some(vec![1.0]));
        assert!(group[0].is_complete() && unknown_texts(&group[..1], 9).texts.is_empty());
    }

    fn positions(jobs: &[Job]) -> Vec<usize> {
        jobs.iter().map(|job| job.request.position).collect()
    }
}
