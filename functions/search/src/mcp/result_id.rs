//! The ids that tools return and take.

use std::fmt;

use domain::DocumentId;
use lambda::http::ApiError;

/// The id of a document, `<uuid>`, or of one of its chunks, `<uuid>#<index>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResultId {
    pub(super) document_id: DocumentId,
    /// The index of the chunk.
    pub(super) chunk_index: Option<u32>,
}

impl ResultId {
    /// Parses the argument `id`.
    ///
    /// # Errors
    /// Returns `Invalid` if it has another form.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let (document, chunk) = match text.trim().split_once('#') {
            Some((document, chunk)) => (document, Some(chunk)),
            None => (text.trim(), None),
        };
        let parsed = document.parse().ok().zip(match chunk {
            Some(chunk) => chunk.parse().ok().map(Some),
            None => Some(None),
        });
        let (document_id, chunk_index) = parsed.ok_or_else(|| {
            let shown: String = text.chars().take(64).collect();
            ApiError::invalid_field(
                "id",
                format!("wrong format; an id from search or list_documents allowed, got {shown:?}"),
            )
        })?;
        Ok(Self { document_id: DocumentId(document_id), chunk_index })
    }
}

impl fmt::Display for ResultId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.document_id)?;
        match self.chunk_index {
            Some(index) => write!(formatter, "#{index}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_parsed_as_they_are_written() {
        let document = "7b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f";
        for text in [document.to_owned(), format!("{document}#17")] {
            assert_eq!(ResultId::parse(&format!(" {text} ")).unwrap().to_string(), text);
        }
        for text in ["", "7b0f", "#1", &format!("{document}#"), &format!("{document}#-1")] {
            let error = ResultId::parse(text).unwrap_err();
            assert!(error.detail().starts_with("id: wrong format; an id from search"), "{}", error.detail());
        }
    }
}
