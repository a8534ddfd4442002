//! Secrets of a source in requests: encrypted here, and never part of a response.

use auth::{ConnectorKeys, SecretCipherError, SecretSlot};
use db::Tx;
use db::sources::NewSecret;
use domain::{ErrorKind, SecretType, SourceId};
use http::StatusCode;
use lambda::http::{ApiError, FieldErrors};
use secrecy::{ExposeSecret, SecretString};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, SchemaType, Type};

/// Enough for every SSH key, and far below the limit of a request body.
const MAX_SECRET_BYTES: usize = 64 * 1024;

/// The secrets of a request, at most one of each type. An empty one deletes the stored secret.
#[derive(Debug, Default)]
pub(crate) struct SecretsRequest {
    named: Vec<(SecretType, SecretString)>,
}

impl SecretsRequest {
    /// Checks the sizes.
    ///
    /// # Errors
    /// Returns `Invalid` if a secret is too long.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let mut errors = FieldErrors::default();
        for (secret_type, secret) in &self.named {
            let bytes = secret.expose_secret().len();
            if bytes > MAX_SECRET_BYTES {
                errors.add(
                    format!("secrets.{secret_type}"),
                    format!("too long; at most {MAX_SECRET_BYTES} bytes allowed, got {bytes}"),
                );
            }
        }
        errors.finish()
    }

    /// Whether no secret is set or deleted.
    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Encrypts and stores the secrets that are set, and deletes the empty ones.
    ///
    /// # Errors
    /// Returns `Invalid` with status 400 if this installation has no encryption key.
    pub(crate) async fn apply(
        &self,
        tx: &mut Tx,
        keys: &ConnectorKeys,
        source_id: SourceId,
    ) -> Result<(), ApiError> {
        let mut sealed = Vec::with_capacity(self.named.len());
        if self.set().next().is_some() {
            let cipher = keys.newest().await?;
            for (secret_type, secret) in self.set() {
                let slot = SecretSlot { source_id, secret_type };
                sealed.push((secret_type, cipher.seal(slot, secret).map_err(refuse)?));
            }
        }
        let new: Vec<NewSecret<'_>> = sealed
            .iter()
            .map(|(secret_type, sealed)| NewSecret {
                secret_type: *secret_type,
                ciphertext: &sealed.ciphertext,
                key_id: &sealed.key_id,
            })
            .collect();
        if !new.is_empty() {
            tx.connector_secrets().put(source_id, &new).await?;
        }
        let deleted: Vec<SecretType> = self.deleted().collect();
        if !deleted.is_empty() {
            tx.connector_secrets().delete(source_id, &deleted).await?;
        }
        Ok(())
    }

    /// Adds to an audit entry's details which secrets were set and which deleted.
    pub(crate) fn add_to_audit(&self, details: &mut Value) {
        let set: Vec<SecretType> = self.set().map(|(secret_type, _)| secret_type).collect();
        let deleted: Vec<SecretType> = self.deleted().collect();
        for (key, types) in [("secrets_set", set), ("secrets_deleted", deleted)] {
            if !types.is_empty() {
                details[key] = json!(types);
            }
        }
    }

    /// Whether a secret of this type is set or deleted.
    pub(crate) fn names(&self, secret_type: SecretType) -> bool {
        self.named.iter().any(|(named, _)| *named == secret_type)
    }

    /// Whether a secret of this type is set, where `stored` are.
    pub(crate) fn leaves_set(&self, secret_type: SecretType, stored: &[SecretType]) -> bool {
        match self.named.iter().find(|(named, _)| *named == secret_type) {
            Some((_, secret)) => !secret.expose_secret().is_empty(),
            None => stored.contains(&secret_type),
        }
    }

    /// The secrets that are set.
    pub(crate) fn into_set(self) -> impl Iterator<Item = (SecretType, SecretString)> {
        self.named.into_iter().filter(|(_, secret)| !secret.expose_secret().is_empty())
    }

    fn set(&self) -> impl Iterator<Item = (SecretType, &SecretString)> {
        self.named
            .iter()
            .filter(|(_, secret)| !secret.expose_secret().is_empty())
            .map(|(secret_type, secret)| (*secret_type, secret))
    }

    fn deleted(&self) -> impl Iterator<Item = SecretType> {
        self.named
            .iter()
            .filter(|(_, secret)| secret.expose_secret().is_empty())
            .map(|(secret_type, _)| *secret_type)
    }
}

