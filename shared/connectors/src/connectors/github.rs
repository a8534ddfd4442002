//! Repositories of GitHub: files, issues, pull requests and discussions.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{SecretType, SourceType};
use egress::Url;
use serde_json::json;

use super::git::MAX_FILE_BYTES;
use crate::clients::Clients;
use crate::field::{EXCLUDE_PATTERNS, INCLUDE_PATTERNS, ON_MISSING};
use crate::git::blobs::Blobs;
use crate::git::links::LinkTemplate;
use crate::git::remote::{Place, Remote};
use crate::git::repository::Repository;
use crate::github::api::{Api, ApiUrls};
use crate::github::document::Kind;
use crate::github::selection::Selection;
use crate::github::steps::FILE;
use crate::github::{discussions, issues};
use crate::patterns::Patterns;
use crate::reader::Reading;
use crate::session::Session;
use crate::settings::Settings;
use crate::source::Source;
use crate::{ConfigField, Connector, ConnectorError, FieldValue, Listing, Page, SecretField, SourceReader};

pub(super) static CONNECTOR: Connector = Connector {
    source_type: SourceType::new("github"),
    name: "GitHub",
    description: "Repositories of GitHub or of a GitHub Enterprise Server: files, issues, pull requests and discussions, each thread with its comments as one document.",
    fields: &[
        ConfigField {
            name: "repositories",
            value: FieldValue::RequiredTextList,
            description: "The repositories as owner/name, at most 20.",
        },
        ConfigField {
            name: "files",
            value: FieldValue::Boolean { default: true },
            description: "Whether the files of the default branch are read. For another branch, add a source of type git.",
        },
        ConfigField {
            name: "issues",
            value: FieldValue::Boolean { default: true },
            description: "Whether issues are read.",
        },
        ConfigField {
            name: "pull_requests",
            value: FieldValue::Boolean { default: true },
            description: "Whether pull requests are read, with their reviews.",
        },
        ConfigField {
            name: "discussions",
            value: FieldValue::Boolean { default: false },
            description: "Whether discussions are read, which needs a token.",
        },
        ConfigField {
            name: "state",
            value: FieldValue::Word(&["all", "open", "closed"]),
            description: "Which issues, pull requests and discussions are read.",
        },
        INCLUDE_PATTERNS,
        EXCLUDE_PATTERNS,
        MAX_FILE_BYTES,
        ConfigField {
            name: "api_url",
            value: FieldValue::Text,
            description: "The API of a GitHub Enterprise Server, https://HOST/api/v3; empty for https://api.github.com.",
        },
        ON_MISSING,
    ],
    secrets: &[SecretField {
        secret_type: SecretType::Token,
        is_required: false,
        description: "A token that may read the repositories (fine-grained: contents, issues, pull requests and discussions, read-only). Without one, only public repositories are read, without discussions and at 60 requests an hour.",
    }],
    example: || json!({ "repositories": ["rust-lang/book"], "include_patterns": ["*.md"], "pull_requests": false }),
    settings_of_path: |path| {
        let name = path.strip_prefix("https://github.com/")?.trim_end_matches('/');
        is_repository(name).then(|| json!({ "repositories": [name] }))
    },
    parse: |settings| Ok(Arc::new(Github(parse(settings)?))),
};

const GITHUB_API: &str = "https://api.github.com";
const MAX_REPOSITORIES: usize = 20;

#[derive(Debug)]
struct Github(Selection);

fn parse(settings: &Settings) -> Result<Selection, ConnectorError> {
    let urls = match settings.text("api_url") {
        "" => ApiUrls::parse("api_url", GITHUB_API)?,
        text => ApiUrls::parse("api_url", text)?,
    };
    let names = settings.texts("repositories");
    if names.len() > MAX_REPOSITORIES {
        let message = format!("too many; at most {MAX_REPOSITORIES} allowed, got {}", names.len());
        return Err(ConnectorError::invalid("repositories", message));
    }
    let mut repositories: Vec<String> = Vec::new();
    for name in names {
        if !is_repository(name) {
            let message = format!("wrong name; owner/name allowed, got {name:?}");
            return Err(ConnectorError::invalid("repositories", message));
        }
        // GitHub ignores case.
        if !repositories.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            repositories.push(name.to_owned());
        }
    }
    let reads = |name| settings.boolean(name);
    if !["files", "issues", "pull_requests", "discussions"].into_iter().any(reads) {
        let message = "nothing is read; true for files, issues, pull_requests or discussions allowed, got false for all";
        return Err(ConnectorError::invalid("files", message));
    }
    // Checked even if no files are read.
    let patterns = Patterns::parse(settings)?;
    let mut files = Vec::new();
    for name in repositories.iter().filter(|_| reads("files")) {
        let remote = Remote::parse("repositories", &format!("{}/{name}.git", urls.web))?;
        let template = format!("{}/{name}/blob/{{commit}}/{{path}}", urls.web);
        files.push(Repository {
            place: Place { remote, username: String::new(), host_key: None },
            ref_name: String::new(),
            patterns: patterns.clone(),
            max_file_bytes: settings.number(MAX_FILE_BYTES.name),
            links: Some(LinkTemplate::parse("api_url", &template)?),
        });
    }
    Ok(Selection {
        urls,
        repositories,
        files,
        issues: reads("issues"),
        pull_requests: reads("pull_requests"),
        discussions: reads("discussions"),
        state: settings.text("state").to_owned(),
    })
}

