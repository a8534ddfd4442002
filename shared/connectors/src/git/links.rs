//! Where people read a file of a repository in their browsers.

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::object::ObjectId;
use super::remote::Remote;
use crate::ConnectorError;

/// What is escaped in a path of a URL, so that it cannot end the path.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Makes the URL of a file at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkTemplate(String);

const COMMIT: &str = "{commit}";
const PATH: &str = "{path}";

impl LinkTemplate {
    /// Reads the setting `field`.
    pub(crate) fn parse(field: &'static str, template: &str) -> Result<Self, ConnectorError> {
        let is_web = template.starts_with("https://") || template.starts_with("http://");
        if !is_web || !template.contains(PATH) {
            let message = format!(
                "wrong template; a URL with {{path}} and, for links to the version that was read, {{commit}} allowed, got {template:?}"
            );
            return Err(ConnectorError::invalid(field, message));
        }
        Ok(Self(template.to_owned()))
    }

    /// The template of a host that is known; `None` for others.
    pub(crate) fn of_known_host(remote: &Remote) -> Option<Self> {
        let file = match remote.host() {
            "github.com" => "blob/{commit}/{path}",
            "gitlab.com" => "-/blob/{commit}/{path}",
            "bitbucket.org" => "src/{commit}/{path}",
            "codeberg.org" | "gitea.com" => "src/commit/{commit}/{path}",
            _ => return None,
        };
        Some(Self(format!("https://{}/{}/{file}", remote.host(), remote.name())))
    }

    pub(crate) fn link(&self, commit: ObjectId, path: &[u8]) -> String {
        self.0.replace(COMMIT, &commit.to_string()).replace(PATH, &encode_path(path))
    }
}

/// Spells a path for a URL.
pub(crate) fn encode_path(path: &[u8]) -> String {
    percent_encode(path, IN_PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_known_hosts_and_templates() {
        let commit = ObjectId::from_bytes([0xab; 20]);
        let id = "ab".repeat(20);
        for (url, link) in [
            ("https://github.com/o/r.git", format!("https://github.com/o/r/blob/{id}/a%20b/%23%C3%A9.md")),
            ("git@gitlab.com:g/s/r.git", format!("https://gitlab.com/g/s/r/-/blob/{id}/a%20b/%23%C3%A9.md")),
            ("ssh://git@bitbucket.org/o/r", format!("https://bitbucket.org/o/r/src/{id}/a%20b/%23%C3%A9.md")),
            (
                "https://codeberg.org/o/r",
                format!("https://codeberg.org/o/r/src/commit/{id}/a%20b/%23%C3%A9.md"),
            ),
        ] {
            let template = LinkTemplate::of_known_host(&Remote::parse("url", url).unwrap()).unwrap();
            assert_eq!(template.link(commit, "a b/#é.md".as_bytes()), link);
        }
        let other = Remote::parse("url", "https://git.example.org/o/r").unwrap();
        assert_eq!(LinkTemplate::of_known_host(&other), None);
        let template =
            LinkTemplate::parse("link_template", "https://git.example.org/r/{path}?at={commit}").unwrap();
        assert_eq!(template.link(commit, b"a.md"), format!("https://git.example.org/r/a.md?at={id}"));
        for template in ["{path}", "https://git.example.org/{commit}", "javascript:{path}"] {
            let error = LinkTemplate::parse("link_template", template).unwrap_err();
            assert_eq!(error.field(), Some("link_template"));
        }
    }
}
