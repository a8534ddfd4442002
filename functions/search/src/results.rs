//! From hits to results.

use std::collections::{HashMap, HashSet};

use db::collections::Collection;
use db::documents::LiveDocument;
use domain::{DocumentId, LinkedDocument};
use serde_json::json;
use vectors::ChunkMetadata;

use crate::collapse::{Passage, collapse};
use crate::response::{CollectionResult, DuplicatePassage, FailedCollection, SearchResult};
use crate::retrieve::Hit;

/// Passages with the scores that rank them.
pub(crate) type Ranking<'a> = Vec<(f32, Passage<Hit<'a>>)>;

/// Drops hits whose document is deleted or has a newer generation.
pub(crate) fn keep_live<'a>(
    hits: Vec<(f32, Hit<'a>)>,
    documents: &HashMap<DocumentId, LiveDocument>,
) -> Vec<(f32, Hit<'a>)> {
    let is_live = |(_, hit): &(f32, Hit<'_>)| {
        let document = documents.get(&hit.chunk.payload.document_id);
        document.is_some_and(|document| document.generation == hit.chunk.payload.generation)
    };
    hits.into_iter().filter(is_live).collect()
}

/// Merges hits with the same text, unless every hit is to be shown.
pub(crate) fn passages(hits: Vec<(f32, Hit<'_>)>, collapses: bool) -> Ranking<'_> {
    if collapses {
        collapse(hits, |hit| &hit.chunk.payload.content)
    } else {
        hits.into_iter().map(|(score, hit)| (score, Passage::new(hit))).collect()
    }
}

/// Returns the number of results that the passages are: documents, where results are grouped.
pub(crate) fn count(passages: &Ranking<'_>, group_size: Option<usize>) -> usize {
    if group_size.is_none() {
        return passages.len();
    }
    let documents: HashSet<DocumentId> =
        passages.iter().map(|(_, passage)| passage.hit.chunk.payload.document_id).collect();
    documents.len()
}

/// Returns the passages from `offset` on. With a group size, `offset` and `limit` count documents, ranked by their
/// best chunks, and each document has up to that many chunks.
pub(crate) fn page<'a>(
    passages: Ranking<'a>,
    offset: usize,
    limit: usize,
    group_size: Option<usize>,
) -> Ranking<'a> {
    let Some(group_size) = group_size else {
        return passages.into_iter().skip(offset).take(limit).collect();
    };
    let mut order: Vec<DocumentId> = Vec::new();
    let mut groups: HashMap<DocumentId, Ranking<'a>> = HashMap::new();
    for (score, passage) in passages {
        let group = groups.entry(passage.hit.chunk.payload.document_id).or_insert_with_key(|id| {
            order.push(*id);
            Vec::new()
        });
        if group.len() < group_size {
            group.push((score, passage));
        }
    }
    let documents = order.into_iter().skip(offset).take(limit);
    documents.flat_map(|id| groups.remove(&id).unwrap_or_default()).collect()
}

/// Converts a passage to a result. Returns `None` if its document is missing.
pub(crate) fn describe(
    score: f32,
    passage: Passage<Hit<'_>>,
    is_reranked: bool,
    documents: &HashMap<DocumentId, LiveDocument>,
    api_url: &str,
) -> Option<SearchResult> {
    let Passage { hit: Hit { collection, chunk }, duplicates, duplicate_count } = passage;
    let document = documents.get(&chunk.payload.document_id)?;
    let url = url(document, collection, &chunk.payload.metadata, api_url);
    // The payload has the URI of the document, which names a place on the server.
    let metadata = ChunkMetadata { source_path: document.file_path.clone(), ..chunk.payload.metadata };
    Some(SearchResult {
        document_id: document.id,
        chunk_id: chunk.id,
        score,
        original_score: chunk.score,
        reranked_score: is_reranked.then_some(score),
        title: metadata.place.title.clone(),
        section_path: metadata.place.section_path.clone(),
        first_page: metadata.place.first_page,
        last_page: metadata.place.last_page,
        anchor: metadata.place.anchor.clone(),
        first_line: metadata.place.first_line,
        last_line: metadata.place.last_line,
        url,
        metadata: json!(metadata),
        document_metadata: document.metadata.clone(),
        text: chunk.payload.content,
        highlighted_text: None,
        neighbours: None,
        parent: None,
        file_name: document.file_name.clone(),
        file_path: document.file_path.clone(),
        chunk_index: u32::try_from(chunk.payload.chunk_index).unwrap_or_default(),
        total_chunks: u32::try_from(document.chunk_count).unwrap_or_default(),
        collection_id: collection.id,
        collection_name: collection.name.clone(),
        embedding_model: collection.settings.embedding_model.clone(),
        duplicate_count,
        duplicates: duplicates.iter().filter_map(|hit| describe_duplicate(hit, documents, api_url)).collect(),
    })
}

fn describe_duplicate(
    hit: &Hit<'_>,
    documents: &HashMap<DocumentId, LiveDocument>,
    api_url: &str,
) -> Option<DuplicatePassage> {
    let document = documents.get(&hit.chunk.payload.document_id)?;
    Some(DuplicatePassage {
        document_id: document.id,
        chunk_id: hit.chunk.id,
        chunk_index: u32::try_from(hit.chunk.payload.chunk_index).unwrap_or_default(),
        file_name: document.file_name.clone(),
        file_path: document.file_path.clone(),
        url: url(document, hit.collection, &hit.chunk.payload.metadata, api_url),
        collection_id: hit.collection.id,
    })
}

/// The URL at which people open the document of a hit, at its place.
fn url(document: &LiveDocument, collection: &Collection, hit: &ChunkMetadata, api_url: &str) -> String {
    let linked = LinkedDocument {
        collection_id: collection.id,
        document_id: document.id,
        url: document.url.as_deref(),
        mime_type: document.mime_type.as_deref(),
    };
    linked.url(api_url, Some(&hit.place))
}

/// Counts the results of each collection that was searched.
pub(crate) fn count_by_collection(
    collections: &[Collection],
    failed: &[FailedCollection],
    results: &[SearchResult],
) -> Vec<CollectionResult> {
    let searched = collections
        .iter()
        .filter(|collection| failed.iter().all(|failed| failed.collection_id != collection.id));
    searched
        .map(|collection| CollectionResult {
            id: collection.id,
            name: collection.name.clone(),
            result_count: results.iter().filter(|result| result.collection_id == collection.id).count(),
        })
        .collect()
}
