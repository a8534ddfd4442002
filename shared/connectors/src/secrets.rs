//! The secrets of one source, decrypted.

use std::collections::HashMap;
use std::sync::Arc;

use domain::SecretType;
use secrecy::SecretString;

use crate::ConnectorError;

/// The secrets that a source is read with. Debug output does not show them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Arc<HashMap<SecretType, SecretString>>);

impl Secrets {
    /// Returns a secret, if it is set.
    pub(crate) fn get(&self, secret_type: SecretType) -> Option<&SecretString> {
        self.0.get(&secret_type)
    }

    /// Returns a secret without which the source cannot be read.
    pub(crate) fn require(&self, secret_type: SecretType) -> Result<&SecretString, ConnectorError> {
        self.get(secret_type).ok_or(ConnectorError::SecretMissing { secret_type })
    }

    /// Whether this secret is set.
    pub fn contains(&self, secret_type: SecretType) -> bool {
        self.0.contains_key(&secret_type)
    }
}

impl FromIterator<(SecretType, SecretString)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (SecretType, SecretString)>>(secrets: I) -> Self {
        Self(Arc::new(secrets.into_iter().collect()))
    }
}
