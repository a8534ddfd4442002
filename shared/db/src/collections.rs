//! Collections: their rows, who may use them, their limits, and the indexes that they replaced.

mod access;
mod collection;
mod details;
mod limits;
mod ownership;
mod permissions;
mod rebuild;
mod retired_indexes;
mod rollback;

pub use access::{AccessibleCollection, CollectionQuery};
pub use collection::{Collection, Collections, NewCollection};
pub use details::CollectionDetails;
pub use limits::{
    CollectionLimits, CollectionResourceLimits, CollectionUsage, ExpectedRoom, OPERATIONS_COUNT_FOR,
};
pub use permissions::{CollectionPermission, CollectionPermissions, GrantOutcome, GrantableKey, Grantee};
pub use retired_indexes::RetiredVectorStores;
pub use rollback::Rollback;