/// Whether it is `owner/name`.
fn is_repository(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=100).contains(&part.len()) && part.bytes().all(is_allowed) && part != "." && part != ".."
    };
    name.split_once('/')
        .is_some_and(|(owner, name)| is_part(owner) && is_part(name) && !name.ends_with(".git"))
}

impl Source for Github {
    fn source_path(&self) -> String {
        let Selection { urls, repositories, .. } = &self.0;
        let host =
            Url::parse(&urls.web).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let mut sorted: Vec<String> = repositories.iter().map(|name| format!("{host}/{name}")).collect();
        sorted.sort();
        sorted.join(", ")
    }

    fn list<'a>(&'a self, clients: &'a Clients, listing: Listing<'a>) -> Reading<'a, Page> {
        Box::pin(self.0.list(clients, listing))
    }

    fn session(
        self: Arc<Self>,
        clients: Clients,
        locations: Vec<String>,
    ) -> Reading<'static, Box<dyn Session>> {
        Box::pin(async move {
            let mut files: HashMap<String, Vec<String>> = HashMap::new();
            for location in &locations {
                if let Ok(Location::File { repository, location }) = Location::parse(location) {
                    files.entry(repository.to_owned()).or_default().push(location.to_owned());
                }
            }
            let mut blobs = HashMap::new();
            for (index, repository) in self.0.files.iter().enumerate() {
                let name = &self.0.repositories[index];
                let locations = files.remove(name).unwrap_or_default();
                blobs.insert(
                    name.clone(),
                    (repository.clone(), repository.fetch(clients.clone(), &locations).await?),
                );
            }
            Ok(Box::new(GithubSession { source: self, clients, blobs }) as Box<dyn Session>)
        })
    }
}

#[derive(Debug)]
struct GithubSession {
    source: Arc<Github>,
    clients: Clients,
    /// By repository.
    blobs: HashMap<String, (Repository, Blobs)>,
}

impl Session for GithubSession {
    fn open<'a>(&'a self, location: &'a str) -> Reading<'a, SourceReader> {
        Box::pin(async move {
            let selection = &self.source.0;
            let foreign = || {
                let message =
                    format!("{location:?} is not a document of the source {}", self.source.source_path());
                ConnectorError::invalid("location", message)
            };
            let api = Api { urls: &selection.urls, clients: &self.clients };
            match Location::parse(location).map_err(|()| foreign())? {
                Location::File { repository, location } => {
                    let (files, blobs) = self.blobs.get(repository).ok_or_else(foreign)?;
                    files.open(blobs, location).await
                }
                Location::Thread { repository, .. }
                    if !selection.repositories.iter().any(|name| name == repository) =>
                {
                    Err(foreign())
                }
                Location::Thread { kind: Kind::Discussion, repository, number } => {
                    discussions::open(&api, repository, number).await
                }
                Location::Thread { repository, number, .. } => issues::open(&api, repository, number).await,
            }
        })
    }
}

/// A location, read back.
enum Location<'a> {
    File { repository: &'a str, location: &'a str },
    Thread { kind: Kind, repository: &'a str, number: u64 },
}

impl<'a> Location<'a> {
    fn parse(text: &'a str) -> Result<Self, ()> {
        let (kind, rest) = text.split_once(' ').ok_or(())?;
        let (repository, rest) = rest.split_once(' ').ok_or(())?;
        if kind == FILE {
            return Ok(Self::File { repository, location: rest });
        }
        let kind = Kind::of_segment(kind).ok_or(())?;
        Ok(Self::Thread { kind, repository, number: rest.parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SourceSpec;

    #[test]
    fn settings_are_checked() {
        for (settings, field) in [
            (json!({ "repositories": [] }), "repositories"),
            (json!({ "repositories": ["rust-lang"] }), "repositories"),
            (json!({ "repositories": ["a/b/c"] }), "repositories"),
            (json!({ "repositories": ["../etc"] }), "repositories"),
            (json!({ "repositories": ["a/b?x"] }), "repositories"),
            (json!({ "repositories": vec!["a/b"; 21] }), "repositories"),
            (
                json!({ "repositories": ["a/b"], "files": false, "issues": false, "pull_requests": false }),
                "files",
            ),
            (json!({ "repositories": ["a/b"], "state": "merged" }), "state"),
            (json!({ "repositories": ["a/b"], "api_url": "https://github.com" }), "api_url"),
        ] {
            assert_eq!(
                SourceSpec::parse("github", &settings).unwrap_err().field(),
                Some(field),
                "{settings}"
            );
        }
        let settings =
            json!({ "repositories": ["b/c", "a/b", "A/b"], "api_url": "https://ghe.corp.example/api/v3/" });
        let source = SourceSpec::parse("github", &settings).unwrap();
        assert_eq!(source.source_path(), "ghe.corp.example/a/b, ghe.corp.example/b/c");
    }

    #[test]
    fn addresses_of_repositories_are_read() {
        for (path, source_type) in [
            ("https://github.com/rust-lang/book", "github"),
            ("https://github.com/rust-lang/book/", "github"),
            ("https://github.com/rust-lang/book.git", "git"),
            ("https://github.com/rust-lang/book/issues", "url"),
            ("https://github.com/rust-lang", "url"),
        ] {
            assert_eq!(SourceSpec::describe_path(path).unwrap().0.as_str(), source_type, "{path}");
        }
    }
}
