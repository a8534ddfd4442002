//! Operations and their work lists: queueing, claiming, staging, indexing, removal and completion.

mod completion;
mod finish;
mod item_work;
mod items;
mod members;
mod metrics;
mod operation;
mod orphaned_points;
mod rebuild;
mod reindex;
mod removals;
mod runs;
mod skips;
mod staging;
mod tally;
mod waits;
mod windows;
mod without_points;

pub use completion::{Ending, FinishedOperation};
pub use item_work::{BatchChunks, BatchDone, ItemFailure, ItemWork, Original, StagedVersion};
pub use items::{AbandonedItem, Item, NewItem, OperationItems, StallAges, StalledItem};
pub use members::{MemberEntry, MemberTotals, NewMember};
pub use metrics::{OperationMetric, OperationMetrics};
pub use operation::{ItemCounts, NewOperation, Operation, OperationQuery, Operations};
pub use rebuild::{QueuedRebuild, RebuiltDocument};
pub use reindex::{Coverage, ReindexedDocument, Swap};
pub use staging::{ArtifactRef, StagedItem, StagingItem, StagingOutcome};
pub use tally::OperationTally;
pub use waits::Wait;