fn refuse(error: SecretCipherError) -> ApiError {
    match error {
        SecretCipherError::NotConfigured => {
            ApiError::new(ErrorKind::Invalid, error.to_string()).with_status(StatusCode::BAD_REQUEST)
        }
        other => other.into(),
    }
}

/// Implemented by hand, because serde's messages quote the input: a password of the wrong JSON type would
/// be in the response.
impl<'de> Deserialize<'de> for SecretsRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = match Value::deserialize(deserializer)? {
            Value::Object(fields) => fields,
            other => {
                return Err(D::Error::custom(format!(
                    "secrets: wrong type; an object with some of {} allowed, got {}",
                    names(),
                    kind(&other)
                )));
            }
        };
        let mut named = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let Ok(secret_type) = name.parse::<SecretType>() else {
                return Err(D::Error::custom(format!("secrets: unknown field; {} allowed", names())));
            };
            match value {
                Value::Null => {}
                Value::String(secret) => named.push((secret_type, SecretString::from(secret))),
                other => {
                    return Err(D::Error::custom(format!(
                        "secrets.{secret_type}: wrong type; a string allowed (an empty one deletes the secret), got {}",
                        kind(&other)
                    )));
                }
            }
        }
        Ok(Self { named })
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn names() -> String {
    let names: Vec<&str> = SecretType::ALL.iter().map(|secret_type| secret_type.as_str()).collect();
    names.join(", ")
}

/// The schema of secrets in a request. It replaces the field's own description.
pub(crate) fn schema() -> Object {
    let secret = || {
        ObjectBuilder::new()
            .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
            .max_length(Some(MAX_SECRET_BYTES))
            .write_only(true)
            .build()
    };
    let object = ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::Object, Type::Null]))
        .description(Some(
            "Secrets of the source, stored encrypted; no response contains them. Absent secrets are kept, an \
            empty string deletes a secret.",
        ))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .write_only(true);
    let with_secret =
        |object: ObjectBuilder, secret_type: &SecretType| object.property(secret_type.as_str(), secret());
    SecretType::ALL.iter().fold(object, with_secret).build()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &Value) -> Result<SecretsRequest, String> {
        serde_json::from_value(body.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn named_secrets_are_set_or_deleted_and_others_are_kept() {
        let request = read(&json!({ "token": "t", "ssh_key": "", "password": null })).unwrap();
        let mut details = json!({ "source_id": 1 });
        request.add_to_audit(&mut details);
        assert_eq!(
            details,
            json!({ "source_id": 1, "secrets_set": ["token"], "secrets_deleted": ["ssh_key"] })
        );
        assert!(read(&json!({ "password": null })).unwrap().is_empty());
    }

    #[test]
    fn long_secrets_are_refused() {
        let fits = "é".repeat(MAX_SECRET_BYTES / 2);
        assert!(read(&json!({ "token": fits })).unwrap().check().is_ok());
        let both = json!({ "token": fits.clone() + "x", "password": fits + "yy" });
        let error = read(&both).unwrap().check().unwrap_err();
        assert_eq!(
            error.detail(),
            "secrets.token: too long; at most 65536 bytes allowed, got 65537; \
             secrets.password: too long; at most 65536 bytes allowed, got 65538"
        );
    }

    proptest! {
        /// For any JSON type, in any place.
        #[test]
        fn no_error_repeats_the_input(secret in "[a-z]{12,40}", number in 10_000_000_000u64.., name in 0usize..4) {
            let name = SecretType::ALL[name].as_str();
            for body in [
                json!(secret),
                json!(number),
                json!([secret, number]),
                json!({ name: number }),
                json!({ name: [secret] }),
                json!({ name: { "value": secret } }),
                json!({ &secret: "x" }),
                json!({ name: secret, "other": number }),
            ] {
                let error = read(&body).unwrap_err();
                prop_assert!(error.contains(name) || error.contains("unknown field; password"), "{}", error);
                prop_assert!(!error.contains(&secret) && !error.contains(&number.to_string()), "{}", error);
            }
            let request = read(&json!({ name: secret })).unwrap();
            let printed = format!("{request:?}");
            prop_assert!(!printed.contains(&secret), "{}", printed);
        }
    }
}
