//! Passages with the same text are shown once.

use std::collections::HashMap;

/// The most duplicates that a passage names; the others are only counted.
const MAX_NAMED: usize = 10;

/// A hit, and the other hits with the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passage<H> {
    pub(crate) hit: H,
    /// The first of the others.
    pub(crate) duplicates: Vec<H>,
    /// The number of the others.
    pub(crate) duplicate_count: usize,
}

impl<H> Passage<H> {
    pub(crate) fn new(hit: H) -> Self {
        Self { hit, duplicates: Vec::new(), duplicate_count: 0 }
    }
}

/// Merges hits with the same text into one passage, which shows the first of them. Later hits change neither
/// its place nor what it shows, so a page does not depend on how many hits were retrieved.
pub(crate) fn collapse<H>(hits: Vec<(f32, H)>, text: impl Fn(&H) -> &str) -> Vec<(f32, Passage<H>)> {
    let mut texts: HashMap<&str, usize> = HashMap::with_capacity(hits.len());
    let mut places = Vec::with_capacity(hits.len());
    for (_, hit) in &hits {
        let next = texts.len();
        places.push(*texts.entry(text(hit)).or_insert(next));
    }
    let mut passages: Vec<(f32, Passage<H>)> = Vec::new();
    for ((score, hit), place) in hits.into_iter().zip(places) {
        let Some((_, passage)) = passages.get_mut(place) else {
            passages.push((score, Passage::new(hit)));
            continue;
        };
        passage.duplicate_count += 1;
        if passage.duplicates.len() < MAX_NAMED {
            passage.duplicates.push(hit);
        }
    }
    passages
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A text, and the age of the document.
    type Hit = (String, usize);

    fn collapsed(hits: &[(f32, Hit)]) -> Vec<(f32, Passage<Hit>)> {
        collapse(hits.to_vec(), |(text, _)| text)
    }

    fn hit(score: f32, text: &str, age: usize) -> (f32, Hit) {
        (score, (text.to_owned(), age))
    }

    #[test]
    fn the_best_is_shown_and_names_the_others() {
        let hits = [hit(0.9, "a", 3), hit(0.8, "b", 4), hit(0.7, "a", 1), hit(0.6, "a", 2)];
        let found = collapsed(&hits);
        let named = |age| ("a".to_owned(), age);
        let first = Passage { hit: named(3), duplicates: vec![named(1), named(2)], duplicate_count: 2 };
        assert_eq!(found, [(0.9, first), (0.8, Passage::new(("b".to_owned(), 4)))]);
    }

    fn hits() -> impl Strategy<Value = Vec<(f32, Hit)>> {
        prop::collection::vec((0_u8..6, "[ab]{0,2}"), 0..80).prop_map(|hits| {
            let mut hits: Vec<(f32, Hit)> = hits
                .into_iter()
                .enumerate()
                .map(|(age, (score, text))| (f32::from(score), (text, age)))
                .collect();
            hits.sort_by(|(left, _), (right, _)| right.total_cmp(left));
            hits
        })
    }

    proptest! {
        #[test]
        fn every_text_is_shown_once_and_no_hit_is_lost(hits in hits()) {
            let found = collapsed(&hits);
            let shown: Vec<&str> = found.iter().map(|(_, passage)| passage.hit.0.as_str()).collect();
            let distinct: BTreeSet<&str> = hits.iter().map(|(_, (text, _))| text.as_str()).collect();
            prop_assert_eq!(shown.iter().copied().collect::<BTreeSet<_>>(), distinct);
            prop_assert_eq!(found.iter().map(|(_, passage)| 1 + passage.duplicate_count).sum::<usize>(), hits.len());
            for (score, Passage { hit, duplicates, duplicate_count }) in &found {
                let same = hits.iter().filter(|(_, (text, _))| *text == hit.0);
                let best = same.clone().map(|(score, _)| *score).fold(f32::MIN, f32::max);
                let first = same.map(|(_, (_, age))| *age).next();
                prop_assert_eq!((*score, Some(hit.1)), (best, first));
                prop_assert_eq!(duplicates.len(), (*duplicate_count).min(MAX_NAMED));
                prop_assert!(duplicates.iter().all(|(text, age)| *text == hit.0 && *age != hit.1));
            }
            prop_assert!(found.is_sorted_by(|(left, _), (right, _)| left >= right));
        }

        /// The first passages do not depend on how many hits follow, so pages neither repeat nor skip any.
        #[test]
        fn passages_keep_their_places_when_more_hits_follow(hits in hits(), cut in 0_usize..80) {
            let cut = cut.min(hits.len());
            let shown = |found: Vec<(f32, Passage<Hit>)>| -> Vec<(f32, Hit)> {
                found.into_iter().map(|(score, passage)| (score, passage.hit)).collect()
            };
            let (few, all) = (shown(collapsed(&hits[..cut])), shown(collapsed(&hits)));
            prop_assert_eq!(&few[..], &all[..few.len()]);
        }
    }
}
