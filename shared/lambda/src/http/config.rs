//! What the HTTP functions have in common: cross-origin callers, and the proxies in front of them.

use super::cors::CorsOrigins;
use super::proxies::TrustedProxies;
use crate::env::{self, EnvError};

/// Configuration of the middleware of every route.
#[derive(Debug, Clone, Default)]
pub struct HttpConfig {
    /// `CORS_ORIGINS`: the origins whose pages may call the API, comma-separated; `*` (the default) for any.
    pub cors_origins: CorsOrigins,
    /// `ORIGIN_VERIFY_DIGESTS` and `TRUSTED_PROXIES`: see [`TrustedProxies`]; default no proxy.
    pub proxies: TrustedProxies,
}

impl HttpConfig {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self {
            cors_origins: env::parsed_or("CORS_ORIGINS", CorsOrigins::default())?,
            proxies: TrustedProxies::new(
                env::parsed_or("ORIGIN_VERIFY_DIGESTS", Default::default())?,
                env::parsed_or("TRUSTED_PROXIES", 1)?,
            ),
        })
    }
}
