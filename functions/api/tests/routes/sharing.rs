//! Permissions and ownership of collections.

mod ownership;
mod permissions;
