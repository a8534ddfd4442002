//! Who starts an operation.

use domain::{Actor, UserId};
use lambda::http::ClientInfo;

/// Who starts an operation.
#[derive(Debug, Clone, Copy)]
pub enum Initiator<'a> {
    /// The caller of a request, whose quotas are checked.
    Caller {
        /// The user or API key.
        actor: Actor,
        /// Where the request comes from.
        client: &'a ClientInfo,
    },
    /// Whoever announced an upload that has arrived.
    Announcer(Actor),
    /// The program itself: a file dropped into the bucket, a schedule, a repair.
    System {
        /// The user that the operation belongs to.
        on_behalf_of: UserId,
    },
}

impl Initiator<'_> {
    /// The user that the operation belongs to.
    pub const fn user_id(&self) -> UserId {
        match self {
            Self::Caller { actor, .. } | Self::Announcer(actor) => actor.user_id,
            Self::System { on_behalf_of } => *on_behalf_of,
        }
    }
}
