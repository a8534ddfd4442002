//! What a route asks of its caller.

use std::fmt;

use domain::Access;

use crate::Rate;

/// What a route asks of its caller. Its text is the `x-access` of the API's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: anyone may call.
    Nobody,
    /// A signed-in caller; an API key with at least this scope.
    Caller(Access),
    /// The same, and no API key that is limited to some collections.
    Everywhere(Access),
    /// A person's access token: no API key may do this, whatever its scope.
    Person,
    /// A person who administers the installation.
    Superuser,
    /// At least this access to the collection that `{collection_id}` in the path names.
    Collection(Access),
    /// The same, by a person's access token.
    CollectionInPerson(Access),
    /// At least this access to every collection that the body names. The guard sees to the caller and
    /// the scope of the key; whoever looks the collections up finds only those.
    Collections(Access),
    /// At least this access to the collection of the operation that `{operation_id}` names. Who
    /// asked for an operation may see and stop it, even when its collection is gone.
    Operation(Access),
}

impl Needs {
    /// How often one caller may use such a route unless its declaration says otherwise.
    pub(crate) const fn usual_rate(self) -> Rate {
        match self {
            // Counted by address, which many people may share.
            Self::Nobody => Rate::per_minute(120),
            _ => Rate::per_minute(600),
        }
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => formatter.write_str("nobody"),
            Self::Caller(access) => write!(formatter, "caller:{}", access.as_str()),
            Self::Everywhere(access) => write!(formatter, "everywhere:{}", access.as_str()),
            Self::Person => formatter.write_str("person"),
            Self::Superuser => formatter.write_str("superuser"),
            Self::Collection(access) => write!(formatter, "collection:{}", access.as_str()),
            Self::CollectionInPerson(access) => {
                write!(formatter, "collection-in-person:{}", access.as_str())
            }
            Self::Collections(access) => write!(formatter, "collections:{}", access.as_str()),
            Self::Operation(access) => write!(formatter, "operation:{}", access.as_str()),
        }
    }
}
