//! Signatures of webhooks, as Standard Webhooks specifies them: <https://www.standardwebhooks.com>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use thiserror::Error;

const PREFIX: &str = "whsec_";
/// The specification allows 24 to 64.
const KEY_BYTES: usize = 32;

/// A text that is not the secret of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the secret of a webhook is not whsec_ and base64; rotate it")]
pub struct InvalidWebhookSecret;

/// The key that signs what a webhook is sent: `whsec_` and base64, as libraries that verify take it.
#[derive(Debug, Clone)]
pub struct WebhookSecret(SecretString);

impl WebhookSecret {
    /// Creates a secret of 32 random bytes.
    pub fn generate() -> Self {
        let key: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(rand::random());
        Self(SecretString::from(format!("{PREFIX}{}", STANDARD.encode(*key))))
    }

    /// Returns the secret's text, for its owner and for encryption.
    pub fn text(&self) -> &SecretString {
        &self.0
    }
}

/// Returns the value of the header `webhook-signature`: a signature for each secret, so that a receiver that knows one of
/// them accepts the request.
///
/// # Errors
/// Returns an error if a secret is malformed.
pub fn sign(
    secrets: &[SecretString],
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> Result<String, InvalidWebhookSecret> {
    let mut signatures = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let text = secret.expose_secret().strip_prefix(PREFIX).ok_or(InvalidWebhookSecret)?;
        let key = Zeroizing::new(STANDARD.decode(text).map_err(|_| InvalidWebhookSecret)?);
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| InvalidWebhookSecret)?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        signatures.push(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    }
    Ok(signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the libraries of Standard Webhooks are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    #[test]
    fn the_published_example_has_the_published_signature() {
        let signature = sign(&[SECRET.into()], ID, 1_614_265_330, BODY).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures_in_their_order() {
        let new = WebhookSecret::generate();
        let both = sign(&[new.text().clone(), SECRET.into()], ID, 1_614_265_330, BODY).unwrap();
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(first, sign(&[new.text().clone()], ID, 1_614_265_330, BODY).unwrap());
        assert_eq!(second, sign(&[SECRET.into()], ID, 1_614_265_330, BODY).unwrap());
        assert_ne!(first, second);
    }

    #[test]
    fn id_time_and_body_are_signed() {
        let of = |id, timestamp, body: &[u8]| sign(&[SECRET.into()], id, timestamp, body).unwrap();
        let signature = of(ID, 1, BODY);
        for other in [of("msg_other", 1, BODY), of(ID, 2, BODY), of(ID, 1, b"{}")] {
            assert_ne!(signature, other);
        }
    }

    #[test]
    fn secrets_are_random_and_not_printed() {
        let (one, other) = (WebhookSecret::generate(), WebhookSecret::generate());
        assert_ne!(one.text().expose_secret(), other.text().expose_secret());
        assert!(!format!("{one:?}").contains(one.text().expose_secret()));
        for malformed in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!"] {
            assert!(sign(&[malformed.into()], ID, 1, BODY).is_err());
        }
    }
}
