//! Connection options from a URL and a secret, with the TLS modes that are allowed.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// The certificate authorities of Amazon RDS, which are not among the public ones. Made by `scripts/rds-certificates`.
/// The driver trusts the public ones besides.
pub(crate) const RDS_AUTHORITIES: &[u8] = include_bytes!("../certificates/rds.pem");

/// The parameters of a URL that name a file of certificate authorities.
const ROOT_PARAMETERS: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];

/// Parses a URL. It trusts the authorities of RDS unless it names a file of authorities itself.
///
/// # Errors
/// Returns what is wrong; never the URL, which may contain a password.
pub(crate) fn from_url(text: &SecretString, requires_verify_full: bool) -> Result<PgConnectOptions, String> {
    const FORM: &str = "postgres://user@host:5432/database?sslmode=verify-full is expected";
    let text = text.expose_secret();
    let url = Url::parse(text).map_err(|error| format!("it is not a URL ({error}); {FORM}"))?;
    if !["postgres", "postgresql"].contains(&url.scheme()) {
        return Err(format!("its scheme is {:?}; {FORM}", url.scheme()));
    }
    let options: PgConnectOptions = text.parse().map_err(|error| format!("{error}; {FORM}"))?;
    if requires_verify_full && !matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
        return Err(format!(
            "its sslmode is {}, which does not check with whom it talks; sslmode=verify-full is required when Stage is \
             production",
            label(options.get_ssl_mode())
        ));
    }
    let names_authorities = url.query_pairs().any(|(name, _)| ROOT_PARAMETERS.contains(&&*name));
    let options = options.application_name("semantik");
    Ok(if names_authorities { options } else { options.ssl_root_cert_from_pem(RDS_AUTHORITIES.to_vec()) })
}

/// Sets the password.
pub(crate) fn with_password(options: PgConnectOptions, password: &SecretString) -> PgConnectOptions {
    options.password(password.expose_secret())
}

/// The secret of the database, in the format that RDS and its rotation functions write, or a whole URL.
#[derive(Deserialize)]
pub(crate) struct PasswordSecret {
    password: Option<SecretString>,
    username: Option<String>,
    host: Option<String>,
    port: Option<Port>,
    dbname: Option<String>,
    url: Option<SecretString>,
}

/// RDS writes a number; people write a text, too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

impl PasswordSecret {
    /// Parses the text of the secret.
    ///
    /// # Errors
    /// Returns what is expected.
    pub(crate) fn parse(text: &SecretString) -> Result<Self, String> {
        secrets::json(
            text,
            r#"{"password": "…"} or {"url": "postgres://user:password@host/database?sslmode=verify-full"}"#,
        )
    }

    /// Completes the options of the URL, or replaces them if the secret has a URL of its own.
    ///
    /// # Errors
    /// Returns what is wrong.
    pub(crate) fn apply(
        self,
        base: PgConnectOptions,
        requires_verify_full: bool,
    ) -> Result<PgConnectOptions, String> {
        let mut options = match &self.url {
            Some(url) => from_url(url, requires_verify_full).map_err(|reason| format!("url: {reason}"))?,
            None => base,
        };
        if let Some(host) = &self.host {
            options = options.host(host);
        }
        match self.port {
            Some(Port::Number(port)) => options = options.port(port),
            Some(Port::Text(port)) => {
                let port = port.parse().map_err(|_| format!("port: 1 to 65535 allowed, got {port:?}"))?;
                options = options.port(port);
            }
            None => {}
        }
        if let Some(username) = &self.username {
            options = options.username(username);
        }
        if let Some(dbname) = &self.dbname {
            options = options.database(dbname);
        }
        match (&self.password, &self.url) {
            (Some(password), _) => Ok(with_password(options, password)),
            (None, Some(_)) => Ok(options),
            (None, None) => {
                Err(r#"neither "password" nor "url" is in it; one of them is required"#.to_owned())
            }
        }
    }
}

fn label(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer (the default)",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(secret: &str) -> Result<PgConnectOptions, String> {
        let base = from_url(&"postgres://app@db.example:6432/docs?sslmode=verify-full".into(), true).unwrap();
        PasswordSecret::parse(&secret.into())?.apply(base, true)
    }

    #[test]
    fn production_accepts_no_mode_but_verify_full() {
        for mode in [
            "",
            "?sslmode=disable",
            "?sslmode=allow",
            "?sslmode=prefer",
            "?sslmode=require",
            "?sslmode=verify-ca",
        ] {
            let url = SecretString::from(format!("postgres://app:hunter2@db.example/docs{mode}"));
            let refused = from_url(&url, true).unwrap_err();
            assert!(
                refused.contains("sslmode=verify-full is required") && !refused.contains("hunter2"),
                "{refused}"
            );
            from_url(&url, false).unwrap();
        }
        from_url(&"postgres://app@db.example/docs?sslmode=verify-full".into(), true).unwrap();
    }

    #[test]
    fn the_password_completes_the_url() {
        let completed = options(r#"{"password": "p"}"#).unwrap();
        assert_eq!(completed.get_host(), "db.example");
        assert_eq!((completed.get_port(), completed.get_username()), (6432, "app"));
    }

    #[test]
    fn the_fields_that_rds_writes_win_over_the_url() {
        for port in ["5433", r#""5433""#] {
            let secret = format!(
                r#"{{"username": "other", "password": "p", "engine": "postgres", "host": "new.example", "port": {port},
                    "dbname": "more"}}"#
            );
            let completed = options(&secret).unwrap();
            assert_eq!((completed.get_host(), completed.get_port()), ("new.example", 5433));
            assert_eq!((completed.get_username(), completed.get_database()), ("other", Some("more")));
        }
    }

    #[test]
    fn a_secret_can_be_a_whole_url_but_no_weaker_one() {
        let whole = options(r#"{"url": "postgres://eve:p@neon.example/x?sslmode=verify-full"}"#).unwrap();
        assert_eq!((whole.get_host(), whole.get_username()), ("neon.example", "eve"));
        let weak =
            options(r#"{"url": "postgres://eve:hunter2@neon.example/x?sslmode=require"}"#).unwrap_err();
        assert!(weak.starts_with("url: its sslmode is require") && !weak.contains("hunter2"), "{weak}");
    }

    #[test]
    fn unusable_secrets_and_urls_are_explained_and_never_shown() {
        for secret in
            ["hunter2", r#"{"password": ["hunter2"]}"#, "{}", r#"{"password": "p", "port": "hunter"}"#]
        {
            let refused = options(secret).unwrap_err();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        for url in
            ["app:hunter2@db", "mysql://app:hunter2@db/docs", "postgres://app:hunter2@db/docs?sslmode=no"]
        {
            let refused = from_url(&url.into(), false).unwrap_err();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
