//! Throttles addresses that send API keys which do not exist, before anything is looked up.
//!
//! A key is known only to the database, so trying one costs a statement. Addresses that try many are remembered by this
//! process and refused without one. The count itself is shared by all instances. A key that was valid a moment ago is
//! always looked up: an attacker behind the same address cannot lock its owner out.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use db::Connection;
use lambda::http::ApiError;

use crate::rate::{self, Rate, RateLimits};

/// Unknown keys from one address.
const RATE: Rate = Rate::per_minute(30);
/// Entries that this process remembers of each kind.
const MAX_ENTRIES: usize = 10_000;

/// What this process remembers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct UnknownKeys(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    /// Until when an address is refused.
    refused: HashMap<String, Instant>,
    /// Hashes of keys that were valid at their last use.
    valid: HashSet<[u8; 32]>,
}

impl UnknownKeys {
    /// Refuses a key from an address that sent too many unknown ones, unless it was valid before.
    ///
    /// # Errors
    /// Returns `Throttled` with `Retry-After`.
    pub(crate) fn check(&self, address: &str, key_hash: &[u8; 32], now: Instant) -> Result<(), ApiError> {
        self.with(|memory| match memory.refused.get(address) {
            Some(until) if *until > now && !memory.valid.contains(key_hash) => {
                Err(rate::refuse(RATE, until.duration_since(now).as_secs().max(1)))
            }
            _ => Ok(()),
        })
    }

    /// Remembers that the key is valid.
    pub(crate) fn found(&self, key_hash: [u8; 32]) {
        self.with(|memory| {
            if memory.valid.len() >= MAX_ENTRIES {
                memory.valid.clear();
            }
            memory.valid.insert(key_hash);
        });
    }

    /// Counts an unknown or revoked key.
    ///
    /// # Errors
    /// Returns `Throttled` with `Retry-After` if the address has sent too many.
    pub(crate) async fn count(
        &self,
        connection: &mut Connection,
        limits: RateLimits,
        address: &str,
        key_hash: &[u8; 32],
        now: Instant,
    ) -> Result<(), ApiError> {
        self.with(|memory| memory.valid.remove(key_hash));
        let subject = format!("address:{address}");
        let Some(wait) = rate::take_or_wait(connection, limits, RATE, &subject, "unknown API key").await?
        else {
            return Ok(());
        };
        self.with(|memory| {
            if memory.refused.len() >= MAX_ENTRIES {
                memory.refused.retain(|_, until| *until > now);
            }
            if memory.refused.len() < MAX_ENTRIES {
                memory.refused.insert(address.to_owned(), now + Duration::from_secs(wait));
            }
        });
        Err(rate::refuse(RATE, wait))
    }

    fn with<T>(&self, use_memory: impl FnOnce(&mut Memory) -> T) -> T {
        use_memory(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
