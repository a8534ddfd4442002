//! Where a listing of a source of GitHub is, and what it leaves for the next one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Entry, Unlisted};

/// What the last listing left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// When everything was listed.
    pub(super) complete_at: DateTime<Utc>,
    /// Where the next list of changes begins.
    pub(super) since: DateTime<Utc>,
    /// The commits of the repositories whose files are read.
    pub(super) commits: Vec<String>,
    /// By URL, of lists of changes since then that were empty.
    pub(super) etags: BTreeMap<String, String>,
}

/// Where the next page begins.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// From when on changes are listed; `None` if everything is.
    pub(super) since: Option<DateTime<Utc>>,
    /// The index of the part.
    pub(super) part: usize,
    /// The page within the part; `None` for the first.
    pub(super) page: Option<String>,
    /// How many entries of it have been listed.
    pub(super) skip: usize,
    /// The issues of the repository that were listed as changed.
    pub(super) listed: BTreeSet<u64>,
    /// Whether anything has changed.
    pub(super) has_changes: bool,
    pub(super) left: Checkpoint,
    /// The ETags of the last listing.
    #[serde(skip)]
    pub(super) known: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Files,
    Issues,
    /// Comments, whose edits may leave their issue as it was.
    Comments(&'static str),
    Discussions,
}

/// What a request found.
pub(super) enum Step {
    Listed {
        entries: Vec<Entry>,
        next: Option<String>,
    },
    /// Something has left the selected state, which only a complete listing can tell.
    NeedsComplete,
}

impl Cursor {
    pub(super) fn new(since: Option<DateTime<Utc>>, left: Checkpoint) -> Self {
        let (page, listed, known) = (None, BTreeSet::new(), BTreeMap::new());
        Self { since, part: 0, page, skip: 0, listed, has_changes: false, left, known }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.since.is_none()
    }

    pub(super) fn unlisted(&self) -> Unlisted {
        if self.is_complete() { Unlisted::Gone } else { Unlisted::Unchanged }
    }
}
