//! Encryption of the secrets of sources and webhooks. Each ciphertext is bound to its row.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use domain::{Classify, ErrorKind, SecretType, SourceId, WebhookId};
use fernet::Fernet;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use secrets::SecretError;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

const KEY_BYTES: usize = 32;
/// The key id is this prefix of the key's SHA-256, in bytes: 16 hexadecimal digits.
const KEY_ID_BYTES: usize = 8;
/// Domain separation: every plaintext starts with it, so tokens made for other purposes are rejected.
const PURPOSE: &[u8] = b"semantik connector secret 1";
const WEBHOOK_PURPOSE: &[u8] = b"semantik webhook secret 1";

/// Decodes keys with and without padding; encodes with padding, as other Fernet implementations do.
const KEY_TEXT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret that cannot be encrypted or decrypted. Messages contain neither secrets nor keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretCipherError {
    /// There is no key to encrypt with.
    #[error("secrets cannot be stored: this installation has no ConnectorSecret; ask the operator to set it")]
    NotConfigured,
    /// A configured key is malformed.
    #[error(
        "connector key {position} is not 32 bytes in URL-safe base64; \
         generate one with: openssl rand -base64 32 | tr '+/' '-_'"
    )]
    InvalidKey {
        /// The key's position in the list, from 1.
        position: usize,
    },
    /// The key that encrypted the secret is not configured.
    #[error(
        "a secret is encrypted with key {key_id}, which is not in ConnectorSecret; \
         set the secret again, or add the key"
    )]
    UnknownKey {
        /// The id of the missing key.
        key_id: String,
    },
    /// The ciphertext was modified, or belongs to another row.
    #[error("a secret cannot be decrypted; set it again")]
    Unreadable,
    /// The keys cannot be read.
    #[error("the keys of connector secrets are not available: {0}")]
    Unavailable(#[from] SecretError),
}

impl Classify for SecretCipherError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotConfigured => ErrorKind::Invalid,
            Self::InvalidKey { .. } => ErrorKind::Internal,
            // Needs a change of the configuration or the secret: a retry would not help.
            Self::UnknownKey { .. } | Self::Unreadable => ErrorKind::Conflict,
            Self::Unavailable(_) => ErrorKind::Unavailable,
        }
    }
}

/// The row that a secret belongs to; its ciphertext cannot be decrypted for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretSlot {
    /// The source.
    pub source_id: SourceId,
    /// The type of the secret.
    pub secret_type: SecretType,
}

/// What a ciphertext is bound to: a prefix of the plaintext that names the secret's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding(Vec<u8>);

impl Binding {
    /// Puts each part after its length, so that no row's prefix is the prefix of another's.
    fn of(parts: &[&[u8]]) -> Self {
        let mut binding = Vec::with_capacity(64);
        for part in parts {
            binding.extend_from_slice(&(part.len() as u64).to_be_bytes());
            binding.extend_from_slice(part);
        }
        Self(binding)
    }
}

/// Purpose, source and type.
impl From<SecretSlot> for Binding {
    fn from(slot: SecretSlot) -> Self {
        Self::of(&[PURPOSE, &slot.source_id.0.to_be_bytes(), slot.secret_type.as_str().as_bytes()])
    }
}

/// Purpose and webhook.
impl From<WebhookId> for Binding {
    fn from(id: WebhookId) -> Self {
        Self::of(&[WEBHOOK_PURPOSE, id.0.as_bytes()])
    }
}

/// An encrypted secret, as the database stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The id of the key that encrypted it.
    pub key_id: String,
    /// A Fernet token: <https://github.com/fernet/spec/blob/master/Spec.md>.
    pub ciphertext: Vec<u8>,
}

/// Encrypts with the newest of its keys and decrypts with all of them. Cheap to clone. Without any key it
/// rejects every secret.
#[derive(Clone, Default)]
pub struct SecretCipher {
    /// Newest first.
    keys: Arc<[Key]>,
}

struct Key {
    id: String,
    fernet: Fernet,
}

impl std::fmt::Debug for SecretCipher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|key| key.id.as_str()).collect();
        formatter.debug_struct("SecretCipher").field("key_ids", &ids).finish_non_exhaustive()
    }
}

impl SecretCipher {
    /// Parses a comma-separated list of keys, newest first, each 32 bytes in URL-safe base64. The empty string
    /// is a list without keys.
    ///
    /// # Errors
    /// Returns `InvalidKey` if one of them is malformed.
    pub fn new(keys: &SecretString) -> Result<Self, SecretCipherError> {
        let keys = keys.expose_secret().split(',').map(str::trim).filter(|key| !key.is_empty());
        let keys: Vec<SecretString> = keys.map(SecretString::from).collect();
        Self::from_keys(&keys)
    }

    /// Parses keys, newest first.
    ///
    /// # Errors
    /// Returns `InvalidKey` if one of them is malformed.
    pub fn from_keys(keys: &[SecretString]) -> Result<Self, SecretCipherError> {
        let keys = keys.iter().enumerate().map(|(index, key)| {
            Key::parse(key.expose_secret()).ok_or(SecretCipherError::InvalidKey { position: index + 1 })
        });
        Ok(Self { keys: keys.collect::<Result<_, _>>()? })
    }

