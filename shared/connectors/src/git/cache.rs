//! The trees that this process has read lately, so that the pages of one listing read them once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::object::ObjectId;
use super::tree::Trees;

/// How long trees are kept after their last use: listings read page after page.
const KEEP_FOR: Duration = Duration::from_secs(120);
/// The most bytes of trees that are kept.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Trees by repository and commit. Whoever asks for a commit has it from the repository itself, or from the cursor of a
/// listing that had. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct TreeCache(Arc<Mutex<Vec<Cached>>>);

#[derive(Debug)]
struct Cached {
    repository: String,
    commit: ObjectId,
    trees: Arc<Trees>,
    used_at: Instant,
}

impl TreeCache {
    pub(crate) fn get(&self, repository: &str, commit: ObjectId) -> Option<Arc<Trees>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cached =
            all.iter_mut().find(|cached| cached.commit == commit && cached.repository == repository)?;
        cached.used_at = Instant::now();
        Some(Arc::clone(&cached.trees))
    }

    /// Keeps trees, and drops others for them.
    pub(crate) fn insert(&self, repository: &str, commit: ObjectId, trees: &Arc<Trees>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|cached| cached.used_at.elapsed() < KEEP_FOR && cached.repository != repository);
        all.push(Cached {
            repository: repository.to_owned(),
            commit,
            trees: Arc::clone(trees),
            used_at: Instant::now(),
        });
        all.sort_by_key(|cached| cached.used_at);
        while all.len() > 1 && all.iter().map(|cached| cached.trees.size()).sum::<u64>() > MAX_BYTES {
            all.remove(0);
        }
    }
}
