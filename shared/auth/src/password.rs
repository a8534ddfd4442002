//! Passwords as argon2id hashes.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::{Classify, ErrorKind};
use thiserror::Error;

/// The least that OWASP advises: 19 MiB, two passes, one lane.
/// <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The hash of a password that nobody has, with the parameters above: it is checked where there is
/// no account, so that knowing whether a name exists takes more than a stopwatch.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2VtYW50aWsgbm9ib2R5IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password that cannot be hashed or checked.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// The hash function refused.
    #[error("the password cannot be hashed")]
    Hash(#[source] argon2::password_hash::Error),
    /// What is stored is no argon2 hash.
    #[error("the stored hash cannot be read")]
    Stored(#[source] argon2::password_hash::phc::Error),
    /// The parameters in this file are out of range.
    #[error("the hash parameters are out of range")]
    Parameters(#[source] argon2::Error),
}

impl Classify for PasswordError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// Hashes a password with a fresh salt; the result says how it was made. Takes tens of
/// milliseconds of CPU: call it off the async threads.
///
/// # Errors
/// When the hash function refuses.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    let hash: PasswordHash = hasher()?.hash_password(password.as_bytes()).map_err(PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// Whether this is the password behind the stored hash. Without a stored hash (no such account)
/// the answer is no, after the same work. Call it off the async threads.
///
/// # Errors
/// When the stored hash cannot be read.
pub fn verify_password(password: &str, stored: Option<&str>) -> Result<bool, PasswordError> {
    let hash = PasswordHash::new(stored.unwrap_or(NOBODYS_HASH)).map_err(PasswordError::Stored)?;
    match hasher()?.verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(stored.is_some()),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(PasswordError::Hash(error)),
    }
}

/// The hash function and its cost, in the words of the hashes that are stored.
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
    fn a_password_opens_its_own_hash_only() {
        let hash = hash_password("correct horse").unwrap();
        assert!(verify_password("correct horse", Some(&hash)).unwrap());
        assert!(!verify_password("correct horsf", Some(&hash)).unwrap());
    }

    #[test]
    fn equal_passwords_have_different_hashes() {
        assert_ne!(hash_password("twice").unwrap(), hash_password("twice").unwrap());
    }

    /// What decides how much work it is to check a password: algorithm, version, memory, passes,
    /// lanes, and how many bytes of salt go in and of hash come out.
    fn work(hash: &str) -> (String, Option<u32>, Params, usize, usize) {
        let hash = PasswordHash::new(hash).unwrap();
        let (salt, output) = (hash.salt.unwrap(), hash.hash.unwrap());
        let params = Params::try_from(&hash).unwrap();
        (hash.algorithm.to_string(), hash.version, params, salt.len(), output.len())
    }

    #[test]
    fn unknown_users_cost_the_same_work() {
        let real = hash_password("x").unwrap();
        assert!(real.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{real}");
        assert_eq!(work(&real), work(NOBODYS_HASH));
        // Checked against the hash that nobody has, not answered early.
        assert!(!verify_password("x", None).unwrap());
        assert!(verify_password("x", Some(&real)).unwrap());
    }

    #[test]
    fn a_broken_hash_is_an_error_and_no_match() {
        assert!(verify_password("x", Some("x")).is_err());
    }
}
