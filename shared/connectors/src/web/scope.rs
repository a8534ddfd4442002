//! Which pages belong to a source.

use url::Url;

use crate::ConnectorError;
use crate::patterns::Patterns;

/// The most bytes of a URL that is followed.
const MAX_URL_BYTES: usize = 2048;

/// The pages of one host below a path that the patterns include.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    origin: String,
    prefix: String,
    patterns: Patterns,
}

impl Scope {
    /// The pages of the host of `start` whose paths begin with `prefix`.
    pub(crate) fn new(start: &Url, prefix: String, patterns: Patterns) -> Self {
        Self { origin: origin(start), prefix, patterns }
    }

    /// Whether the page may be visited.
    pub(crate) fn contains(&self, url: &Url) -> bool {
        self.is_on_host(url)
            && url.path().starts_with(&self.prefix)
            && url.as_str().len() <= MAX_URL_BYTES
            && url.username().is_empty()
            && url.password().is_none()
    }

    /// Whether the page is a document of the source. Pages that the patterns leave out are visited for their links.
    pub(crate) fn includes(&self, url: &Url) -> bool {
        self.contains(url) && self.patterns.match_path(url.path().trim_start_matches('/'))
    }

    /// Whether the URL is one of the source's host: its sitemaps may be outside the prefix.
    pub(crate) fn is_on_host(&self, url: &Url) -> bool {
        origin(url) == self.origin
    }
}

/// Scheme, host and port.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Reads a URL from a setting, without its fragment.
pub(crate) fn parse_url(field: &'static str, given: &str) -> Result<Url, ConnectorError> {
    let wrong = |reason: &str| {
        let message =
            format!("{reason}; a URL such as https://docs.example.org/guide/ allowed, got {given:?}");
        ConnectorError::invalid(field, message)
    };
    let mut url = Url::parse(given.trim()).map_err(|error| wrong(&format!("wrong format ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("wrong scheme"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Not repeated: it may be a real password.
        let message = "a URL with a user name or password; set the token as a secret of the source instead";
        return Err(ConnectorError::invalid(field, message));
    }
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(wrong(&format!("longer than {MAX_URL_BYTES} bytes")));
    }
    url.set_fragment(None);
    Ok(url)
}

/// The folder of a URL: its path up to the last slash.
pub(crate) fn folder(url: &Url) -> String {
    let path = url.path();
    path.rfind('/').map_or_else(|| "/".to_owned(), |end| path[..=end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_scope_is_one_origin_and_one_folder() {
        let start = url("https://docs.example.org/guide/index.html");
        let scope = Scope::new(&start, folder(&start), Patterns::default());
        for (page, is_in) in [
            ("https://docs.example.org/guide/a/b.html", true),
            ("https://docs.example.org:443/guide/", true),
            ("https://docs.example.org/guide", false),
            ("https://docs.example.org/guidebook", false),
            ("https://docs.example.org/guide/../secret", false),
            ("http://docs.example.org/guide/a", false),
            ("https://docs.example.org:8443/guide/a", false),
            ("https://docs.example.org.evil.test/guide/a", false),
            ("https://user@docs.example.org/guide/a", false),
        ] {
            assert_eq!(scope.contains(&url(page)), is_in, "{page}");
        }
    }

    #[test]
    fn settings_have_web_addresses_without_credentials() {
        assert_eq!(parse_url("url", " https://a.test/x#y ").unwrap().as_str(), "https://a.test/x");
        for wrong in ["docs.example.org", "ftp://a.test/", "file:///etc/passwd", ""] {
            let error = parse_url("url", wrong).unwrap_err();
            assert!(error.to_string().contains(&format!("got {wrong:?}")), "{error}");
        }
        let error = parse_url("url", "https://me:hunter2@a.test/").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
