//! What connectors read with.

use std::sync::Arc;

use aws_sdk_s3::Client;

use crate::files::Roots;

/// Shared by all sources. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) roots: Arc<Roots>,
    pub(crate) s3: Client,
}
