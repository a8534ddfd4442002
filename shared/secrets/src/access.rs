//! Where credentials come from.

use std::str::FromStr;

use secrecy::SecretString;
use thiserror::Error;

/// Where the value of a secret comes from.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// The value itself: for tests and commands, never for deployed functions.
    Value(SecretString),
    /// The ARN of a secret in Secrets Manager.
    Arn(String),
}

/// How the database is reached.
#[derive(Debug, Clone)]
pub struct DatabaseAccess {
    /// `postgres://user@host:port/database?sslmode=verify-full`. It contains the password only if
    /// `authentication` is [`DatabaseAuthentication::Url`].
    pub url: SecretString,
    /// What the password is.
    pub authentication: DatabaseAuthentication,
    /// Whether a connection must verify the server's certificate and host name.
    pub requires_verify_full: bool,
}

impl DatabaseAccess {
    /// Uses the password in the URL, for tests and commands.
    pub fn by_url(url: impl Into<SecretString>) -> Self {
        Self { url: url.into(), authentication: DatabaseAuthentication::Url, requires_verify_full: false }
    }
}

/// What the password of the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseAuthentication {
    /// That of the URL.
    Url,
    /// That of the secret with this ARN, in the format of RDS: `{"username", "password", "host", "port", "dbname"}`,
    /// all optional but the password; or `{"url"}`.
    Secret(String),
    /// An IAM token, made for each new connection.
    Iam,
}

/// The value of `DATABASE_AUTHENTICATION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum AuthenticationKind {
    #[default]
    Secret,
    Iam,
}

/// A kind of authentication that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("unknown kind of authentication; secret or iam allowed")]
pub struct UnknownAuthentication;

impl FromStr for AuthenticationKind {
    type Err = UnknownAuthentication;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "secret" => Ok(Self::Secret),
            "iam" => Ok(Self::Iam),
            _ => Err(UnknownAuthentication),
        }
    }
}

impl DatabaseAuthentication {
    /// Chooses by the values of `DATABASE_AUTHENTICATION` and `DATABASE_SECRET_ARN`, if they are set.
    ///
    /// # Errors
    /// Returns `UnknownAuthentication` if the first one is neither `secret` nor `iam`.
    pub fn choose(kind: Option<&str>, secret_arn: Option<String>) -> Result<Self, UnknownAuthentication> {
        Ok(match (kind.map(str::parse).transpose()?.unwrap_or_default(), secret_arn) {
            (AuthenticationKind::Iam, _) => Self::Iam,
            (AuthenticationKind::Secret, Some(arn)) => Self::Secret(arn),
            (AuthenticationKind::Secret, None) => Self::Url,
        })
    }
}
