//! The URL at which people open a document, and the place in it.

use url::Url;

use crate::{ChunkPlace, CollectionId, DocumentId};

/// What a link says of a document.
#[derive(Debug, Clone, Copy)]
pub struct LinkedDocument<'a> {
    /// Its collection.
    pub collection_id: CollectionId,
    /// The document.
    pub document_id: DocumentId,
    /// The URL that its source gives it, if any.
    pub url: Option<&'a str>,
    /// Its media type, if it is known.
    pub mime_type: Option<&'a str>,
}

impl LinkedDocument<'_> {
    /// Returns the URL at which people open the document: that of its source, else the download route of the API whose
    /// base URL is `api`.
    ///
    /// In the URL of its source, `place` is named as its viewer expects it: the anchor of a heading in a web page, the
    /// page of a PDF document, the lines of a file that a code host shows. A URL with a fragment keeps it.
    pub fn url(&self, api: &str, place: Option<&ChunkPlace>) -> String {
        let Some(mut url) = self.url.and_then(public_url) else {
            let Self { collection_id, document_id, .. } = self;
            return format!(
                "{}/api/v2/collections/{collection_id}/documents/{document_id}/content",
                api.trim_end_matches('/')
            );
        };
        if let Some(place) = place
            && url.has_host()
            && url.fragment().is_none()
        {
            self.lead_to(place, &mut url);
        }
        url.into()
    }

    fn lead_to(&self, place: &ChunkPlace, url: &mut Url) {
        let media_type = self.mime_type.unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if let (Some(host), Some((first, last))) = (CodeHost::of(url), place.first_line.zip(place.last_line))
        {
            // Markdown has lines in its source only.
            if media_type == "text/markdown" && url.query().is_none() {
                url.set_query(Some("plain=1"));
            }
            url.set_fragment(Some(&host.lines(first, last)));
            return;
        }
        match media_type.as_str() {
            "text/html" | "application/xhtml+xml" => url.set_fragment(place.anchor.as_deref()),
            "application/pdf" => {
                url.set_fragment(place.first_page.map(|page| format!("page={page}")).as_deref());
            }
            _ => {}
        }
    }
}

/// A web interface of Git repositories, known by the paths of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CodeHost {
    /// `/-/blob/`.
    GitLab,
    /// `bitbucket.org`.
    Bitbucket,
    /// `/blob/`, as GitHub has it, or `/src/commit/` and the like, as Gitea and Forgejo do.
    Other,
}

impl CodeHost {
    fn of(url: &Url) -> Option<Self> {
        let path = url.path();
        let has = |part: &str| path.contains(part);
        if has("/-/blob/") {
            return Some(Self::GitLab);
        }
        if url.host_str() == Some("bitbucket.org") && has("/src/") {
            return Some(Self::Bitbucket);
        }
        let is_file = ["/blob/", "/src/commit/", "/src/branch/", "/src/tag/"].into_iter().any(has);
        is_file.then_some(Self::Other)
    }

    fn lines(self, first: u32, last: u32) -> String {
        match self {
            Self::Bitbucket => format!("lines-{first}:{last}"),
            _ if first == last => format!("L{first}"),
            Self::GitLab => format!("L{first}-{last}"),
            Self::Other => format!("L{first}-L{last}"),
        }
    }
}

