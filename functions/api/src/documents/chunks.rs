//! Chunks of documents, in document order.
//!
//! Their number in PostgreSQL determines their ids; their content is in Qdrant.

use std::collections::HashMap;

use access::Granted;
use axum::Json;
use axum::extract::State as Shared;
use db::documents::LiveDocument;
use domain::{CollectionId, DocumentId, LinkedDocument, point_id};
use lambda::http::{ApiError, ApiPath, BaseUrl, ListQuery, Page, non_empty};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use vectors::{ChunkMetadata, StoredChunk};

use crate::State;

/// A chunk of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChunkResponse {
    /// Identifies the chunk.
    id: Uuid,
    /// The same as `id`, as search results name it.
    chunk_id: Uuid,
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// The document.
    #[schema(value_type = Uuid)]
    document_id: DocumentId,
    /// File name of the document.
    file_name: String,
    /// Its position in the document, from 0.
    chunk_index: i32,
    /// The number of the document's chunks.
    total_chunks: i32,
    /// Text of the chunk.
    content: String,
    /// Where it starts in the document's text, in bytes of UTF-8.
    start_offset: u64,
    /// Where it ends, exclusive.
    end_offset: u64,
    /// The title of the document, if it has one.
    title: Option<String>,
    /// The headings that the chunk is under, outermost first.
    section_path: Vec<String>,
    /// The page, slide or sheet that the chunk begins on, from 1; null if the document has none.
    first_page: Option<u32>,
    /// The page that the chunk ends on.
    last_page: Option<u32>,
    /// The name by which links lead to the innermost heading that has one, without `#`.
    anchor: Option<String>,
    /// The line of the document that the chunk begins on, from 1; null for formats whose text has other lines.
    first_line: Option<u32>,
    /// The line that the chunk ends on.
    last_line: Option<u32>,
    /// The URL at which people open the document, if possible at this chunk. See `url` of documents.
    url: String,
    /// Metadata of the document and the chunk.
    #[schema(value_type = Object)]
    metadata: ChunkMetadata,
}

/// What a chunk's response says of its document.
#[derive(Debug, Clone)]
struct Document {
    file_name: String,
    file_path: String,
    url: Option<String>,
    mime_type: Option<String>,
    total_chunks: i32,
}

impl ChunkResponse {
    fn new(chunk: StoredChunk, document: Document, api_url: &str) -> Self {
        let StoredChunk { id, payload } = chunk;
        let Document { file_name, file_path, url, mime_type, total_chunks } = document;
        let linked = LinkedDocument {
            collection_id: payload.collection_id,
            document_id: payload.document_id,
            url: url.as_deref(),
            mime_type: mime_type.as_deref(),
        };
        let url = linked.url(api_url, Some(&payload.metadata.place));
        // The payload has the URI of the document, which names a place on the server.
        let metadata = ChunkMetadata { source_path: file_path, ..payload.metadata };
        Self {
            id,
            chunk_id: id,
            collection_id: payload.collection_id,
            document_id: payload.document_id,
            file_name,
            chunk_index: payload.chunk_index,
            total_chunks,
            content: payload.content,
            start_offset: metadata.start_offset,
            end_offset: metadata.end_offset,
            title: metadata.place.title.clone(),
            section_path: metadata.place.section_path.clone(),
            first_page: metadata.place.first_page,
            last_page: metadata.place.last_page,
            anchor: metadata.place.anchor.clone(),
            first_line: metadata.place.first_line,
            last_line: metadata.place.last_line,
            url,
            metadata,
        }
    }
}

/// Which chunks to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListChunksQuery {
    /// Only chunks of this document.
    #[param(value_type = Option<Uuid>)]
    document_id: Option<String>,
}

/// A page of chunks, ordered by document and position.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChunksResponse {
    /// The chunks of this page.
    chunks: Vec<ChunkResponse>,
    /// Number of matching chunks on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Maximum number of entries per page.
    per_page: i64,
}

