//! Office documents and books: ZIP archives of parts.

use std::io::{self, BufReader, Read};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use crate::inflated::Inflated;
use crate::limits::{MAX_DIRECTORY, MAX_PART_BYTES, MAX_SMALL_PART_BYTES};
use crate::xml::{Node, Xml};
use crate::{Input, ParseError};

/// A part that is being read.
pub(crate) type Part<'p, 'a> = Inflated<ZipFile<'p, BufReader<&'a mut dyn Input>>>;

/// An opened package.
pub(crate) struct Package<'a> {
    archive: ZipArchive<BufReader<&'a mut dyn Input>>,
    /// For messages, such as `the Word document`.
    what: &'static str,
}

/// A link from a part to another.
#[derive(Debug)]
pub(crate) struct Relationship {
    pub(crate) id: String,
    /// The last segment of its type, such as `slide`.
    pub(crate) kind: String,
    /// The path of the other part.
    pub(crate) target: String,
}

impl<'a> Package<'a> {
    pub(crate) fn open(input: &'a mut dyn Input, what: &'static str) -> Result<Self, ParseError> {
        let archive = open_archive(input, what)?;
        Ok(Self { archive, what })
    }

    /// Opens the part with this path, or returns `None` if there is none.
    pub(crate) fn part(&mut self, path: &str) -> Result<Option<Part<'_, 'a>>, ParseError> {
        let index = self.archive.index_for_name(path).or_else(|| {
            // Names of parts differ in case between what is written and what is referred to.
            let same = |name: &[u8]| name.eq_ignore_ascii_case(path.as_bytes());
            let name = self.archive.file_names_raw().find(|name| same(name))?.to_owned();
            self.archive.index_for_name_raw(&name)
        });
        let Some(index) = index else {
            return Ok(None);
        };
        let part = self.archive.by_index(index).map_err(|error| zip_failure(self.what, error))?;
        let packed = part.compressed_size();
        Ok(Some(Inflated::new(part, packed, MAX_PART_BYTES)))
    }

    /// Opens the part with this path as XML.
    pub(crate) fn xml(&mut self, path: &str) -> Result<Option<Xml<BufReader<Part<'_, 'a>>>>, ParseError> {
        let what = format!("{} ({path})", self.what);
        Ok(self.part(path)?.map(|part| Xml::new(BufReader::new(part), &what)))
    }

    /// Reads a part as a whole, if it is there.
    pub(crate) fn small_part(&mut self, path: &str) -> Result<Option<Vec<u8>>, ParseError> {
        let what = self.what;
        let Some(part) = self.part(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        part.take(MAX_SMALL_PART_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| io_failure(what, error))?;
        if bytes.len() as u64 > MAX_SMALL_PART_BYTES {
            let limit = MAX_SMALL_PART_BYTES >> 20;
            return Err(ParseError::too_large(format!("{what}: {path} has more than {limit} MiB")));
        }
        Ok(Some(bytes))
    }

    /// Reads the links of a part; of the package itself for an empty path.
    pub(crate) fn relationships(&mut self, path: &str) -> Result<Vec<Relationship>, ParseError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder_slash = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut relationships = Vec::new();
        let Some(bytes) = self.small_part(&format!("{folder_slash}_rels/{name}.rels"))? else {
            return Ok(relationships);
        };
        let mut xml = Xml::new(bytes.as_slice(), self.what);
        while let Some(node) = xml.next()? {
            let Node::Start(element) = node else { continue };
            let external = element.attribute("TargetMode").is_some_and(|mode| mode == "External");
            if element.name() != "Relationship" || external {
                continue;
            }
            let kind = element.attribute("Type").unwrap_or_default();
            relationships.push(Relationship {
                id: element.attribute("Id").unwrap_or_default(),
                kind: kind.rsplit('/').next().unwrap_or_default().to_owned(),
                target: resolve(folder, &element.attribute("Target").unwrap_or_default()),
            });
        }
        Ok(relationships)
    }

    /// Returns the path of the part that the package is about.
    pub(crate) fn main_part(&mut self) -> Result<String, ParseError> {
        let links = self.relationships("")?;
        let main = links.into_iter().find(|link| link.kind == "officeDocument");
        main.map(|link| link.target).ok_or_else(|| ParseError::damaged(self.what, "it has no main part"))
    }

    /// The packed size and the declared size of a part.
    pub(crate) fn declared_bytes(&mut self, path: &str) -> Result<Option<u64>, ParseError> {
        let what = self.what;
        match self.archive.by_name_raw(path.as_bytes()) {
            Ok(part) => Ok(Some(part.size())),
            Err(ZipError::FileNotFound) => Ok(None),
            Err(error) => Err(zip_failure(what, error)),
        }
    }

    /// Whether a part with this path exists.
    pub(crate) fn contains(&self, path: &str) -> bool {
        self.archive.index_for_name(path).is_some()
    }

    /// The paths of all parts.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.archive.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }
}

/// Opens a ZIP archive. `what` names it in messages.
pub(crate) fn open_archive<'a>(
    input: &'a mut dyn Input,
    what: &str,
) -> Result<ZipArchive<BufReader<&'a mut dyn Input>>, ParseError> {
    input.rewind().map_err(ParseError::Input)?;
    let archive = ZipArchive::new(BufReader::new(input)).map_err(|error| zip_failure(what, error))?;
    if archive.len() > MAX_DIRECTORY {
        let reason = format!("{what} has {} members; at most {MAX_DIRECTORY} are allowed", archive.len());
        return Err(ParseError::too_large(reason));
    }
    Ok(archive)
}

pub(crate) fn zip_failure(what: &str, error: ZipError) -> ParseError {
    match error {
        ZipError::InvalidPassword => ParseError::encrypted(what),
        ZipError::UnsupportedArchive(reason) if reason == ZipError::PASSWORD_REQUIRED => {
            ParseError::encrypted(what)
        }
        ZipError::Io(error) => io_failure(what, error),
        other => ParseError::damaged(what, other),
    }
}

/// An error while reading what is inside the document.
pub(crate) fn io_failure(what: &str, error: io::Error) -> ParseError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => ParseError::too_large(error.to_string()),
        _ => ParseError::damaged(what, error),
    }
}

/// Resolves a relative path against a folder.
pub(crate) fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "" | "." => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_relative_to_the_folder_of_their_part() {
        assert_eq!(resolve("ppt/slides", "../notes/n.xml"), "ppt/notes/n.xml");
        assert_eq!(resolve("ppt", "/word/document.xml"), "word/document.xml");
        assert_eq!(resolve("", "../../a/./b"), "a/b");
    }
}
