//! Checks a sample of every collection once a day.

use std::collections::BTreeMap;
use std::time::Duration;

use db::audit::AuditEntry;
use db::collections::UncheckedCollection;
use domain::DocumentId;
use integrity::{CheckedCollection, Cursor, Discrepancy, Stores, compare, read_page};
use lambda::StageError;
use lambda::event::Invocation;
use lambda::metric::{self, Metric};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::State;

/// Collections that one invocation checks at most.
pub(crate) const MAX_COLLECTIONS: i64 = 10;
/// Documents of a sample.
const DOCUMENTS: usize = 50;
/// With less time left than this, no further collection is checked.
const RESERVE: Duration = Duration::from_secs(20);
/// Discrepancies that the audit log names.
const NAMED: usize = 20;

/// Checks the collections whose check is due: their counters and first operations, and documents, objects
/// and points from a random place on. Mismatches are written to the audit log and to the metric
/// `IntegrityMismatches`.
pub(crate) async fn check_due(
    state: &State,
    invocation: &Invocation,
    checked: &mut usize,
) -> Result<(), StageError> {
    let age = state.integrity_interval;
    let due = state.db.connection().await?.integrity_checks().list_due(age, MAX_COLLECTIONS).await?;
    for collection in due {
        if invocation.remaining() < RESERVE {
            return Ok(());
        }
        check(state, &collection, Uuid::new_v4()).await?;
        *checked += 1;
    }
    Ok(())
}

/// Checks a sample of a collection that begins at a place in the order of ids.
async fn check(state: &State, collection: &UncheckedCollection, place: Uuid) -> Result<(), StageError> {
    let stores = Stores { db: &state.db, artifacts: &state.artifacts, vectors: &state.vectors };
    let checked = CheckedCollection {
        id: collection.id,
        vector_store_name: &collection.vector_store_name,
        is_exclusive: false,
    };
    let mut discrepancies = Vec::new();
    let mut documents = 0;
    for cursor in [
        Cursor::START,
        Cursor::Documents(Some(DocumentId(place))),
        Cursor::Uploads(None),
        Cursor::Points(Some(place)),
    ] {
        let page = read_page(stores, checked, &cursor, DOCUMENTS).await.map_err(StageError::from)?;
        documents += page.checked.documents;
        discrepancies.extend(compare(&page.facts));
    }
    let mismatches = discrepancies.len();
    metric::add(Metric::IntegrityMismatches, mismatches);
    let mut tx = state.db.begin().await?;
    tx.integrity_checks().record(collection.id, as_count(documents), as_count(mismatches)).await?;
    if mismatches > 0 {
        tracing::error!(
            collection.id = %collection.id,
            mismatches,
            "the collection is not what its rows say; see GET /api/v2/collections/{{id}}/integrity"
        );
        tx.audit_log()
            .insert(&AuditEntry {
                collection_id: Some(collection.id),
                collection_name: Some(&collection.name),
                operation_id: None,
                actor: None,
                action: "integrity_mismatch",
                details: &details(&discrepancies),
                ip_address: None,
                user_agent: None,
                request_id: None,
            })
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

fn details(discrepancies: &[Discrepancy]) -> Value {
    let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
    for discrepancy in discrepancies {
        *kinds.entry(discrepancy.kind.as_str()).or_default() += 1;
    }
    let named = discrepancies.iter().take(NAMED).map(|discrepancy| {
        json!({
            "kind": discrepancy.kind.as_str(),
            "document_id": discrepancy.document_id,
            "key": discrepancy.key,
            "expected": discrepancy.expected,
            "found": discrepancy.found,
        })
    });
    json!({ "mismatches": kinds, "first": named.collect::<Vec<Value>>() })
}

fn as_count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
