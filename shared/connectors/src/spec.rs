//! What a source is, as its owner describes it.

use std::path::{Component, Path, PathBuf};

use domain::SourceType;
use serde_json::{Map, Value, json};

use crate::patterns::Patterns;
use crate::{ConnectorError, ConnectorType};

/// A checked description of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// One file under a configured root.
    File {
        /// Its absolute path.
        path: PathBuf,
    },
    /// A folder under a configured root.
    Directory {
        /// Its absolute path.
        path: PathBuf,
        /// Whether folders in it count too.
        recursive: bool,
        /// Only these, relative to `path`; empty for all.
        include_patterns: Vec<String>,
        /// None of these.
        exclude_patterns: Vec<String>,
        /// What becomes of documents that it no longer has.
        on_missing: OnMissing,
    },
    /// The objects of a bucket whose keys start with a prefix.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What the keys start with; empty for all.
        prefix: String,
        /// Only these, relative to `prefix`; empty for all.
        include_patterns: Vec<String>,
        /// None of these.
        exclude_patterns: Vec<String>,
        /// What becomes of documents that it no longer has.
        on_missing: OnMissing,
    },
}

/// What becomes of documents that a source no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMissing {
    /// They are removed, and can be restored.
    #[default]
    Remove,
    /// They stay searchable and are marked as stale.
    Keep,
}

impl OnMissing {
    /// The words for it, the default first.
    pub const WORDS: &'static [&'static str] = &["remove", "keep"];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Keep => "keep",
        }
    }
}

impl SourceSpec {
    /// Checks a description.
    ///
    /// # Errors
    /// Names the field, what came and what is allowed.
    pub fn parse(source_type: &str, source_config: &Value) -> Result<Self, ConnectorError> {
        let Some(config) = source_config.as_object() else {
            return Err(ConnectorError::invalid("source_config", "it must be an object"));
        };
        let Some(connector) = ConnectorType::find(source_type) else {
            return Err(unknown_type(source_type));
        };
        known_fields(config, connector)?;
        match connector.source_type {
            SourceType::File => Ok(Self::File { path: absolute_path(config)? }),
            SourceType::Directory => {
                let (include_patterns, exclude_patterns) = patterns(config)?;
                let recursive = match config.get("recursive") {
                    None | Some(Value::Null) => true,
                    Some(Value::Bool(recursive)) => *recursive,
                    Some(other) => {
                        return Err(ConnectorError::invalid(
                            "recursive",
                            format!("{other} came; true or false is allowed"),
                        ));
                    }
                };
                Ok(Self::Directory {
                    path: absolute_path(config)?,
                    recursive,
                    include_patterns,
                    exclude_patterns,
                    on_missing: on_missing(config)?,
                })
            }
            SourceType::S3 => {
                let (include_patterns, exclude_patterns) = patterns(config)?;
                let prefix = prefix(config)?;
                Ok(Self::S3 {
                    bucket: bucket(config)?,
                    prefix,
                    include_patterns,
                    exclude_patterns,
                    on_missing: on_missing(config)?,
                })
            }
            SourceType::Upload => Err(unknown_type(source_type)),
        }
    }

    /// The source's type.
    pub fn source_type(&self) -> SourceType {
        match self {
            Self::File { .. } => SourceType::File,
            Self::Directory { .. } => SourceType::Directory,
            Self::S3 { .. } => SourceType::S3,
        }
    }

    /// What becomes of documents that it no longer has; nothing for a source of one document.
    pub fn on_missing(&self) -> Option<OnMissing> {
        match self {
            Self::File { .. } => None,
            Self::Directory { on_missing, .. } | Self::S3 { on_missing, .. } => Some(*on_missing),
        }
    }

    /// What identifies the source within its collection: the path, or `s3://bucket/prefix`.
    pub fn source_path(&self) -> String {
        match self {
            Self::File { path } | Self::Directory { path, .. } => path.display().to_string(),
            Self::S3 { bucket, prefix, .. } => format!("s3://{bucket}/{prefix}"),
        }
    }

    /// The description with its defaults filled in; [`Self::parse`] reads it back.
    pub fn to_config(&self) -> Value {
        match self {
            Self::File { path } => json!({ "path": path }),
            Self::Directory { path, recursive, include_patterns, exclude_patterns, on_missing } => json!({
                "path": path, "recursive": recursive,
                "include_patterns": include_patterns, "exclude_patterns": exclude_patterns,
                "on_missing": on_missing.as_str(),
            }),
            Self::S3 { bucket, prefix, include_patterns, exclude_patterns, on_missing } => json!({
                "bucket": bucket, "prefix": prefix,
                "include_patterns": include_patterns, "exclude_patterns": exclude_patterns,
                "on_missing": on_missing.as_str(),
            }),
        }
    }
}

fn unknown_type(source_type: &str) -> ConnectorError {
    ConnectorError::invalid(
        "source_type",
        format!("{source_type:?} is not known; allowed: {}", ConnectorType::names()),
    )
}

fn known_fields(config: &Map<String, Value>, connector: &ConnectorType) -> Result<(), ConnectorError> {
    let known: Vec<&str> = connector.fields.iter().map(|field| field.name).collect();
    match config.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(ConnectorError::invalid(
            "source_config",
            format!("{key:?} is not a setting of this source; allowed: {}", known.join(", ")),
        )),
    }
}

