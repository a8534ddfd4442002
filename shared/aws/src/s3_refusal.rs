//! The errors of S3 that no retry heals, in words that a person can act on.

use std::fmt;

/// Codes of a 403 that is about this process's credentials or clock, not about the object: fresh credentials heal it.
const CREDENTIALS: [&str; 8] = [
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
];

/// Why S3 refuses to return an object, however often it is asked.
///
/// Its text says what is wrong and what to do. It repeats nothing that S3 sent but the storage class: the text is
/// shown to users, and S3's own messages name hosts, accounts and keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Refusal {
    /// A policy, the object's owner or its KMS key does not let this installation read it.
    AccessDenied,
    /// The object is in a storage class from which it must be restored first.
    Archived {
        /// The storage class, if S3 named it.
        storage_class: Option<String>,
    },
    /// The KMS key that the object is encrypted with is disabled, deleted or of the wrong kind.
    KmsKey,
    /// The object cannot be read by a plain request, such as one encrypted with a customer-provided key (SSE-C).
    NotPlain,
}

impl S3Refusal {
    /// Classifies an error response by its HTTP status and its error code, which responses to `HEAD` lack. Returns
    /// `None` if a retry may succeed: throttling, server errors, expired credentials, and what this does not know.
    pub fn of(status: u16, code: Option<&str>, storage_class: Option<&str>) -> Option<Self> {
        let code = code.unwrap_or_default();
        match (status, code) {
            (500.., _) | (429, _) => None,
            (_, code) if CREDENTIALS.contains(&code) => None,
            (_, "InvalidObjectState") => {
                let is_word = |class: &&str| class.chars().all(|c| c.is_ascii_uppercase() || c == '_');
                Some(Self::Archived { storage_class: storage_class.filter(is_word).map(str::to_owned) })
            }
            (_, "InvalidRequest" | "InvalidArgument" | "InvalidEncryptionAlgorithmError") => {
                Some(Self::NotPlain)
            }
            (_, code) if code.starts_with("KMS.") => {
                let heals = ["Throttl", "LimitExceeded", "Internal", "Timeout", "Unavailable"];
                (!heals.iter().any(|word| code.contains(word))).then_some(Self::KmsKey)
            }
            (403, _) | (_, "AccessDenied") => Some(Self::AccessDenied),
            _ => None,
        }
    }
}

impl fmt::Display for S3Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessDenied => formatter.write_str(
                "access is denied; let this installation's role read the object (bucket policy, object owner, KMS key), then retry",
            ),
            Self::Archived { storage_class } => {
                formatter.write_str("the object is archived")?;
                if let Some(class) = storage_class {
                    write!(formatter, " (storage class {class})")?;
                }
                formatter.write_str("; restore it in S3, then retry")
            }
            Self::KmsKey => formatter.write_str(
                "its KMS key is disabled, deleted or not usable; enable the key or upload the file with another one, then retry",
            ),
            Self::NotPlain => formatter.write_str(
                "the object cannot be read without further parameters, as if encrypted with a customer-provided key (SSE-C); upload it without one",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_is_wrong_and_what_to_do() {
        for (status, code, class, words) in [
            (403, Some("AccessDenied"), None, ["access is denied", "role"]),
            (403, Some("AllAccessDisabled"), None, ["access is denied", "then retry"]),
            (403, None, None, ["access is denied", "then retry"]),
            (
                403,
                Some("InvalidObjectState"),
                Some("GLACIER"),
                ["archived (storage class GLACIER)", "restore"],
            ),
            (403, Some("InvalidObjectState"), Some("DEEP_ARCHIVE"), ["DEEP_ARCHIVE", "restore"]),
            (403, Some("InvalidObjectState"), Some("<x>"), ["archived;", "restore"]),
            (403, Some("InvalidObjectState"), None, ["archived;", "restore"]),
            (400, Some("InvalidRequest"), None, ["SSE-C", "upload it"]),
            (400, Some("KMS.DisabledException"), None, ["KMS key", "enable"]),
            (400, Some("KMS.NotFoundException"), None, ["KMS key", "enable"]),
            (403, Some("KMS.KMSInvalidStateException"), None, ["KMS key", "enable"]),
        ] {
            let refusal =
                S3Refusal::of(status, code, class).unwrap_or_else(|| panic!("{code:?} is a refusal"));
            let text = refusal.to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
    }

    #[test]
    fn whatever_a_retry_may_heal_is_no_refusal() {
        for (status, code) in [
            (503, Some("SlowDown")),
            (503, None),
            (500, Some("InternalError")),
            (429, None),
            (400, Some("RequestTimeout")),
            (400, Some("ExpiredToken")),
            (403, Some("RequestTimeTooSkewed")),
            (403, Some("InvalidAccessKeyId")),
            (403, Some("SignatureDoesNotMatch")),
            (400, Some("KMS.ThrottlingException")),
            (500, Some("KMS.InternalException")),
            (409, Some("OperationAborted")),
            (400, None),
        ] {
            assert_eq!(S3Refusal::of(status, code, None), None, "{status} {code:?}");
        }
    }
}
