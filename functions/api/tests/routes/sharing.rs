//! Sharing collections.

mod ownership;
mod permissions;