fn text(config: &Map<String, Value>, field: &'static str) -> Result<Option<String>, ConnectorError> {
    match config.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.contains('\0') => Ok(Some(text.clone())),
        Some(other) => Err(ConnectorError::invalid(
            field,
            format!("{other} came; a text without NUL characters is allowed"),
        )),
    }
}

fn absolute_path(config: &Map<String, Value>) -> Result<PathBuf, ConnectorError> {
    let path = text(config, "path")?.unwrap_or_default();
    let parsed = Path::new(&path);
    let climbs = parsed.components().any(|component| component == Component::ParentDir);
    if !parsed.is_absolute() || climbs {
        return Err(ConnectorError::invalid(
            "path",
            format!(
                "{path:?} came; an absolute path without \"..\" below one of the configured roots is allowed"
            ),
        ));
    }
    // Components drop repeated and trailing slashes: one folder has one identity.
    Ok(parsed.components().collect())
}

/// The rules for names of buckets, as far as they keep a name from being anything else:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn bucket(config: &Map<String, Value>) -> Result<String, ConnectorError> {
    let bucket = text(config, "bucket")?.unwrap_or_default();
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if (3..=63).contains(&bucket.len())
        && bucket.chars().all(is_allowed)
        && bucket.starts_with(ends)
        && bucket.ends_with(ends)
        && !bucket.contains("..")
    {
        return Ok(bucket);
    }
    Err(ConnectorError::invalid(
        "bucket",
        format!(
            "{bucket:?} came; the name of a bucket is allowed: 3 to 63 lower-case letters, digits, dots and hyphens"
        ),
    ))
}

/// Longer than any key is allowed to be, no key could start with it.
const MAX_PREFIX_BYTES: usize = 1024;

fn prefix(config: &Map<String, Value>) -> Result<String, ConnectorError> {
    let prefix = text(config, "prefix")?.unwrap_or_default();
    if prefix.len() <= MAX_PREFIX_BYTES {
        return Ok(prefix);
    }
    let message = format!("{} bytes came; at most {MAX_PREFIX_BYTES} are allowed", prefix.len());
    Err(ConnectorError::invalid("prefix", message))
}

fn on_missing(config: &Map<String, Value>) -> Result<OnMissing, ConnectorError> {
    match text(config, "on_missing")?.as_deref() {
        None | Some("remove") => Ok(OnMissing::Remove),
        Some("keep") => Ok(OnMissing::Keep),
        Some(other) => Err(ConnectorError::invalid(
            "on_missing",
            format!("{other:?} came; allowed: {}", OnMissing::WORDS.join(", ")),
        )),
    }
}

fn patterns(config: &Map<String, Value>) -> Result<(Vec<String>, Vec<String>), ConnectorError> {
    let include = texts(config, "include_patterns")?;
    let exclude = texts(config, "exclude_patterns")?;
    Patterns::new(&include, &exclude)?;
    Ok((include, exclude))
}

fn texts(config: &Map<String, Value>, field: &'static str) -> Result<Vec<String>, ConnectorError> {
    let wrong =
        |came: &Value| ConnectorError::invalid(field, format!("{came} came; a list of texts is allowed"));
    match config.get(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(value))).collect()
        }
        Some(other) => Err(wrong(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_read_back_as_they_were() {
        let given = json!({ "path": "/srv//docs/", "include_patterns": ["*.md"] });
        let spec = SourceSpec::parse("directory", &given).unwrap();
        assert_eq!(spec.source_path(), "/srv/docs");
        assert_eq!(SourceSpec::parse("directory", &spec.to_config()).unwrap(), spec);
        let spec = SourceSpec::parse("s3", &json!({ "bucket": "manuals", "prefix": "a/" })).unwrap();
        assert_eq!(spec.source_path(), "s3://manuals/a/");
        assert_eq!(SourceSpec::parse("s3", &spec.to_config()).unwrap(), spec);
    }

    #[test]
    fn refusals_name_the_field_what_came_and_what_is_allowed() {
        for (source_type, config, field, words) in [
            ("gopher", json!({}), "source_type", ["gopher", "directory, file, s3"]),
            ("directory", json!({ "path": "docs" }), "path", ["docs", "absolute"]),
            ("file", json!({ "path": "/srv/../etc/passwd" }), "path", ["..", "root"]),
            ("s3", json!({ "bucket": "A/B" }), "bucket", ["A/B", "lower-case"]),
            ("s3", json!({ "bucket": "a..b" }), "bucket", ["a..b", "digits"]),
            ("s3", json!({ "bucket": "abc", "prefix": "x".repeat(1025) }), "prefix", ["1025", "1024"]),
            ("directory", json!({ "path": "/a", "recursive": "yes" }), "recursive", ["yes", "true or false"]),
            ("directory", json!({}), "path", ["\"\"", "absolute"]),
            (
                "directory",
                json!({ "path": "/a", "on_missing": "hide" }),
                "on_missing",
                ["hide", "remove, keep"],
            ),
            ("s3", json!({ "bucket": "abc", "region": "x" }), "source_config", ["region", "prefix"]),
            (
                "directory",
                json!({ "path": "/a", "include_patterns": [1] }),
                "include_patterns",
                ["1", "texts"],
            ),
        ] {
            let error = SourceSpec::parse(source_type, &config).unwrap_err();
            assert_eq!(error.field(), Some(field), "{error}");
            assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
        }
    }
}
