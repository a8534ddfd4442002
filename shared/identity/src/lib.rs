//! Who is calling, and what they may do: an `Authorization` header becomes a [`Caller`], a
//! collection's id and a caller become an [`domain::Access`]. Every HTTP function asks here.

mod access;
mod caller;

pub use access::{access_to, require_access};
pub use caller::{Caller, IdentityState};
