//! The quotas that starting an operation can exceed.
//!
//! They are checked after the rows are inserted, in the same transaction and under the lock of the
//! collection row: two requests at once cannot both take the last place.

use chrono::{DateTime, Utc};
use db::Tx;
use db::collections::OPERATIONS_COUNT_FOR;
use domain::{CollectionId, OperationType};

use crate::error::{QuotaExceeded, StartError};
use crate::initiator::Initiator;

/// Whether operations per hour are limited for this initiator and type.
///
/// What the program starts by itself (arrived uploads, schedules, repairs) is not refused: no
/// client could try again. Neither is what makes room or only an administrator may do: removing
/// documents, sources and collections, rebuilding an index, and repairs. The `index` operation belongs to
/// the creation of a collection, which has a quota of its own.
const fn is_limited(initiator: Initiator<'_>, operation_type: OperationType) -> bool {
    let is_request = matches!(initiator, Initiator::Caller { .. });
    is_request
        && match operation_type {
            OperationType::Append
            | OperationType::Reindex
            | OperationType::RestoreDocuments
            | OperationType::RetryDocuments => true,
            OperationType::Index
            | OperationType::Delete
            | OperationType::RemoveSource
            | OperationType::RemoveDocuments
            | OperationType::Rebuild
            | OperationType::Repair => false,
        }
}

/// Checks the operations per hour after `new` ones were inserted.
pub(crate) async fn check_operations(
    tx: &mut Tx,
    id: CollectionId,
    initiator: Initiator<'_>,
    operation_type: OperationType,
    new: usize,
) -> Result<(), StartError> {
    if !is_limited(initiator, operation_type) {
        return Ok(());
    }
    let limit = i64::from(tx.collection_resource_limits().find(id).await?.max_operations_per_hour);
    let (counted, frees_place_at) = tx.collection_resource_limits().count_operations(id, limit).await?;
    let new = i64::try_from(new).unwrap_or(i64::MAX);
    exceeded(counted, new, limit, frees_place_at, Utc::now()).map_or(Ok(()), |quota| Err(quota.into()))
}

/// Checks the number of sources after one was inserted.
pub(crate) async fn check_sources(tx: &mut Tx, id: CollectionId) -> Result<(), StartError> {
    let limit = i64::from(tx.collection_resource_limits().find(id).await?.max_sources);
    let sources = tx.collection_resource_limits().count_sources(id).await?;
    if sources <= limit {
        return Ok(());
    }
    Err(QuotaExceeded::Sources { used: sources - 1, limit }.into())
}

/// `counted` includes the new operations. `frees_place_at` is when the last operation was started
/// that must be older than an hour for the new ones to fit.
fn exceeded(
    counted: i64,
    new: i64,
    limit: i64,
    frees_place_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<QuotaExceeded> {
    if counted <= limit {
        return None;
    }
    if new > limit {
        return Some(QuotaExceeded::OperationsAtOnce { new, limit });
    }
    let wait = frees_place_at.unwrap_or(now) + OPERATIONS_COUNT_FOR - now;
    let retry_after_secs = wait.num_seconds().clamp(0, OPERATIONS_COUNT_FOR.num_seconds()) + 1;
    Some(QuotaExceeded::OperationsPerHour { used: counted - new, limit, retry_after_secs })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use domain::{Actor, UserId};
    use lambda::http::ClientInfo;

    use super::*;

    #[test]
    fn the_wait_ends_when_enough_operations_are_older_than_an_hour() {
        let now = Utc::now();
        let ago = |minutes| Some(now - TimeDelta::minutes(minutes));
        assert_eq!(exceeded(5, 1, 5, None, now), None);
        assert_eq!(
            exceeded(6, 1, 5, ago(50), now),
            Some(QuotaExceeded::OperationsPerHour { used: 5, limit: 5, retry_after_secs: 601 })
        );
        assert_eq!(
            exceeded(6, 1, 5, ago(90), now).and_then(QuotaExceeded::retry_after_secs),
            Some(1),
            "never in the past"
        );
        assert_eq!(
            exceeded(2, 2, 1, None, now),
            Some(QuotaExceeded::OperationsAtOnce { new: 2, limit: 1 }),
            "no wait would help"
        );
    }

    #[test]
    fn only_requests_that_add_work_are_limited() {
        let client = ClientInfo { ip_address: None, user_agent: None, request_id: "r".to_owned() };
        let caller = Initiator::Caller { actor: Actor::user(UserId(1)), client: &client };
        let system = Initiator::System { on_behalf_of: UserId(1) };
        let all = [
            OperationType::Index,
            OperationType::Append,
            OperationType::Reindex,
            OperationType::RemoveSource,
            OperationType::Delete,
            OperationType::RemoveDocuments,
            OperationType::RestoreDocuments,
            OperationType::RetryDocuments,
            OperationType::Rebuild,
            OperationType::Repair,
        ];
        let limited: Vec<_> = all.into_iter().filter(|kind| is_limited(caller, *kind)).collect();
        assert_eq!(
            limited,
            [
                OperationType::Append,
                OperationType::Reindex,
                OperationType::RestoreDocuments,
                OperationType::RetryDocuments
            ]
        );
        assert!(all.into_iter().all(|kind| !is_limited(system, kind)));
    }
}
