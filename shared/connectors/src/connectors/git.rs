//! The files of a git repository.

use std::sync::Arc;

use domain::{SecretType, SourceType};
use serde_json::json;

use crate::clients::Clients;
use crate::field::{EXCLUDE_PATTERNS, INCLUDE_PATTERNS, ON_MISSING};
use crate::git::blobs::Blobs;
use crate::git::links::LinkTemplate;
use crate::git::remote::{Place, Remote};
use crate::git::repository::Repository;
use crate::git::ssh::parse_host_key;
use crate::patterns::Patterns;
use crate::reader::Reading;
use crate::session::Session;
use crate::settings::Settings;
use crate::source::Source;
use crate::{ConfigField, Connector, ConnectorError, FieldValue, Listing, Page, SecretField, SourceReader};

/// The setting that bounds files of repositories.
pub(super) const MAX_FILE_BYTES: ConfigField = ConfigField {
    name: "max_file_bytes",
    value: FieldValue::Integer { default: 10_000_000, min: 1000, max: 50_000_000 },
    description: "The most bytes of a file. A larger one fails.",
};

pub(super) static CONNECTOR: Connector = Connector {
    source_type: SourceType::new("git"),
    name: "Git repository",
    description: "The files of a branch or tag of a git repository, over HTTPS or SSH. No history is read and nothing is cloned.",
    fields: &[
        ConfigField {
            name: "url",
            value: FieldValue::RequiredText,
            description: "The address to clone from: https://host/path, ssh://user@host/path or user@host:path.",
        },
        ConfigField {
            name: "ref",
            value: FieldValue::Text,
            description: "A branch, a tag or a full ref such as refs/heads/main; empty for the repository's default branch.",
        },
        INCLUDE_PATTERNS,
        EXCLUDE_PATTERNS,
        MAX_FILE_BYTES,
        ConfigField {
            name: "username",
            value: FieldValue::Text,
            description: "Over HTTPS, the user of the secret: required with a password; with a token, x-access-token by default, which most servers accept.",
        },
        ConfigField {
            name: "host_key",
            value: FieldValue::Text,
            description: "Required for SSH: the server's public key, such as \"ssh-ed25519 AAAA…\", a line of `ssh-keyscan HOST`. Compare it with what the server's operator publishes.",
        },
        ConfigField {
            name: "link_template",
            value: FieldValue::Text,
            description: "The address of a file for people, with {commit} and {path}. Empty for that of github.com, gitlab.com, bitbucket.org, codeberg.org and gitea.com, and for none elsewhere.",
        },
        ON_MISSING,
    ],
    secrets: &[
        SecretField {
            secret_type: SecretType::Token,
            is_required: false,
            description: "Over HTTPS, an access token that may read the repository.",
        },
        SecretField {
            secret_type: SecretType::Password,
            is_required: false,
            description: "Over HTTPS or SSH, the password of the user, where there are no tokens or keys.",
        },
        SecretField {
            secret_type: SecretType::SshKey,
            is_required: false,
            description: "Over SSH, a private key whose public key the server knows (a deploy key).",
        },
        SecretField {
            secret_type: SecretType::SshPassphrase,
            is_required: false,
            description: "The passphrase of the SSH key, if it is encrypted.",
        },
    ],
    example: || json!({ "url": "https://github.com/rust-lang/book.git", "include_patterns": ["*.md"] }),
    settings_of_path: |path| {
        // Over SSH, it takes a host key, too.
        let is_repository = path.starts_with("https://") && path.ends_with(".git");
        is_repository.then(|| json!({ "url": path }))
    },
    parse: |settings| Ok(Arc::new(parse(settings)?)),
};

fn parse(settings: &Settings) -> Result<Repository, ConnectorError> {
    let remote = Remote::parse("url", settings.text("url"))?;
    let host_key = match settings.text("host_key") {
        "" if remote.is_ssh() => {
            let message = format!("is required for SSH; a line of `ssh-keyscan {}` allowed", remote.host());
            return Err(ConnectorError::invalid("host_key", message));
        }
        "" => None,
        text => Some(parse_host_key("host_key", text)?),
    };
    let links = match settings.text("link_template") {
        "" => LinkTemplate::of_known_host(&remote),
        template => Some(LinkTemplate::parse("link_template", template)?),
    };
    let ref_name = parse_ref(settings.text("ref"))?;
    let place = Place { remote, username: settings.text("username").to_owned(), host_key };
    let (patterns, max_file_bytes) = (Patterns::parse(settings)?, settings.number(MAX_FILE_BYTES.name));
    Ok(Repository { place, ref_name, patterns, max_file_bytes, links })
}

/// As `git check-ref-format`, as far as a name could be read as something else in a request.
pub(super) fn parse_ref(name: &str) -> Result<String, ConnectorError> {
    let is_allowed = |char: char| !char.is_control() && !" ~^:?*[\\".contains(char);
    if name.chars().all(is_allowed) && !name.starts_with(['-', '/']) && !name.contains("..") {
        return Ok(name.to_owned());
    }
    let message = format!("wrong name; a branch, a tag or a full ref allowed, got {name:?}");
    Err(ConnectorError::invalid("ref", message))
}

impl Source for Repository {
    fn source_path(&self) -> String {
        self.uri()
    }

    fn list<'a>(&'a self, clients: &'a Clients, listing: Listing<'a>) -> Reading<'a, Page> {
        Box::pin(self.list(clients, listing))
    }

    fn session(
        self: Arc<Self>,
        clients: Clients,
        locations: Vec<String>,
    ) -> Reading<'static, Box<dyn Session>> {
        Box::pin(async move {
            let blobs = self.fetch(clients, &locations).await?;
            Ok(Box::new(RepositorySession { repository: self, blobs }) as Box<dyn Session>)
        })
    }
}

#[derive(Debug)]
struct RepositorySession {
    repository: Arc<Repository>,
    blobs: Blobs,
}

impl Session for RepositorySession {
    fn open<'a>(&'a self, location: &'a str) -> Reading<'a, SourceReader> {
        Box::pin(self.repository.open(&self.blobs, location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SourceSpec;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn settings_are_checked() {
        for (settings, field) in [
            (json!({ "url": "git@github.com:o/r.git" }), "host_key"),
            (json!({ "url": "git@github.com:o/r.git", "host_key": "AAAA" }), "host_key"),
            (json!({ "url": "https://h/r", "ref": "a b" }), "ref"),
            (json!({ "url": "https://h/r", "ref": "main\nwant x" }), "ref"),
            (json!({ "url": "https://h/r", "ref": "a..b" }), "ref"),
            (json!({ "url": "https://h/r", "link_template": "https://h/" }), "link_template"),
            (json!({ "url": "/srv/repository" }), "url"),
        ] {
            assert_eq!(SourceSpec::parse("git", &settings).unwrap_err().field(), Some(field), "{settings}");
        }
        for host_key in [KEY.to_owned(), format!("github.com {KEY} comment")] {
            let settings = json!({ "url": "git@github.com:o/r.git", "host_key": host_key, "ref": "v1/x" });
            let source = SourceSpec::parse("git", &settings).unwrap();
            assert_eq!(source.source_path(), "git+ssh://git@github.com/o/r.git?ref=v1/x");
        }
    }

    #[test]
    fn paths_of_repositories_are_read() {
        for (path, is_git) in [("https://github.com/o/r.git", true), ("https://example.org/page", false)] {
            let described = SourceSpec::describe_path(path).unwrap();
            assert_eq!(described.0.as_str() == "git", is_git, "{path}");
        }
    }
}
