//! A source with what it is read with.

use auth::SecretSlot;
use connectors::{Secrets, SourceSpec};
use db::sources::CollectionSource;
use lambda::StageError;

use crate::State;

/// Returns the source with what it may read now, and with its secrets: a grant may have ended, and a secret may have been
/// replaced, since the operation started.
///
/// # Errors
/// Returns a permanent error if a setting is invalid or a secret cannot be decrypted.
pub(crate) async fn readable_spec(
    state: &State,
    source: &CollectionSource,
) -> Result<SourceSpec, StageError> {
    let mut connection = state.db.connection().await?;
    let grants = connection.source_grants().of_source(source.id).await?;
    let sealed = match source.secret_types.is_empty() {
        true => Vec::new(),
        false => connection.connector_secrets().list(source.id).await?,
    };
    drop(connection);
    let mut secrets = Vec::with_capacity(sealed.len());
    for secret in sealed {
        let secret_type = secret.secret_type;
        let slot = SecretSlot { source_id: source.id, secret_type };
        let plaintext = state.secrets.decrypt(slot, &secret.key_id, &secret.ciphertext).await?;
        secrets.push((secret_type, plaintext));
    }
    let spec = SourceSpec::parse(source.source_type.as_str(), &source.source_config)?;
    Ok(spec.granted(grants).with_secrets(Secrets::from_iter(secrets)))
}
