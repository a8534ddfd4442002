//! Drops indexes that were replaced, when their grace period is over.

use lambda::StageError;

use crate::State;

/// Indexes that one invocation drops at most.
const MAX_DROPPED: i64 = 20;

/// Drops the indexes that are due, and counts them. The next invocation retries one that cannot be
/// dropped.
pub(crate) async fn drop_due(state: &State, dropped: &mut usize) -> Result<(), StageError> {
    let due = state.db.connection().await?.retired_vector_stores().claim_due(MAX_DROPPED).await?;
    for name in due {
        state.vectors.delete_index(&name).await?;
        state.db.connection().await?.retired_vector_stores().mark_dropped(&name).await?;
        tracing::info!(vector_store.name = name, "index dropped");
        *dropped += 1;
    }
    Ok(())
}
