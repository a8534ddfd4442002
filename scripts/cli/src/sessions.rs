//! Sessions of users, one file each, which processes at the same time share.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use client::{ClientError, Session, SessionStore};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::{Outcome, environment, profiles};

/// The file of one user's session at one installation.
#[derive(Debug)]
pub struct SessionFile {
    path: PathBuf,
}

impl SessionFile {
    /// The session of a user.
    pub fn new(url: &str, username: &str) -> Outcome<Self> {
        let hash = hex::encode(Sha256::digest(format!("{url}\n{username}")));
        Ok(Self { path: environment::state_folder()?.join("sessions").join(format!("{}.json", &hash[..32])) })
    }

    fn error(&self, source: io::Error) -> ClientError {
        ClientError::File { path: self.path.display().to_string(), source }
    }
}

impl SessionStore for SessionFile {
    fn lock(&self) -> Result<Box<dyn Send>, ClientError> {
        let lock = || {
            std::fs::create_dir_all(self.path.parent().unwrap_or(&self.path))?;
            let path = self.path.with_extension("lock");
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map(|file: File| Box::new(file) as Box<dyn Send>).map_err(|error| self.error(error))
    }

    fn load(&self) -> Result<Option<Session>, ClientError> {
        match std::fs::read(&self.path) {
            // A damaged session is none.
            Ok(content) => Ok(serde_json::from_slice(&content).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error(error)),
        }
    }

    fn save(&self, session: Option<&Session>) -> Result<(), ClientError> {
        let Some(session) = session else {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.error(error)),
                _ => Ok(()),
            };
        };
        let content = serde_json::to_vec(session).unwrap_or_default();
        profiles::write_private(&self.path, &content).map_err(|failure| match failure {
            Failure::Client(error) => error,
            other => ClientError::Invalid(format!("{other:?}")),
        })
    }
}
