//! The comparison: facts in, discrepancies out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use db::operations::OperationTally;
use domain::{ArtifactKey, DocumentId, DocumentStatus};

use crate::discrepancy::{Discrepancy, DiscrepancyKind as Kind};
use crate::facts::{DocumentFacts, Facts};

/// Returns everything in which the facts contradict each other, each once.
pub fn compare(facts: &Facts) -> Vec<Discrepancy> {
    let mut found = Vec::new();
    found.extend(facts.operations.iter().flat_map(compare_operation));
    let counters = facts.counters.iter().filter(|counter| counter.stored != counter.counted);
    found.extend(counters.map(|counter| {
        Discrepancy::new(Kind::Counter, counter.counted, counter.stored).at(counter.name.clone())
    }));
    let objects: BTreeSet<String> = facts.objects.iter().map(ArtifactKey::path).collect();
    for document in &facts.documents {
        found.extend(compare_row(document));
        found.extend(compare_points(facts, document));
        found.extend(compare_needed_objects(facts, document, &objects));
    }
    found.extend(orphaned_points(facts));
    found.extend(orphaned_objects(facts));
    found
}

fn compare_operation(operation: &OperationTally) -> Vec<Discrepancy> {
    let of_operation =
        |kind, expected, found| Discrepancy::new(kind, expected, found).of_operation(operation.id);
    let mut found = Vec::new();
    if operation.open > 0 {
        found.push(of_operation(Kind::OpenItems, 0, operation.open));
    }
    if operation.unexplained > 0 {
        found.push(of_operation(Kind::UnexplainedItems, 0, operation.unexplained));
    }
    // Items of purged documents are gone, so there may be fewer.
    if operation.items > operation.counted {
        found.push(of_operation(Kind::UncountedItems, operation.counted, operation.items));
    }
    found
}

fn compare_row(document: &DocumentFacts) -> Option<Discrepancy> {
    let of_document =
        |kind, expected, found| Discrepancy::new(kind, expected, found).of_document(document.id);
    match document.status {
        DocumentStatus::Pending | DocumentStatus::Processing => {
            Some(of_document(Kind::StalledDocument, 1, 0))
        }
        DocumentStatus::Failed | DocumentStatus::Skipped if !document.has_reason => {
            Some(of_document(Kind::UnexplainedDocument, 1, 0))
        }
        DocumentStatus::Completed if !document.is_duplicate && !document.has_points() => {
            Some(of_document(Kind::EmptyDocument, 1, 0))
        }
        DocumentStatus::Completed if document.has_points() && document.content_generation.is_none() => {
            Some(of_document(Kind::MissingArtifactRow, 1, 0).of_generation(document.generation))
        }
        _ => None,
    }
}

/// Points that the searchable generation lacks.
fn compare_points(facts: &Facts, document: &DocumentFacts) -> Option<Discrepancy> {
    let expected = document.expected_points(document.generation);
    let found = facts.points.get(&(document.id, document.generation));
    let present = found.map_or(0, |found| found.intersection(&expected).count());
    (present < expected.len()).then(|| {
        Discrepancy::new(Kind::MissingPoints, count(expected.len()), count(present))
            .of_document(document.id)
            .of_generation(document.generation)
    })
}

/// Objects without which the document cannot be rebuilt, reindexed or downloaded.
fn compare_needed_objects(
    facts: &Facts,
    document: &DocumentFacts,
    objects: &BTreeSet<String>,
) -> Vec<Discrepancy> {
    if !document.has_points() {
        return Vec::new();
    }
    let (collection_id, document_id) = (facts.collection_id, document.id);
    let mut found = Vec::new();
    let raw: BTreeSet<_> =
        [Some(document.generation), document.content_generation].into_iter().flatten().collect();
    for generation in raw {
        let key = ArtifactKey::Raw { collection_id, document_id, generation }.path();
        if !objects.contains(&key) {
            let missing = Discrepancy::new(Kind::MissingObjects, 1, 0).at(key);
            found.push(missing.of_document(document_id).of_generation(generation));
        }
    }
    let generation = document.generation;
    let chunks = |batch| ArtifactKey::Chunks { collection_id, document_id, generation, batch };
    let vectors = |batch| ArtifactKey::Vectors { collection_id, document_id, generation, batch };
    for key in [&chunks as &dyn Fn(u32) -> ArtifactKey, &vectors] {
        let expected = document.batches();
        let present = (0..expected).filter(|batch| objects.contains(&key(*batch).path())).count();
        if count(present) < i64::from(expected) {
            let missing = Discrepancy::new(Kind::MissingObjects, i64::from(expected), count(present));
            found.push(missing.at(folder(&key(0))).of_document(document_id).of_generation(generation));
        }
    }
    found
}

fn orphaned_points(facts: &Facts) -> impl Iterator<Item = Discrepancy> {
    facts.points.keys().filter_map(|(document_id, generation)| {
        let orphaned = facts.orphaned_points(*document_id, *generation).len();
        (orphaned > 0).then(|| {
            Discrepancy::new(Kind::OrphanedPoints, 0, count(orphaned))
                .of_document(*document_id)
                .of_generation(*generation)
        })
    })
}

/// Objects that nothing refers to: staged ones by the folder of their generation, others by their key.
fn orphaned_objects(facts: &Facts) -> Vec<Discrepancy> {
    let mut staged: BTreeMap<String, (DocumentId, &ArtifactKey, usize)> = BTreeMap::new();
    for key in facts.orphaned_objects() {
        let Some(document_id) = key.document_id() else { continue };
        staged.entry(folder(key)).or_insert((document_id, key, 0)).2 += 1;
    }
    let staged = staged.into_iter().map(|(folder, (document_id, key, objects))| Discrepancy {
        generation: key.generation(),
        ..Discrepancy::new(Kind::OrphanedObjects, 0, count(objects)).at(folder).of_document(document_id)
    });
    let uploads = facts.uploads.iter().filter(|upload| !upload.is_owned).map(|upload| &upload.key);
    let others = facts.unknown_keys.iter().chain(uploads);
    staged.chain(others.map(|key| Discrepancy::new(Kind::OrphanedObjects, 0, 1).at(key.clone()))).collect()
}

/// Returns the key without its batch: what the objects of one kind of a generation have in common.
fn folder(key: &ArtifactKey) -> String {
    let path = key.path();
    match (key.batch(), path.rfind('/')) {
        (Some(_), Some(end)) => path[..=end].to_owned(),
        _ => path,
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
