//! Where a check continues.

use domain::DocumentId;
use uuid::Uuid;

/// Where a check continues. The parts of a collection are checked in this order; the first page of
/// operations includes the counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// Operations after the one with this sequence number.
    Operations(i64),
    /// Documents after this one, with their points and staged objects.
    Documents(Option<DocumentId>),
    /// Uploaded objects after this key.
    Uploads(Option<String>),
    /// Points from this id on: those of documents that do not exist.
    Points(Option<Uuid>),
}

impl Cursor {
    /// The beginning of a check.
    pub const START: Self = Self::Operations(0);
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operations(after) => write!(formatter, "operations:{after}"),
            Self::Documents(after) => write!(formatter, "documents:{}", or_empty(after.as_ref())),
            Self::Uploads(after) => write!(formatter, "uploads:{}", or_empty(after.as_ref())),
            Self::Points(from) => write!(formatter, "points:{}", or_empty(from.as_ref())),
        }
    }
}

impl std::str::FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(part, place)| {
            let is_first = place.is_empty();
            match part {
                "operations" => Some(Self::Operations(place.parse().ok()?)),
                "documents" if is_first => Some(Self::Documents(None)),
                "documents" => Some(Self::Documents(Some(place.parse().ok()?))),
                "uploads" => Some(Self::Uploads((!is_first).then(|| place.to_owned()))),
                "points" if is_first => Some(Self::Points(None)),
                "points" => Some(Self::Points(Some(place.parse().ok()?))),
                _ => None,
            }
        });
        parsed.ok_or_else(|| {
            let got: String = text.chars().take(64).collect();
            format!("not a cursor; the next_cursor of an earlier response is allowed, got {got:?}")
        })
    }
}

fn or_empty(place: Option<&impl ToString>) -> String {
    place.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back() {
        let id = Uuid::from_u128(7);
        for cursor in [
            Cursor::START,
            Cursor::Operations(12),
            Cursor::Documents(None),
            Cursor::Documents(Some(DocumentId(id))),
            Cursor::Uploads(None),
            Cursor::Uploads(Some("uploads/x/a:b.md".to_owned())),
            Cursor::Points(None),
            Cursor::Points(Some(id)),
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn other_texts_are_no_cursors() {
        for text in ["", "documents", "documents:x", "operations:", "points:1", "rows:"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
