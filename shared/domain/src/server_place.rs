//! Places on the server's side that sources read, and that an administrator grants.

use std::fmt;
use std::path::Path;

/// A place on the server's side: part of a bucket, or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerPlace {
    /// The objects of a bucket whose keys start with a prefix; all of them if it is empty.
    Bucket {
        /// Name of the bucket.
        bucket: String,
        /// The prefix. That of a grant is empty or ends with `/`, so that it is a folder; only the grants that an
        /// upgrade made for existing sources have the prefixes of these.
        prefix: String,
    },
    /// A directory with everything below it, or one file.
    Directory {
        /// The absolute path.
        path: String,
    },
}

impl ServerPlace {
    /// Returns the objects of a bucket below a folder; all of them without one.
    pub fn folder(bucket: impl Into<String>, folder: &str) -> Self {
        let folder = folder.trim_end_matches('/');
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        Self::Bucket { bucket: bucket.into(), prefix }
    }

    /// Returns whether a grant of this place covers the other one. Only whole path segments count: `a/b` covers
    /// `a/b/c` and not `a/bc`.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Bucket { bucket, prefix: granted },
                Self::Bucket { bucket: other_bucket, prefix: wanted },
            ) => bucket == other_bucket && covers_key(granted, wanted),
            (Self::Directory { path: granted }, Self::Directory { path: wanted }) => {
                Path::new(wanted).starts_with(granted)
            }
            _ => false,
        }
    }
}

/// A grant of `a/` covers the key `a` itself, too: the prefix of a source may be a whole key, and lists more than
/// the folder if it lacks the slash. Hence every listed key is checked as well.
fn covers_key(granted: &str, key: &str) -> bool {
    key.starts_with(granted) || granted.strip_suffix('/') == Some(key)
}

impl fmt::Display for ServerPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket { bucket, prefix } => write!(formatter, "s3://{bucket}/{prefix}"),
            Self::Directory { path } => formatter.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(bucket: &str, prefix: &str) -> ServerPlace {
        ServerPlace::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() }
    }

    fn directory(path: &str) -> ServerPlace {
        ServerPlace::Directory { path: path.to_owned() }
    }

    #[test]
    fn a_folder_ends_with_one_slash_or_is_the_whole_bucket() {
        for (folder, prefix) in [("", ""), ("/", ""), ("a/b", "a/b/"), ("a/b/", "a/b/"), ("a/b//", "a/b/")] {
            assert_eq!(ServerPlace::folder("m", folder), bucket("m", prefix), "{folder}");
        }
    }

    #[test]
    fn a_grant_covers_whole_path_segments_only() {
        for (granted, wanted, covers) in [
            (bucket("m", "a/b/"), bucket("m", "a/b/"), true),
            (bucket("m", "a/b/"), bucket("m", "a/b"), true),
            (bucket("m", "a/b/"), bucket("m", "a/b/c.pdf"), true),
            (bucket("m", "a/b/"), bucket("m", "a/bc"), false),
            (bucket("m", "a/b/"), bucket("m", "a/bc/"), false),
            (bucket("m", "a/b/"), bucket("m", "a/"), false),
            (bucket("m", "a/b/"), bucket("m", ""), false),
            (bucket("m", "a/b/"), bucket("n", "a/b/c"), false),
            (bucket("m", ""), bucket("m", ""), true),
            (bucket("m", ""), bucket("m", "a"), true),
            (bucket("m", ""), bucket("n", "a"), false),
            (directory("/srv/docs"), directory("/srv/docs"), true),
            (directory("/srv/docs"), directory("/srv/docs/"), true),
            (directory("/srv/docs"), directory("/srv/docs/a.md"), true),
            (directory("/srv/docs"), directory("/srv/docs2"), false),
            (directory("/srv/docs"), directory("/srv"), false),
            (directory("/"), directory("/etc"), true),
            (directory("/m"), bucket("m", ""), false),
            (bucket("m", ""), directory("/m"), false),
        ] {
            assert_eq!(granted.covers(&wanted), covers, "{granted} {wanted}");
        }
    }
}
