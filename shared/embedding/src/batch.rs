//! Batching: which texts go through the model together. Pure.
//!
//! A batch is a matrix in which every text is padded to the longest. In the order of arrival most of it is
//! padding; sorted by length almost none is. Small batches fit into the CPU's caches, so a budget of a few
//! hundred tokens is faster than one of many thousand.

use std::{cmp::Reverse, ops::Range};

use models::PaddingSide;

/// The texts of one run of the model, padded to the same length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PaddedBatch {
    /// The number of texts.
    pub rows: usize,
    /// The number of tokens of each text, including padding: the length of the longest text.
    pub sequence: usize,
    /// Token ids, `rows` x `sequence`, row-major.
    pub ids: Vec<i64>,
    /// The attention mask: 1 where `ids` is a token of a text, 0 where it is padding.
    pub mask: Vec<i64>,
    /// The range of each text's tokens in its row.
    pub texts: Vec<Range<usize>>,
}

/// Groups texts, given by their lengths in tokens, into batches of at most `budget` tokens including padding.
/// Returns indices into `lengths`, each exactly once. A text longer than the budget is a batch of its own.
///
/// The longest texts come first: the first batch then needs the most memory, and the others reuse it.
pub(crate) fn plan(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    // The sort is stable, so the plan is deterministic.
    order.sort_by_key(|&index| Reverse(lengths[index]));

    let mut batches: Vec<Vec<usize>> = Vec::new();
    for index in order {
        match batches.last_mut() {
            // The first text of a batch is its longest.
            Some(batch) if (batch.len() + 1) * lengths[batch[0]] <= budget => batch.push(index),
            _ => batches.push(vec![index]),
        }
    }
    batches
}

impl PaddedBatch {
    /// Pads texts to a batch.
    pub fn new(texts: &[&[u32]], padding_token_id: u32, side: PaddingSide) -> Self {
        let rows = texts.len();
        let sequence = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let mut ids = vec![i64::from(padding_token_id); rows * sequence];
        let mut mask = vec![0; rows * sequence];
        let mut ranges = Vec::with_capacity(rows);
        for (row, text) in texts.iter().enumerate() {
            let first = match side {
                PaddingSide::Right => 0,
                PaddingSide::Left => sequence - text.len(),
            };
            let start = row * sequence + first;
            for (column, &id) in text.iter().enumerate() {
                ids[start + column] = i64::from(id);
                mask[start + column] = 1;
            }
            ranges.push(first..first + text.len());
        }
        Self { rows, sequence, ids, mask, texts: ranges }
    }

    /// Returns each token's position in its text, from 0, for graphs that do not compute it. Padding before a
    /// text has position 1, as in Hugging Face's batches; padding after it continues to count. The mask hides both.
    pub fn positions(&self) -> Vec<i64> {
        let place = |text: &Range<usize>, column: usize| {
            if column < text.start { 1 } else { (column - text.start) as i64 }
        };
        self.texts.iter().flat_map(|text| (0..self.sequence).map(move |column| place(text, column))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_of_similar_length_share_a_batch() {
        assert_eq!(plan(&[3, 100, 4, 90, 3], 200), [vec![1, 3], vec![2, 0, 4]]);
    }

    #[test]
    fn a_text_above_the_budget_is_a_batch_of_its_own() {
        assert_eq!(plan(&[300, 10, 400], 256), [vec![2], vec![0], vec![1]]);
    }

    #[test]
    fn no_texts_give_no_batches() {
        assert!(plan(&[], 256).is_empty());
    }

    #[test]
    fn shorter_texts_are_padded_on_the_right_and_masked() {
        let batch = PaddedBatch::new(&[&[101, 7, 102], &[101, 102]], 9, PaddingSide::Right);
        assert_eq!((batch.rows, batch.sequence), (2, 3));
        assert_eq!(batch.ids, [101, 7, 102, 101, 102, 9]);
        assert_eq!(batch.mask, [1, 1, 1, 1, 1, 0]);
        assert_eq!(batch.texts, [0..3, 0..2]);
        assert_eq!(batch.positions(), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn padding_on_the_left_moves_the_text_and_its_positions() {
        let batch = PaddedBatch::new(&[&[5, 6, 7], &[5, 8]], 9, PaddingSide::Left);
        assert_eq!(batch.ids, [5, 6, 7, 9, 5, 8]);
        assert_eq!(batch.mask, [1, 1, 1, 0, 1, 1]);
        assert_eq!(batch.texts, [0..3, 1..3]);
        assert_eq!(batch.positions(), [0, 1, 2, 1, 0, 1]);
    }

    proptest! {
        #[test]
        fn every_text_is_in_one_batch_within_the_budget(
            lengths in prop::collection::vec(1usize..600, 0..200),
            budget in 1usize..2048,
        ) {
            let batches = plan(&lengths, budget);
            let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                let longest = batch.iter().map(|&index| lengths[index]).max().unwrap_or(0);
                prop_assert!(batch.len() == 1 || batch.len() * longest <= budget);
            }
        }

        /// Padding is bounded: a batch that has room for the next text contains it.
        #[test]
        fn adjacent_batches_could_not_be_merged(
            lengths in prop::collection::vec(1usize..600, 0..200),
            budget in 1usize..2048,
        ) {
            let batches = plan(&lengths, budget);
            for pair in batches.windows(2) {
                let longest = lengths[pair[0][0]];
                prop_assert!((pair[0].len() + 1) * longest > budget);
                let shortest = pair[0].iter().map(|&index| lengths[index]).min();
                prop_assert!(shortest >= Some(lengths[pair[1][0]]));
            }
        }
    }
}
