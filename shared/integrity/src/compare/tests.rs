use std::collections::BTreeSet;

use db::collections::Counter;
use db::operations::OperationTally;
use domain::{ArtifactKey, CollectionId, DocumentId, DocumentStatus, Generation, OperationId, point_id};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::facts::UploadedObject;

fn collection_id() -> CollectionId {
    CollectionId(Uuid::from_u128(1))
}

fn document_id(number: u128) -> DocumentId {
    DocumentId(Uuid::from_u128(1000 + number))
}

/// A searchable document with this many chunks.
fn searchable(number: u128, generation: i32, chunk_count: u32) -> DocumentFacts {
    DocumentFacts {
        id: document_id(number),
        status: DocumentStatus::Completed,
        has_reason: false,
        is_duplicate: false,
        generation: Generation(generation),
        chunk_count,
        content_generation: Some(Generation(1)),
        last_generation: Generation(generation),
        kept: (1..=generation).map(Generation).collect(),
        is_erasing: false,
    }
}

fn document(number: u128) -> impl Strategy<Value = DocumentFacts> {
    let status = prop_oneof![
        4 => Just(DocumentStatus::Completed),
        1 => Just(DocumentStatus::Failed),
        1 => Just(DocumentStatus::Skipped),
        1 => Just(DocumentStatus::Cancelled),
        1 => Just(DocumentStatus::Deleted),
    ];
    (status, 1..4_i32, 1..600_u32, any::<bool>()).prop_map(
        move |(status, generation, chunk_count, was_searchable)| {
            let has_chunks = match status {
                DocumentStatus::Completed => true,
                DocumentStatus::Failed | DocumentStatus::Cancelled => was_searchable,
                _ => false,
            };
            DocumentFacts {
                status,
                has_reason: matches!(status, DocumentStatus::Failed | DocumentStatus::Skipped),
                generation: Generation(if has_chunks { generation } else { 0 }),
                chunk_count: if has_chunks { chunk_count } else { 0 },
                last_generation: Generation(generation + 1),
                // The version before it is still to be erased.
                is_erasing: true,
                ..searchable(number, generation, chunk_count)
            }
        },
    )
}

/// Facts without a contradiction.
fn consistent() -> impl Strategy<Value = Facts> {
    let documents: Vec<_> = (0..6).map(document).collect();
    (documents, 0..100_i64).prop_map(|(documents, number)| {
        let mut facts = Facts::new(collection_id());
        for document in &documents {
            let expected = document.expected_points(document.generation);
            if !expected.is_empty() {
                facts.points.insert((document.id, document.generation), expected);
                facts.objects.extend(objects_of(document));
            }
            facts.objects.push(raw(document.id, document.last_generation));
        }
        facts.documents = documents;
        facts.operations.push(OperationTally {
            sequence: 1,
            id: OperationId(Uuid::nil()),
            items: number,
            open: 0,
            unexplained: 0,
            counted: number,
        });
        facts.counters.push(Counter { name: "document_count".to_owned(), stored: number, counted: number });
        facts.uploads.push(UploadedObject { key: "announced/x/a".to_owned(), is_owned: true });
        facts
    })
}

fn raw(document_id: DocumentId, generation: Generation) -> ArtifactKey {
    ArtifactKey::Raw { collection_id: collection_id(), document_id, generation }
}

fn objects_of(document: &DocumentFacts) -> Vec<ArtifactKey> {
    let (collection_id, document_id, generation) = (collection_id(), document.id, document.generation);
    let generations: BTreeSet<Generation> =
        [Some(generation), document.content_generation].into_iter().flatten().collect();
    let mut objects: Vec<ArtifactKey> =
        generations.into_iter().map(|generation| raw(document_id, generation)).collect();
    for batch in 0..document.batches() {
        objects.push(ArtifactKey::Chunks { collection_id, document_id, generation, batch });
        objects.push(ArtifactKey::Vectors { collection_id, document_id, generation, batch });
    }
    objects
}