/// List a collection's chunks
///
/// Chunks of deleted documents and of replaced generations are never listed. While a document is being
/// indexed, a page may be shorter than `per_page`.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/chunks", operation_id = "listChunks", tag = "chunks",
    params(("collection_id" = Uuid, Path), ListChunksQuery, Page),
    responses((status = 200, body = ChunksResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    base_url: BaseUrl,
    ListQuery { page: paging, filters: query, mut errors }: ListQuery<Page, ListChunksQuery>,
) -> Result<Json<ChunksResponse>, ApiError> {
    let document_id = non_empty(query.document_id.as_deref());
    let document_id = document_id.and_then(|id| errors.keyword::<DocumentId>("document_id", id));
    errors.finish()?;
    let mut connection = state.db.connection().await?;
    let mut places = connection.chunk_ranges();
    let (places, total) =
        places.page(found.collection.id, document_id, paging.per_page, paging.offset()).await?;
    // Release the connection before the request to Qdrant.
    drop(connection);

    let mut ids = Vec::new();
    let mut documents = HashMap::new();
    for place in places {
        let indexes = place.first..place.first + place.count;
        ids.extend(indexes.map(|index| point_id(place.document_id, place.generation, index)));
        let document = Document {
            file_name: place.file_name,
            file_path: place.file_path,
            url: place.url,
            mime_type: place.mime_type,
            total_chunks: place.chunk_count,
        };
        documents.insert(place.document_id, document);
    }
    let stored = state.vectors.find_chunks(&found.collection.vector_store_name, &ids).await?;
    let api_url = base_url.configured(state.limits.api_url.as_deref());
    let describe = |chunk: StoredChunk| {
        let document = documents.get(&chunk.payload.document_id)?.clone();
        Some(ChunkResponse::new(chunk, document, &api_url))
    };
    Ok(Json(ChunksResponse {
        chunks: stored.into_iter().filter_map(describe).collect(),
        total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Show a chunk
///
/// Returns its text, its place in the document and the document's name.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/chunks/{chunk_id}", operation_id = "getChunk", tag = "chunks",
    params(("collection_id" = Uuid, Path), ("chunk_id" = Uuid, Path)),
    responses((status = 200, body = ChunkResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ApiPath((_collection_id, id)): ApiPath<(CollectionId, Uuid)>,
    base_url: BaseUrl,
) -> Result<Json<ChunkResponse>, ApiError> {
    let nothing = || ApiError::not_found("chunk", id);
    let mut stored = state.vectors.find_chunks(&found.collection.vector_store_name, &[id]).await?;
    let chunk = stored.pop().ok_or_else(nothing)?;
    let mut connection = state.db.connection().await?;
    let documents = connection.search_documents().find_live(&[chunk.payload.document_id]).await?;
    // Points of deleted documents and of replaced generations are orphaned.
    let is_current = |document: &LiveDocument| document.generation == chunk.payload.generation;
    let LiveDocument { file_name, file_path, url, mime_type, chunk_count: total_chunks, .. } =
        documents.into_iter().find(is_current).ok_or_else(nothing)?;
    let document = Document { file_name, file_path, url, mime_type, total_chunks };
    let api_url = base_url.configured(state.limits.api_url.as_deref());
    Ok(Json(ChunkResponse::new(chunk, document, &api_url)))
}

/// List a collection's chunks (alternative path)
///
/// The same as `GET /api/v2/collections/{collection_id}/chunks`.
#[utoipa::path(
    get, path = "/api/v2/chunking/collections/{collection_id}/chunks", operation_id = "listChunkingChunks",
    tag = "chunks", params(("collection_id" = Uuid, Path), ListChunksQuery, Page),
    responses((status = 200, body = ChunksResponse)),
)]
pub(crate) async fn list_of_chunking(
    state: Shared<State>,
    granted: Granted,
    base_url: BaseUrl,
    query: ListQuery<Page, ListChunksQuery>,
) -> Result<Json<ChunksResponse>, ApiError> {
    list(state, granted, base_url, query).await
}

/// Show a chunk (alternative path)
///
/// The same as `GET /api/v2/collections/{collection_id}/chunks/{chunk_id}`.
#[utoipa::path(
    get, path = "/api/v2/chunking/collections/{collection_id}/chunks/{chunk_id}", operation_id = "getChunkingChunk",
    tag = "chunks", params(("collection_id" = Uuid, Path), ("chunk_id" = Uuid, Path)),
    responses((status = 200, body = ChunkResponse)),
)]
pub(crate) async fn show_of_chunking(
    state: Shared<State>,
    granted: Granted,
    path: ApiPath<(CollectionId, Uuid)>,
    base_url: BaseUrl,
) -> Result<Json<ChunkResponse>, ApiError> {
    show(state, granted, path, base_url).await
}
