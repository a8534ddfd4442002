//! The files of a folder below a configured root.

use std::fs::Metadata;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use domain::{ServerPlace, SourceType};
use serde_json::json;

use crate::clients::Clients;
use crate::field::{EXCLUDE_PATTERNS, INCLUDE_PATTERNS, ON_MISSING};
use crate::files::{Roots, authorize, entry, parse_path, place, require_utf8, unblock};
use crate::patterns::Patterns;
use crate::reader::Reading;
use crate::session::{Open, Session, without_connection};
use crate::settings::Settings;
use crate::source::Source;
use crate::walk::{Visitor, Walk};
use crate::{
    ConfigField, Connector, ConnectorError, FieldValue, Listing as PageRequest, Page, SourcePolicy,
    SourceReader,
};

pub(super) static CONNECTOR: Connector = Connector {
    source_type: SourceType::new("directory"),
    name: "Directory",
    description: "The files of a folder that this installation can read.",
    fields: &[
        ConfigField {
            name: "path",
            value: FieldValue::RequiredText,
            description: "The folder's absolute path, below one of the roots that the operator allows.",
        },
        ConfigField {
            name: "recursive",
            value: FieldValue::Boolean { default: true },
            description: "Whether subfolders are read too.",
        },
        INCLUDE_PATTERNS,
        EXCLUDE_PATTERNS,
        ON_MISSING,
    ],
    secrets: &[],
    example: || json!({ "path": "/srv/docs", "recursive": true, "include_patterns": ["**/*.md"] }),
    settings_of_path: |path| (!path.contains("://")).then(|| json!({ "path": path })),
    parse: |settings| Ok(Arc::new(Folder::parse(settings)?)),
};

#[derive(Debug, Clone)]
struct Folder {
    path: PathBuf,
    recursive: bool,
    patterns: Patterns,
}

impl Folder {
    fn parse(settings: &mut Settings) -> Result<Self, ConnectorError> {
        Ok(Self {
            path: parse_path(settings)?,
            recursive: settings.boolean("recursive"),
            patterns: Patterns::parse(settings)?,
        })
    }

    /// Lists a page, sorted by path. Hidden files and folders are left out: they belong to version
    /// control and editors. Blocks.
    ///
    /// Documents are named by the path in the settings, not by where its links lead: they keep their
    /// identity when a link such as `current` moves to a new release.
    fn list(&self, roots: &Roots, cursor: Option<&Path>, limit: usize) -> Result<Page, ConnectorError> {
        if !roots.resolve(&self.path)?.is_dir() {
            let message = format!(
                "not a folder; a folder allowed (source_type file reads a single file), got {:?}",
                self.path
            );
            return Err(ConnectorError::invalid("path", message));
        }
        let page = Page::default();
        let path = require_utf8(&self.path)?;
        let mut listing = Listing { roots, path, patterns: &self.patterns, limit, page };
        // A full page has its cursor, and a walk that reached the end needs none.
        let _: ControlFlow<()> = Walk::new(&self.path, self.recursive, &mut listing).run(cursor)?;
        Ok(listing.page)
    }
}

impl Source for Folder {
    fn source_path(&self) -> String {
        self.path.display().to_string()
    }

    fn authorize(&self, policy: &SourcePolicy) -> Result<(), ConnectorError> {
        authorize(&self.path, policy)
    }

    fn place(&self) -> Option<ServerPlace> {
        Some(place(&self.path))
    }

    fn list<'a>(&'a self, clients: &'a Clients, request: PageRequest<'a>) -> Reading<'a, Page> {
        let (folder, roots, limit) = (self.clone(), clients.roots.clone(), request.limit);
        let cursor = request.cursor.map(PathBuf::from);
        Box::pin(unblock(&self.path, move || folder.list(&roots, cursor.as_deref(), limit)))
    }

    fn session(self: Arc<Self>, clients: Clients, _: Vec<String>) -> Reading<'static, Box<dyn Session>> {
        without_connection(self, clients)
    }
}

impl Open for Folder {
    fn open<'a>(&'a self, clients: &'a Clients, location: &'a str) -> Reading<'a, SourceReader> {
        let (folder, roots, location) = (self.path.clone(), clients.roots.clone(), PathBuf::from(location));
        Box::pin(unblock(&self.path, move || {
            let climbs = location.components().any(|component| component == Component::ParentDir);
            if !location.starts_with(&folder) || climbs {
                let message =
                    format!("{} is not a document of the source {}", location.display(), folder.display());
                return Err(ConnectorError::invalid("location", message));
            }
            roots.open(&location)
        }))
    }
}

/// A page that a walk fills.
#[derive(Debug)]
struct Listing<'a> {
    roots: &'a Roots,
    path: &'a str,
    patterns: &'a Patterns,
    limit: usize,
    page: Page,
}

impl Visitor for Listing<'_> {
    fn may_follow(&self, resolved: &Path) -> bool {
        self.roots.contain(resolved)
    }

    fn unreadable(&mut self) {
        self.page.unreadable += 1;
    }

    fn file(&mut self, relative: &str, metadata: &Metadata) -> ControlFlow<()> {
        if !self.patterns.match_path(relative) {
            return ControlFlow::Continue(());
        }
        let entries = &mut self.page.entries;
        // Another page is needed only for a file that does not fit, so that the last page is never empty.
        if entries.len() == self.limit {
            self.page.next = entries.last().map(|entry| entry.file_path.clone());
            return ControlFlow::Break(());
        }
        let location = format!("{}/{relative}", self.path.trim_end_matches('/'));
        entries.push(entry(location, relative.to_owned(), metadata));
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests;