/// A change after which the facts contradict each other in one point.
#[derive(Debug, Clone)]
enum Damage {
    LosePoint(prop::sample::Index),
    AddPoint { document: u128, generation: i32 },
    LoseObject(prop::sample::Index),
    AddObject { document: u128 },
    AddUpload,
    AddUnknownKey,
    Miscount(i64),
    LoseRow,
    OpenItem,
    UnexplainedItem,
    UncountedItem,
    Stall,
    LoseReason,
    LoseChunks,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Damage::LosePoint),
        (0..12_u128, 0..9_i32).prop_map(|(document, generation)| Damage::AddPoint { document, generation }),
        any::<prop::sample::Index>().prop_map(Damage::LoseObject),
        (0..12_u128).prop_map(|document| Damage::AddObject { document }),
        Just(Damage::AddUpload),
        Just(Damage::AddUnknownKey),
        (1..9_i64).prop_map(Damage::Miscount),
        Just(Damage::LoseRow),
        Just(Damage::OpenItem),
        Just(Damage::UnexplainedItem),
        Just(Damage::UncountedItem),
        Just(Damage::Stall),
        Just(Damage::LoseReason),
        Just(Damage::LoseChunks),
    ]
}

/// Returns the kind that must be found, and how many discrepancies; `None` if there is nothing to damage.
fn apply(damage: &Damage, facts: &mut Facts) -> Option<Kind> {
    let first = |facts: &mut Facts, status: &[DocumentStatus]| {
        facts.documents.iter().position(|document| status.contains(&document.status))
    };
    match damage {
        Damage::LosePoint(index) => {
            let all: Vec<_> =
                facts.points.iter().flat_map(|(of, ids)| ids.iter().map(|id| (*of, *id))).collect();
            let (of, id) = (!all.is_empty()).then(|| *index.get(&all))?;
            facts.points.get_mut(&of)?.remove(&id);
            Some(Kind::MissingPoints)
        }
        Damage::AddPoint { document, generation } => {
            let key = (document_id(*document), Generation(*generation));
            facts.points.entry(key).or_default().insert(Uuid::from_u128(7));
            Some(Kind::OrphanedPoints)
        }
        Damage::LoseObject(index) => {
            let needed: Vec<ArtifactKey> = facts
                .documents
                .iter()
                .filter(|document| document.has_points())
                .flat_map(objects_of)
                .collect();
            let lost = (!needed.is_empty()).then(|| index.get(&needed).clone())?;
            facts.objects.retain(|key| *key != lost);
            Some(Kind::MissingObjects)
        }
        Damage::AddObject { document } => {
            // Of a document that does not exist, or of a generation that no document has had.
            facts.objects.push(raw(document_id(*document), Generation(90)));
            Some(Kind::OrphanedObjects)
        }
        Damage::AddUpload => {
            facts.uploads.push(UploadedObject { key: "announced/x/b".to_owned(), is_owned: false });
            Some(Kind::OrphanedObjects)
        }
        Damage::AddUnknownKey => {
            facts.unknown_keys.push("raw/x/notes.txt".to_owned());
            Some(Kind::OrphanedObjects)
        }
        Damage::Miscount(by) => {
            facts.counters[0].stored += by;
            Some(Kind::Counter)
        }
        Damage::LoseRow => {
            let place = facts
                .documents
                .iter()
                .position(|document| document.has_points() && document.status == DocumentStatus::Completed)?;
            facts.documents[place].content_generation = None;
            Some(Kind::MissingArtifactRow)
        }
        Damage::OpenItem => {
            facts.operations[0].open = 1;
            Some(Kind::OpenItems)
        }
        Damage::UnexplainedItem => {
            facts.operations[0].unexplained = 1;
            Some(Kind::UnexplainedItems)
        }
        Damage::UncountedItem => {
            facts.operations[0].items += 1;
            Some(Kind::UncountedItems)
        }
        Damage::Stall => {
            let place = first(facts, &[DocumentStatus::Completed, DocumentStatus::Cancelled])?;
            facts.documents[place].status = DocumentStatus::Pending;
            Some(Kind::StalledDocument)
        }
        Damage::LoseReason => {
            let place = first(facts, &[DocumentStatus::Failed, DocumentStatus::Skipped])?;
            facts.documents[place].has_reason = false;
            Some(Kind::UnexplainedDocument)
        }
        Damage::LoseChunks => {
            let place = facts.documents.iter().position(|document| !document.has_points())?;
            facts.documents[place].status = DocumentStatus::Completed;
            Some(Kind::EmptyDocument)
        }
    }
}

