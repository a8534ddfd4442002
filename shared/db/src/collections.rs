//! Collections: rows, access, permissions, quotas, and the indexes that they replaced.

mod access;
mod collection;
mod counters;
mod details;
mod integrity_checks;
mod limits;
mod lock;
mod ownership;
mod ownership_offers;
mod permissions;
mod rebuild;
mod retired_indexes;
mod rollback;
mod unfinished;

pub use access::{AccessibleCollection, CollectionQuery};
pub use collection::{Collection, Collections, NewCollection};
pub use counters::Counter;
pub use details::CollectionDetails;
pub use integrity_checks::{IntegrityChecks, UncheckedCollection};
pub use limits::{
    CollectionLimits, CollectionResourceLimits, CollectionUsage, OPERATIONS_COUNT_FOR, ProjectedUsage,
};
pub use lock::CollectionLock;
pub use ownership_offers::{NewOwnershipOffer, OwnershipOffer, OwnershipOffers};
pub use permissions::{CollectionPermission, CollectionPermissions, GrantOutcome, GrantableKey, Grantee};
pub use retired_indexes::RetiredVectorStores;
pub use rollback::Rollback;
pub use unfinished::UnfinishedDeletion;
