//! Configuration, read from environment variables.

use std::fmt;
use std::str::FromStr;

use lambda::env::{self, EnvError};
use thiserror::Error;

/// The console function's configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `UPLOAD_URLS`: where presigned URLs of the staging bucket lead, separated by spaces. `AWS_ENDPOINT_URL`, which
    /// only emulators set, is one of them. Pages send nothing to other servers.
    pub upload_urls: Vec<UploadUrl>,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut upload_urls = Vec::new();
        for name in ["UPLOAD_URLS", "AWS_ENDPOINT_URL"] {
            for url in env::optional(name).unwrap_or_default().split_whitespace() {
                upload_urls.push(url.parse().map_err(|error: InvalidUploadUrl| EnvError::Invalid {
                    name,
                    got: url.to_owned(),
                    reason: error.to_string(),
                })?);
            }
        }
        Ok(Self { upload_urls })
    }
}

/// A URL that is safe as a source of a content security policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadUrl(String);

/// Characters of another directive, or no server at all.
#[derive(Debug, Error)]
#[error(
    "an http or https URL without query is required, such as https://bucket.s3.eu-central-1.amazonaws.com"
)]
pub struct InvalidUploadUrl;

impl FromStr for UploadUrl {
    type Err = InvalidUploadUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUploadUrl> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_plain = |rest: &str| {
            let mut bytes = rest.bytes();
            bytes.all(|byte| byte.is_ascii_alphanumeric() || b".-_:/[]".contains(&byte))
        };
        match rest {
            Some(rest) if !rest.is_empty() && !rest.starts_with('/') && is_plain(rest) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(InvalidUploadUrl),
        }
    }
}

impl fmt::Display for UploadUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_that_cannot_change_the_policy_are_accepted() {
        for url in [
            "https://b.s3.eu-central-1.amazonaws.com",
            "http://127.0.0.1:4566",
            "https://s3.example.org/b.c/",
        ] {
            assert_eq!(url.parse::<UploadUrl>().unwrap().to_string(), url);
        }
        for url in [
            "",
            "*",
            "https://",
            "https:///b",
            "https://a; script-src *",
            "https://a,b",
            "https://*.org",
            "data:",
        ] {
            assert!(url.parse::<UploadUrl>().is_err(), "{url:?}");
        }
    }
}
