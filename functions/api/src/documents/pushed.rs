//! What clients say of documents that they push, inline or as announced files.

use db::Tx;
use db::sources::NewSource;
use db::uploads::UploadDocument;
use dispatch::lock_collection;
use domain::{CollectionId, DocumentUri, ErrorKind, PushRunId, PushSource};
use lambda::http::{ApiError, FieldErrors};

use crate::State;

/// The most characters of a title.
const MAX_TITLE: usize = 512;
/// The most bytes of a URL.
const MAX_URL: usize = 2048;

/// Validates the title and the URL of a document. A document whose URI is the address of a web page is opened there,
/// unless the client says where else.
pub(crate) fn check_document(
    errors: &mut FieldErrors,
    field: impl Fn(&str) -> String,
    (title, url): (Option<&str>, Option<&str>),
    pushed: Option<(&DocumentUri, &PushSource)>,
) -> UploadDocument {
    let title = title.map(str::trim).filter(|title| !title.is_empty());
    if let Some(title) = title {
        errors.length(&field("title"), title, 1..=MAX_TITLE);
        if title.chars().any(char::is_control) {
            errors.add(field("title"), format!("contains control characters; others allowed, got {title:?}"));
        }
    }
    let url = url.filter(|url| !url.is_empty());
    if let Some(url) = url {
        let is_address = DocumentUri::parse(url).is_ok_and(|parsed| parsed.is_web_address());
        if !is_address || url.len() > MAX_URL {
            errors.add(
                field("url"),
                format!(
                    "wrong format; an http or https address of at most {MAX_URL} bytes allowed, got {url:?}"
                ),
            );
        }
    }
    let own = pushed.map(|(uri, _)| uri).filter(|uri| uri.is_web_address()).map(DocumentUri::as_str);
    UploadDocument {
        pushed: pushed.map(|(uri, source)| (uri.to_string(), source.as_str().to_owned())),
        title: title.map(str::to_owned),
        url: url.or(own).map(str::to_owned),
    }
}

/// Validates a URI.
pub(crate) fn check_uri(errors: &mut FieldErrors, field: &str, uri: &str) -> Option<DocumentUri> {
    DocumentUri::parse(uri).map_err(|error| errors.add(field, error.to_string())).ok()
}

/// Validates the name of a source; without one, it is the default source.
pub(crate) fn check_source(errors: &mut FieldErrors, source: Option<&str>) -> PushSource {
    let Some(name) = source.filter(|name| !name.is_empty()) else {
        return PushSource::default();
    };
    PushSource::parse(name).unwrap_or_else(|error| {
        errors.add("source", error.to_string());
        PushSource::default()
    })
}

/// Whether this is a media type, with or without parameters.
pub(crate) fn is_media_type(text: &str) -> bool {
    text.len() <= 255 && text.parse::<mime::Mime>().is_ok()
}

/// Adds the source if the collection does not have it, and returns the transaction.
///
/// # Errors
/// Returns `Conflict` if the collection has as many sources as it may have.
pub(crate) async fn with_source<T: AsMut<Tx>>(
    mut tx: T,
    collection_id: CollectionId,
    source: &PushSource,
) -> Result<T, ApiError> {
    let source_path = source.source_path();
    // Without a lock, since all but the first push find it.
    if tx.as_mut().collection_sources().find_by_path(collection_id, &source_path).await?.is_some() {
        return Ok(tx);
    }
    let collection = lock_collection(tx, collection_id).await?;
    let (source, _) = collection.add_source(&NewSource::push(collection_id, &source_path)).await?;
    Ok(source.into_tx())
}

/// Checks that these documents may be pushed to the source, and names them in its open run.
///
/// # Errors
/// Returns `Conflict` if a document belongs to another source, or if `run_id` is not the source's open run.
pub(crate) async fn claim(
    tx: &mut Tx,
    collection_id: CollectionId,
    source: &PushSource,
    run_id: Option<PushRunId>,
    uris: &[String],
) -> Result<(), ApiError> {
    let others = tx.collection_sources().find_of_others(collection_id, &source.source_path(), uris).await?;
    if let Some((uri, other)) = others.first() {
        let advice = match PushSource::of_path(other) {
            Some(other) => format!("push it with \"source\": {:?}", other.as_str()),
            None => "change it there".to_owned(),
        };
        return Err(ApiError::new(
            ErrorKind::Conflict,
            format!(
                "{uri:?} is a document of the source {other:?}, not of {:?}; {advice}, or delete it first",
                source.source_path()
            ),
        ));
    }
    let open = tx.push_runs().hold_open(collection_id, source).await?;
    if let Some(wanted) = run_id.filter(|wanted| open != Some(*wanted)) {
        let advice = open.map_or_else(
            || "the source has no open run; begin one, or push without run_id".to_owned(),
            |open| format!("the open run is {open}"),
        );
        return Err(ApiError::new(
            ErrorKind::Conflict,
            format!("{wanted} is not the open run of the source {:?}: {advice}", source.source_path()),
        ));
    }
    if let Some(run_id) = open {
        tx.push_runs().name(run_id, uris).await?;
    }
    Ok(())
}

/// Whether OCR reads the documents of a collection that has it on or off.
pub(crate) fn ocr(state: &State, is_on: bool) -> segmentation::Ocr {
    match (is_on, state.limits.ocr_enabled) {
        (true, true) => segmentation::Ocr::On,
        (true, false) => segmentation::Ocr::NotDeployed,
        (false, _) => segmentation::Ocr::Off,
    }
}