    /// Returns the id of the key that encrypts, if there is a key.
    pub fn newest_key_id(&self) -> Option<&str> {
        self.keys.first().map(|key| key.id.as_str())
    }

    /// Returns the ids of all keys, newest first.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// Encrypts a secret for this row.
    ///
    /// # Errors
    /// Returns `NotConfigured` if there is no key.
    pub fn seal(
        &self,
        row: impl Into<Binding>,
        secret: &SecretString,
    ) -> Result<SealedSecret, SecretCipherError> {
        let key = self.keys.first().ok_or(SecretCipherError::NotConfigured)?;
        let Binding(binding) = row.into();
        let secret = secret.expose_secret().as_bytes();
        // Allocated once at its full size: a growing buffer would leave copies of the secret in memory.
        let mut plaintext = Zeroizing::new(Vec::with_capacity(binding.len() + secret.len()));
        plaintext.extend_from_slice(&binding);
        plaintext.extend_from_slice(secret);
        let token = key.fernet.encrypt(&plaintext);
        Ok(SealedSecret { key_id: key.id.clone(), ciphertext: token.into_bytes() })
    }

    /// Decrypts the secret of this row.
    ///
    /// # Errors
    /// Returns `UnknownKey` if its key is not configured, `Unreadable` if it was modified or belongs to another row.
    pub fn open(
        &self,
        row: impl Into<Binding>,
        key_id: &str,
        ciphertext: &[u8],
    ) -> Result<SecretString, SecretCipherError> {
        let Some(key) = self.keys.iter().find(|key| key.id == key_id) else {
            return Err(SecretCipherError::UnknownKey { key_id: key_id.to_owned() });
        };
        let token = std::str::from_utf8(ciphertext).map_err(|_| SecretCipherError::Unreadable)?;
        let plaintext = key.fernet.decrypt(token).map_err(|_| SecretCipherError::Unreadable)?;
        let plaintext = Zeroizing::new(plaintext);
        let Binding(binding) = row.into();
        let Some((bound_to, secret)) = plaintext.split_at_checked(binding.len()) else {
            return Err(SecretCipherError::Unreadable);
        };
        if !bool::from(bound_to.ct_eq(&binding)) {
            return Err(SecretCipherError::Unreadable);
        }
        let secret = std::str::from_utf8(secret).map_err(|_| SecretCipherError::Unreadable)?;
        Ok(SecretString::from(secret))
    }
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(KEY_TEXT.decode(text).ok()?);
        if bytes.len() != KEY_BYTES {
            return None;
        }
        let id = hex::encode(&Sha256::digest(&*bytes)[..KEY_ID_BYTES]);
        let text = Zeroizing::new(KEY_TEXT.encode(&*bytes));
        Some(Self { id, fernet: Fernet::new(&text)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=";

    fn secret_cipher(keys: &str) -> SecretCipher {
        SecretCipher::new(&keys.into()).unwrap()
    }

    fn slot(source_id: i64, secret_type: SecretType) -> SecretSlot {
        SecretSlot { source_id: SourceId(source_id), secret_type }
    }

    fn any_slot() -> impl Strategy<Value = SecretSlot> {
        (any::<i64>(), proptest::sample::select(SecretType::ALL))
            .prop_map(|(id, secret_type)| slot(id, secret_type))
    }

    #[test]
    fn key_ids_do_not_depend_on_padding() {
        // printf of the bytes 0 to 31 | sha256sum
        let id = Some("630dcd2966c43366");
        assert_eq!(secret_cipher(OLD).newest_key_id(), id);
        assert_eq!(secret_cipher(&format!(" {} ,", OLD.trim_end_matches('='))).newest_key_id(), id);
        let rotated = secret_cipher(&format!("{NEW},{OLD}"));
        assert_ne!(rotated.newest_key_id(), id);
        assert_eq!(rotated.key_ids().nth(1), id);
    }

    #[test]
    fn malformed_keys_are_rejected_by_position_and_never_shown() {
        for (keys, position) in [("hunter2", 1), (&format!("{OLD},c2hvcnQ="), 2), (&OLD.replace('A', "!"), 1)]
        {
            let error = SecretCipher::new(&(*keys).into()).unwrap_err();
            assert_eq!(error, SecretCipherError::InvalidKey { position });
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn without_a_key_nothing_is_encrypted_or_decrypted() {
        let place = slot(1, SecretType::Token);
        let sealed = secret_cipher(OLD).seal(place, &"s3cret".into()).unwrap();
        for keyless in [SecretCipher::default(), secret_cipher(""), secret_cipher(" , ")] {
            assert_eq!(keyless.seal(place, &"s3cret".into()).unwrap_err(), SecretCipherError::NotConfigured);
            let error = keyless.open(place, &sealed.key_id, &sealed.ciphertext).unwrap_err();
            assert_eq!(error, SecretCipherError::UnknownKey { key_id: sealed.key_id.clone() });
        }
    }

    #[test]
    fn the_newest_key_encrypts_and_older_keys_still_decrypt() {
        let place = slot(7, SecretType::SshKey);
        let before = secret_cipher(OLD).seal(place, &"s3cret".into()).unwrap();
        let rotated = secret_cipher(&format!("{NEW},{OLD}"));
        let after = rotated.seal(place, &"s3cret".into()).unwrap();
        assert_eq!(Some(after.key_id.as_str()), rotated.newest_key_id());
        for sealed in [&before, &after] {
            let opened = rotated.open(place, &sealed.key_id, &sealed.ciphertext).unwrap();
            assert_eq!(opened.expose_secret(), "s3cret");
        }
        // A row with the id of the wrong key cannot be decrypted.
        let mislabelled = rotated.open(place, &after.key_id, &before.ciphertext);
        assert_eq!(mislabelled.unwrap_err(), SecretCipherError::Unreadable);
    }

    #[test]
    fn a_secret_of_a_webhook_is_decrypted_for_that_webhook_only() {
        let keys = secret_cipher(OLD);
        let [here, there] = [1, 2].map(|id| WebhookId(uuid::Uuid::from_u128(id)));
        let sealed = keys.seal(here, &"s3cret".into()).unwrap();
        assert_eq!(keys.open(here, &sealed.key_id, &sealed.ciphertext).unwrap().expose_secret(), "s3cret");
        for other in [Binding::from(there), slot(1, SecretType::Token).into()] {
            let error = keys.open(other, &sealed.key_id, &sealed.ciphertext).unwrap_err();
            assert_eq!(error, SecretCipherError::Unreadable);
        }
    }

    #[test]
    fn debug_output_contains_neither_keys_nor_secrets() {
        let keys = secret_cipher(&format!("{NEW},{OLD}"));
        let sealed = keys.seal(slot(1, SecretType::Password), &"hunter2".into()).unwrap();
        let printed = format!("{keys:?} {sealed:?}");
        assert!(![NEW, OLD, "hunter2"].iter().any(|text| printed.contains(text)));
        assert!(printed.contains("630dcd2966c43366"), "{printed}");
    }

    proptest! {
        #[test]
        fn a_secret_is_decrypted_for_its_own_row(secret in any::<String>(), place in any_slot()) {
            let keys = secret_cipher(OLD);
            let sealed = keys.seal(place, &secret.as_str().into()).unwrap();
            let opened = keys.open(place, &sealed.key_id, &sealed.ciphertext).unwrap();
            prop_assert_eq!(opened.expose_secret(), secret.as_str());
            // Equal secrets have different ciphertexts.
            prop_assert_ne!(keys.seal(place, &secret.as_str().into()).unwrap().ciphertext, sealed.ciphertext);
        }

        #[test]
        fn a_secret_is_not_decrypted_for_another_row(secret in any::<String>(), here in any_slot(), there in any_slot()) {
            prop_assume!(here != there);
            let keys = secret_cipher(OLD);
            let sealed = keys.seal(here, &secret.as_str().into()).unwrap();
            let moved = keys.open(there, &sealed.key_id, &sealed.ciphertext);
            prop_assert_eq!(moved.unwrap_err(), SecretCipherError::Unreadable);
        }

        #[test]
        fn rows_that_differ_in_source_or_type_only_are_distinguished(
            secret in any::<String>(), id in any::<i64>(), step in 1i64..i64::MAX,
            first in proptest::sample::select(SecretType::ALL), second in proptest::sample::select(SecretType::ALL),
        ) {
            let keys = secret_cipher(OLD);
            let sealed = keys.seal(slot(id, first), &secret.as_str().into()).unwrap();
            let other_source = slot(id.wrapping_add(step), first);
            prop_assert!(keys.open(other_source, &sealed.key_id, &sealed.ciphertext).is_err());
            prop_assert_eq!(
                keys.open(slot(id, second), &sealed.key_id, &sealed.ciphertext).is_ok(), first == second
            );
        }

        #[test]
        fn a_modified_ciphertext_is_rejected(
            secret in any::<String>(), place in any_slot(),
            at in any::<proptest::sample::Index>(), bit in 0u32..8,
        ) {
            let keys = secret_cipher(OLD);
            let sealed = keys.seal(place, &secret.as_str().into()).unwrap();
            let mut changed = sealed.ciphertext.clone();
            // Padding carries no information, so flip a bit before it.
            let length = changed.iter().position(|byte| *byte == b'=').unwrap_or(changed.len());
            changed[at.index(length)] ^= 1 << bit;
            prop_assert_eq!(
                keys.open(place, &sealed.key_id, &changed).unwrap_err(), SecretCipherError::Unreadable
            );
        }

        #[test]
        fn arbitrary_bytes_are_rejected_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400), place in any_slot(),
        ) {
            let keys = secret_cipher(OLD);
            let key_id = keys.newest_key_id().unwrap().to_owned();
            prop_assert_eq!(keys.open(place, &key_id, &bytes).unwrap_err(), SecretCipherError::Unreadable);
        }
    }
}
