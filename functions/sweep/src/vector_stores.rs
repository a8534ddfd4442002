//! Drops Qdrant collections that answer no more, when their time has come.

use lambda::StageError;

use crate::State;

/// The most that one run drops; the next run goes on.
const MOST: i64 = 20;

/// Drops what is due and counts it. One that cannot be dropped is tried again by the next run.
pub(crate) async fn drop_due(state: &State, dropped: &mut usize) -> Result<(), StageError> {
    let due = state.db.connection().await?.retired_vector_stores().claim_due(MOST).await?;
    for name in due {
        state.vectors.delete_index(&name).await?;
        state.db.connection().await?.retired_vector_stores().mark_dropped(&name).await?;
        tracing::info!(vector_store.name = name, "vector store dropped");
        *dropped += 1;
    }
    Ok(())
}
