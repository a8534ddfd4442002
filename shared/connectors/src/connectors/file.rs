//! One file below a configured root.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{ServerPlace, SourceType};
use serde_json::json;

use crate::clients::Clients;
use crate::files::{authorize, entry, io_error, parse_path, place, require_file, require_utf8, unblock};
use crate::reader::Reading;
use crate::session::{Open, Session, without_connection};
use crate::source::Source;
use crate::{ConfigField, Connector, ConnectorError, FieldValue, Listing, Page, SourcePolicy, SourceReader};

pub(super) static CONNECTOR: Connector = Connector {
    source_type: SourceType::new("file"),
    name: "File",
    description: "One file that this installation can read.",
    fields: &[ConfigField {
        name: "path",
        value: FieldValue::RequiredText,
        description: "The file's absolute path, below one of the roots that the operator allows.",
    }],
    secrets: &[],
    example: || json!({ "path": "/srv/docs/handbook.html" }),
    settings_of_path: |_| None,
    parse: |settings| Ok(Arc::new(SingleFile { path: parse_path(settings)? })),
};

#[derive(Debug)]
struct SingleFile {
    path: PathBuf,
}

impl Source for SingleFile {
    fn source_path(&self) -> String {
        self.path.display().to_string()
    }

    fn authorize(&self, policy: &SourcePolicy) -> Result<(), ConnectorError> {
        authorize(&self.path, policy)
    }

    fn place(&self) -> Option<ServerPlace> {
        Some(place(&self.path))
    }

    fn list<'a>(&'a self, clients: &'a Clients, _: Listing<'a>) -> Reading<'a, Page> {
        let (roots, path) = (clients.roots.clone(), self.path.clone());
        Box::pin(unblock(&self.path, move || {
            let metadata = roots.resolve(&path)?.metadata().map_err(|error| io_error(&path, error))?;
            require_file(&path, &metadata)?;
            let name = require_utf8(Path::new(path.file_name().unwrap_or_default()))?;
            let entries = vec![entry(require_utf8(&path)?.to_owned(), name.to_owned(), &metadata)];
            Ok(Page { entries, ..Page::default() })
        }))
    }

    fn session(self: Arc<Self>, clients: Clients, _: Vec<String>) -> Reading<'static, Box<dyn Session>> {
        without_connection(self, clients)
    }
}

impl Open for SingleFile {
    fn open<'a>(&'a self, clients: &'a Clients, location: &'a str) -> Reading<'a, SourceReader> {
        let (roots, path, location) = (clients.roots.clone(), self.path.clone(), PathBuf::from(location));
        Box::pin(unblock(&self.path, move || {
            if location != path {
                let message =
                    format!("{} is not a document of the source {}", location.display(), path.display());
                return Err(ConnectorError::invalid("location", message));
            }
            roots.open(&path)
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use domain::{Classify, ErrorKind};

    use super::*;
    use crate::{Connectors, SourceSpec};

    fn file(path: &Path) -> SourceSpec {
        let spec = SourceSpec::parse("file", &json!({ "path": path })).unwrap();
        spec.clone().granted(Vec::from_iter(spec.place()))
    }

    #[tokio::test]
    async fn file_reads_back_whole_and_its_change_hint_follows_its_bytes() {
        let root = tempfile::tempdir().unwrap();
        let connectors = Connectors::below(root.path());
        let path = root.path().join("a.txt");
        let bytes: Vec<u8> = (0..700_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        fs::write(&path, &bytes).unwrap();
        let spec = file(&path);
        let listed = connectors.list(&spec, Listing::from_cursor(None)).await.unwrap().entries.remove(0);
        assert_eq!(listed.file_path, "a.txt");
        let session = connectors.session(&spec, Vec::new()).await.unwrap();
        let mut reader = session.open(&listed.location).await.unwrap();
        assert_eq!((reader.change_hint(), reader.size_bytes()), (listed.change_hint.as_deref(), 700_000));
        let mut read = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            read.extend_from_slice(&piece);
        }
        assert!(read == bytes);
        fs::write(&path, "shorter").unwrap();
        let again = connectors.list(&spec, Listing::from_cursor(None)).await.unwrap().entries.remove(0);
        assert_ne!(again.change_hint, listed.change_hint);
    }

    #[tokio::test]
    async fn sources_that_are_no_files_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let connectors = Connectors::below(root.path());
        fs::write(root.path().join("other.txt"), "text").unwrap();
        let gone = root.path().join("gone.txt");
        for (path, kind, word) in [
            (root.path().to_owned(), ErrorKind::Invalid, "a regular file"),
            (gone.clone(), ErrorKind::NotFound, "gone"),
            (root.path().join("x".repeat(300)), ErrorKind::Invalid, "longer"),
            ("/etc/hostname".into(), ErrorKind::Invalid, "root"),
        ] {
            let error = connectors.list(&file(&path), Listing::from_cursor(None)).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
        let other = root.path().join("other.txt");
        let session = connectors.session(&file(&gone), Vec::new()).await.unwrap();
        let error = session.open(other.to_str().unwrap()).await.unwrap_err();
        assert_eq!(error.field(), Some("location"));
    }

    #[test]
    fn path_must_be_absolute_without_parent_components() {
        for path in ["docs/a.txt", "/srv/../etc/passwd", ""] {
            let error = SourceSpec::parse("file", &json!({ "path": path })).unwrap_err();
            assert_eq!(error.field(), Some("path"));
            assert!(
                error.to_string().contains(&format!("absolute path without \"..\" allowed, got {path:?}")),
                "{error}"
            );
        }
    }
}
