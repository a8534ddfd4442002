//! The file of profiles: which installation, and as whom.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::{Outcome, environment};

/// The profile that is used unless another one is named.
pub const DEFAULT: &str = "default";

/// Signs in to one installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The URL of the API.
    pub url: String,
    /// An API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// The user whose session is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// All profiles by their names.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profiles(pub BTreeMap<String, Profile>);

/// The path of the file.
pub fn path() -> Outcome<PathBuf> {
    Ok(environment::config_folder()?.join("profiles.json"))
}

impl Profiles {
    /// Reads the file; no file is no profile.
    ///
    /// A file that others can read is refused, as ssh does with keys.
    pub fn load(path: &Path) -> Outcome<Self> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::file(path, error)),
        };
        let mode = file.metadata().map_err(|error| Failure::file(path, error))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Failure::Other(format!(
                "{} has credentials and can be read by others; run chmod 600 on it",
                path.display()
            )));
        }
        serde_json::from_reader(io::BufReader::new(file)).map_err(|error| {
            Failure::Other(format!("{} is damaged: {error}; delete it and sign in again", path.display()))
        })
    }

    /// Replaces the file.
    pub fn save(&self, path: &Path) -> Outcome {
        write_private(path, &serde_json::to_vec_pretty(self).unwrap_or_default())
    }
}

/// Writes a file that only its owner can read, and moves it to its place, so that no reader ever sees half of it.
pub fn write_private(path: &Path, content: &[u8]) -> Outcome {
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        // The file may be left over from a process of the same id, with other permissions.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content)?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| Failure::file(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_private_and_survive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("semantik/profiles.json");
        assert_eq!(Profiles::load(&path).unwrap(), Profiles::default());
        let profile =
            Profile { url: "https://a".to_owned(), api_key: Some("smtk_1".to_owned()), username: None };
        let profiles = Profiles(BTreeMap::from([("work".to_owned(), profile)]));
        profiles.save(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Profiles::load(&path).unwrap(), profiles);

        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let Failure::Other(reason) = Profiles::load(&path).unwrap_err() else { panic!("another failure") };
        assert!(reason.contains("chmod 600"), "{reason}");
    }
}
