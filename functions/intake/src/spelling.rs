//! The URIs of uploaded documents, and how names are stored.

use db::Tx;
use domain::{CollectionId, DocumentName, normal_forms};
use lambda::StageError;

/// Returns the URI of a drop's document. A name that is refused is kept as it is: scan fails the document with the
/// reason.
pub(crate) fn drop_uri(name: &str) -> String {
    match DocumentName::parse(name) {
        Ok(name) => format!("upload://{name}"),
        Err(_) => format!("upload://{}", stored(name)),
    }
}

/// Replaces URIs in Normalization Form C by those of documents that were uploaded before names were normalised: their
/// ids are made of them.
pub(crate) async fn keep_spelling(
    tx: &mut Tx,
    collection_id: CollectionId,
    uris: impl Iterator<Item = &mut String>,
) -> Result<(), StageError> {
    let two_spellings: Vec<(&mut String, String)> = uris
        .filter_map(|uri| {
            let decomposed = normal_forms(uri).into_iter().nth(1)?;
            Some((uri, decomposed))
        })
        .collect();
    if two_spellings.is_empty() {
        return Ok(());
    }
    let spellings: Vec<String> = two_spellings
        .iter()
        .flat_map(|(composed, decomposed)| [String::clone(composed), decomposed.clone()])
        .collect();
    let stored = tx.documents().find_uris(collection_id, &spellings).await?;
    for (uri, decomposed) in two_spellings {
        if stored.contains(&decomposed) && !stored.contains(uri) {
            *uri = decomposed;
        }
    }
    Ok(())
}

/// PostgreSQL stores no NUL in texts. Such a name is refused anyway.
pub(crate) fn stored(key: &str) -> String {
    key.replace('\0', "\u{fffd}")
}
