//! What connectors read with.

use std::sync::Arc;

use aws_sdk_s3::Client;
use domain::ServerPlace;

use crate::ConnectorError;
use crate::files::Roots;

/// Shared by all sources. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) roots: Arc<Roots>,
    pub(crate) s3: Client,
    /// What the source may read.
    pub(crate) grants: Arc<[ServerPlace]>,
}

impl Clients {
    /// Returns the clients for a source with these grants.
    pub(crate) fn within(&self, grants: &Arc<[ServerPlace]>) -> Self {
        Self { roots: Arc::new(self.roots.within(grants)), s3: self.s3.clone(), grants: Arc::clone(grants) }
    }

    /// Whether a grant covers the place.
    pub(crate) fn may_read(&self, place: &ServerPlace) -> bool {
        self.grants.iter().any(|grant| grant.covers(place))
    }

    /// Refuses a place that no grant covers.
    pub(crate) fn require_grant(&self, place: &ServerPlace) -> Result<(), ConnectorError> {
        if self.may_read(place) { Ok(()) } else { Err(ConnectorError::not_granted(place)) }
    }
}
