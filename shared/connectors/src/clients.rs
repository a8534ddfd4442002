//! What connectors read with.

use std::sync::Arc;

use aws_sdk_s3::Client;
use domain::ServerPlace;
use egress::Egress;

use crate::files::Roots;
use crate::git::cache::TreeCache;
use crate::web::robots::RobotsCache;
use crate::{ConnectorError, Secrets};

/// Shared by all sources. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) roots: Arc<Roots>,
    pub(crate) s3: Client,
    /// Requests to addresses that users name.
    pub(crate) egress: Egress,
    /// What websites ask of crawlers.
    pub(crate) robots: RobotsCache,
    /// The trees of the repositories that are being listed.
    pub(crate) git_trees: TreeCache,
    /// What the source may read.
    pub(crate) grants: Arc<[ServerPlace]>,
    /// What the source is read with.
    pub(crate) secrets: Secrets,
}

impl Clients {
    /// Returns the clients for a source with these grants and secrets.
    pub(crate) fn of_source(&self, grants: &Arc<[ServerPlace]>, secrets: &Secrets) -> Self {
        Self {
            roots: Arc::new(self.roots.within(grants)),
            s3: self.s3.clone(),
            egress: self.egress.clone(),
            robots: self.robots.clone(),
            git_trees: self.git_trees.clone(),
            grants: Arc::clone(grants),
            secrets: secrets.clone(),
        }
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
