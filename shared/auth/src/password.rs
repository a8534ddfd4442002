//! Password hashing with argon2id.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::{Classify, ErrorKind};
use thiserror::Error;

/// The minimum that OWASP recommends: 19 MiB, two passes, one lane.
/// <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A hash with the parameters above that no password matches. Checked if the account does not exist, so that
/// response times do not reveal which user names exist.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2VtYW50aWsgbm9ib2R5IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password that cannot be hashed or verified.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// argon2 failed.
    #[error("the password cannot be hashed")]
    Hash(#[source] argon2::password_hash::Error),
    /// The stored value is not an argon2 hash.
    #[error("the stored hash cannot be read")]
    Stored(#[source] argon2::password_hash::phc::Error),
    /// The parameters of this file are out of range.
    #[error("the hash parameters are out of range")]
    Parameters(#[source] argon2::Error),
}

impl Classify for PasswordError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// Hashes a password with a random salt, in PHC string format. Takes tens of milliseconds of CPU time: call
/// it from a blocking thread.
///
/// # Errors
/// Returns an error if argon2 fails.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    let hash: PasswordHash = hasher()?.hash_password(password.as_bytes()).map_err(PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// Returns whether the password matches the stored hash. Without a stored hash (no such account) the result
/// is false, after the same amount of work. Call it from a blocking thread.
///
/// # Errors
/// Returns `Stored` if the stored hash cannot be parsed.
pub fn verify_password(password: &str, stored: Option<&str>) -> Result<bool, PasswordError> {
    let hash = PasswordHash::new(stored.unwrap_or(DUMMY_HASH)).map_err(PasswordError::Stored)?;
    match hasher()?.verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(stored.is_some()),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(PasswordError::Hash(error)),
    }
}

/// Returns the algorithm and its cost parameters, for display.
pub fn password_parameters() -> String {
    format!("argon2id m={MEMORY_KIB} KiB, t={PASSES}, p={LANES}")
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(PasswordError::Parameters)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_only_its_own_hash() {
        let hash = hash_password("correct horse").unwrap();
        assert!(verify_password("correct horse", Some(&hash)).unwrap());
        assert!(!verify_password("correct horsf", Some(&hash)).unwrap());
    }

    #[test]
    fn equal_passwords_have_different_hashes() {
        assert_ne!(hash_password("twice").unwrap(), hash_password("twice").unwrap());
    }

    /// Returns what determines the cost of verification: algorithm, version, parameters, and the lengths of salt
    /// and output in bytes.
    fn work(hash: &str) -> (String, Option<u32>, Params, usize, usize) {
        let hash = PasswordHash::new(hash).unwrap();
        let (salt, output) = (hash.salt.unwrap(), hash.hash.unwrap());
        let params = Params::try_from(&hash).unwrap();
        (hash.algorithm.to_string(), hash.version, params, salt.len(), output.len())
    }

    #[test]
    fn unknown_users_cost_the_same_work_as_known_ones() {
        let real = hash_password("x").unwrap();
        assert!(real.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{real}");
        assert_eq!(work(&real), work(DUMMY_HASH));
        // The dummy hash is verified; there is no early return.
        assert!(!verify_password("x", None).unwrap());
        assert!(verify_password("x", Some(&real)).unwrap());
    }

    #[test]
    fn an_unparsable_hash_is_an_error() {
        assert!(verify_password("x", Some("x")).is_err());
    }
}
