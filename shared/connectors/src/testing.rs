//! What tests of connectors share.

use egress::{Egress, EgressConfig, EgressPolicy};

/// Requests that may reach servers on this machine.
pub(crate) fn egress() -> Egress {
    let policy: EgressPolicy = "127.0.0.1".parse().unwrap();
    Egress::new(EgressConfig::new(policy)).unwrap()
}