/// Parses a URL that may be shown to everyone who can read the document and be opened in their browser: one of the web
/// without credentials, or that of a mail (RFC 2392).
fn public_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    // A host may have a quotation mark, which would end the attribute of a page that shows the link.
    let is_plain = url.as_str().bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte));
    let is_public = match url.scheme() {
        "http" | "https" => is_plain && url.username().is_empty() && url.password().is_none(),
        "mid" => is_plain && !url.path().is_empty(),
        _ => false,
    };
    is_public.then_some(url)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const API: &str = "https://api.example.org/prod/";

    fn link(url: Option<&str>, mime_type: &str, place: &ChunkPlace) -> String {
        let document = LinkedDocument {
            collection_id: CollectionId(Uuid::nil()),
            document_id: DocumentId(Uuid::max()),
            url,
            mime_type: Some(mime_type),
        };
        document.url(API, Some(place))
    }

    fn place() -> ChunkPlace {
        ChunkPlace {
            anchor: Some("the tide".to_owned()),
            first_page: Some(3),
            last_page: Some(4),
            first_line: Some(10),
            last_line: Some(20),
            ..ChunkPlace::default()
        }
    }

    #[test]
    fn place_is_named_as_the_viewer_expects_it() {
        let page = "https://example.org/tides";
        for (url, mime_type, expected) in [
            (page, "text/html; charset=utf-8", "https://example.org/tides#the%20tide"),
            ("https://example.org/tides#moon", "text/html", "https://example.org/tides#moon"),
            ("https://example.org/t.pdf?v=1", "application/pdf", "https://example.org/t.pdf?v=1#page=3"),
            (page, "text/plain", page),
            (
                "https://github.com/o/r/blob/1f2e/src/a.rs",
                "text/x-rust",
                "https://github.com/o/r/blob/1f2e/src/a.rs#L10-L20",
            ),
            (
                "https://github.com/o/r/blob/1f2e/README.md",
                "text/markdown",
                "https://github.com/o/r/blob/1f2e/README.md?plain=1#L10-L20",
            ),
            (
                "https://gitlab.com/o/r/-/blob/1f2e/a.rs",
                "text/plain",
                "https://gitlab.com/o/r/-/blob/1f2e/a.rs#L10-20",
            ),
            (
                "https://codeberg.org/o/r/src/commit/1f2e/a.rs",
                "text/plain",
                "https://codeberg.org/o/r/src/commit/1f2e/a.rs#L10-L20",
            ),
            (
                "https://bitbucket.org/o/r/src/1f2e/a.rs",
                "text/plain",
                "https://bitbucket.org/o/r/src/1f2e/a.rs#lines-10:20",
            ),
            ("https://github.com/o/r/issues/5", "text/markdown", "https://github.com/o/r/issues/5"),
            ("mid:a.b@example.org", "message/rfc822", "mid:a.b@example.org"),
        ] {
            assert_eq!(link(Some(url), mime_type, &place()), expected);
        }
        let first_line = ChunkPlace { last_line: Some(10), ..place() };
        assert!(link(Some("https://x.org/o/r/blob/1/a.rs"), "text/plain", &first_line).ends_with("#L10"));
    }

    #[test]
    fn document_without_a_public_url_is_downloaded_from_the_api() {
        let download = format!(
            "https://api.example.org/prod/api/v2/collections/{}/documents/{}/content",
            Uuid::nil(),
            Uuid::max()
        );
        for url in [
            None,
            Some(""),
            Some("notes/a.md"),
            Some("file:///etc/passwd"),
            Some("javascript:alert(1)"),
            Some("data:text/html,x"),
            Some("https://ada:secret@example.org/"),
            Some("https://"),
            Some("https://exa mple.org/"),
            Some("mid:"),
            Some("mid:<a@example.org>"),
        ] {
            assert_eq!(link(url, "text/html", &place()), download, "{url:?}");
        }
    }

    #[test]
    fn a_host_with_a_quotation_mark_is_no_link() {
        let shown = link(Some("http:/\""), "text/plain", &ChunkPlace::default());
        assert!(shown.starts_with("https://api.example.org/prod/api/v2/"), "{shown}");
    }

    proptest! {
        #[test]
        fn link_is_a_valid_url_whatever_the_source_and_the_document_say(
            url in prop_oneof![
                ".{0,60}",
                "(https?|mid|ftp|javascript):(//)?[a-z0-9.:@\\[\\]é-]{0,20}(/[^/]{0,9}){0,4}(\\?.{0,9})?",
                "https://[a-z]{1,9}/(blob|-/blob|src/tag)/.{0,20}",
            ],
            mime_type in "(text/html|text/markdown|application/pdf|.{0,20})",
            anchor in proptest::option::of(".{0,40}"),
            numbers in proptest::collection::vec(proptest::option::of(any::<u32>()), 3),
        ) {
            let place = ChunkPlace {
                anchor,
                first_page: numbers[0],
                first_line: numbers[1],
                last_line: numbers[2],
                ..ChunkPlace::default()
            };
            let link = link(Some(&url), &mime_type, &place);
            let parsed = Url::parse(&link).unwrap();
            prop_assert_eq!(parsed.as_str(), &link, "it is normalised");
            prop_assert!(["http", "https", "mid"].contains(&parsed.scheme()));
            prop_assert!(link.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte)), "{}", link);
        }
    }
}