proptest! {
    #[test]
    fn consistent_facts_have_no_discrepancies(facts in consistent()) {
        prop_assert_eq!(compare(&facts), []);
    }

    #[test]
    fn every_damage_is_found_as_what_it_is_and_nothing_else(mut facts in consistent(), damage in damage()) {
        let Some(kind) = apply(&damage, &mut facts) else { return Ok(()) };
        let found = compare(&facts);
        let kinds: Vec<Kind> = found.iter().map(|discrepancy| discrepancy.kind).collect();
        prop_assert_eq!(kinds, [kind], "{:?}", found);
        prop_assert_ne!(found[0].expected, found[0].found);
    }

    #[test]
    fn orphaned_points_are_all_but_the_expected_ones(
        chunk_count in 1..600_u32, lost in 0..600_u32, surplus in 0..20_u32,
    ) {
        let document = searchable(1, 2, chunk_count);
        let (id, generation) = (document.id, document.generation);
        let mut facts = Facts::new(collection_id());
        let found = (lost..chunk_count + surplus).map(|index| point_id(id, generation, index));
        facts.points.insert((id, generation), found.collect());
        facts.objects = objects_of(&document);
        facts.documents.push(document);
        let expected: Vec<Uuid> =
            (chunk_count.max(lost)..chunk_count + surplus).map(|index| point_id(id, generation, index)).collect();
        let orphaned = facts.orphaned_points(id, generation);
        prop_assert_eq!(BTreeSet::from_iter(orphaned), BTreeSet::from_iter(expected.clone()));
        let found = compare(&facts);
        let of = |kind| found.iter().find(|discrepancy| discrepancy.kind == kind);
        prop_assert_eq!(of(Kind::OrphanedPoints).map_or(0, |one| one.found), count(expected.len()));
        let missing = of(Kind::MissingPoints).map_or(0, |one| one.expected - one.found);
        prop_assert_eq!(missing, i64::from(lost.min(chunk_count)));
    }
}

#[test]
fn a_duplicate_needs_no_points_of_its_own() {
    let mut facts = Facts::new(collection_id());
    facts.documents.push(DocumentFacts { is_duplicate: true, chunk_count: 0, ..searchable(1, 1, 0) });
    assert_eq!(compare(&facts), []);
}

#[test]
fn points_of_a_deleted_document_are_orphaned() {
    let mut facts = Facts::new(collection_id());
    let document = searchable(1, 1, 2);
    let points = document.expected_points(document.generation);
    facts.points.insert((document.id, document.generation), points);
    facts.documents.push(DocumentFacts { status: DocumentStatus::Deleted, ..document });
    let [found] = compare(&facts).try_into().unwrap();
    assert_eq!((found.kind, found.expected, found.found), (Kind::OrphanedPoints, 0, 2));
}

#[test]
fn a_batch_after_the_last_one_is_orphaned() {
    let mut facts = Facts::new(collection_id());
    let document = searchable(1, 1, 2);
    facts.points.insert((document.id, document.generation), document.expected_points(document.generation));
    facts.objects = objects_of(&document);
    let (collection_id, document_id, generation) = (collection_id(), document.id, document.generation);
    facts.objects.push(ArtifactKey::Chunks { collection_id, document_id, generation, batch: 1 });
    facts.documents.push(document);
    let [found] = compare(&facts).try_into().unwrap();
    let key = format!("chunks/{collection_id}/{document_id}/1/");
    assert_eq!((found.kind, found.found, found.key), (Kind::OrphanedObjects, 1, Some(key)));
}

#[test]
fn a_replaced_version_is_orphaned_once_it_should_be_erased() {
    let mut facts = Facts::new(collection_id());
    let mut document = searchable(1, 3, 2);
    document.kept = [Generation(1), Generation(3)].into();
    facts.points.insert((document.id, document.generation), document.expected_points(document.generation));
    facts.objects = objects_of(&document);
    facts.objects.push(raw(document.id, Generation(2)));
    facts.documents.push(DocumentFacts { is_erasing: true, ..document.clone() });
    assert_eq!(compare(&facts), []);
    facts.documents = vec![document];
    let kinds: Vec<Kind> = compare(&facts).iter().map(|discrepancy| discrepancy.kind).collect();
    assert_eq!(kinds, [Kind::OrphanedObjects]);
}
