//! Which texts go through the model together. Pure.
//!
//! A batch is a rectangle: every text is filled up to the longest. In the order of arrival most of
//! that rectangle is padding; sorted by length almost none is. Small batches fit the processor's
//! caches, so a budget of some hundred tokens beats one of many thousand.

use std::{cmp::Reverse, ops::Range};

use models::PaddingSide;

/// Texts of one run through the model, filled up to the same length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PaddedBatch {
    /// Number of texts.
    pub rows: usize,
    /// Tokens of each text, padding included: the longest text's own number.
    pub sequence: usize,
    /// Token ids, `rows` x `sequence`, row by row.
    pub ids: Vec<i64>,
    /// 1 where `ids` is a token of the text, 0 where it is padding.
    pub mask: Vec<i64>,
    /// Where each text's own tokens are in its row.
    pub texts: Vec<Range<usize>>,
}

/// Groups texts, given by their lengths in tokens, into batches of at most `budget` tokens, padding
/// included. Returns indices into `lengths`, each exactly once. A text longer than the budget is a
/// batch of its own.
///
/// The longest come first: memory is at its peak in the first batch and is reused by the others.
pub(crate) fn plan(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    // Stable, so equal lengths keep their order and the plan is the same every time.
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
    /// Lays texts out as one rectangle.
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

    /// Each token's place in its text, from 0, for graphs that do not count themselves. Padding
    /// before a text stands at 1, as in Hugging Face's own batches; padding after it goes on
    /// counting. The mask hides either.
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
    fn texts_of_like_length_share_a_batch() {
        assert_eq!(plan(&[3, 100, 4, 90, 3], 200), [vec![1, 3], vec![2, 0, 4]]);
    }

    #[test]
    fn a_text_over_the_budget_goes_alone() {
        assert_eq!(plan(&[300, 10, 400], 256), [vec![2], vec![0], vec![1]]);
    }

    #[test]
    fn nothing_gives_nothing() {
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

        /// The waste is bounded: a batch that could have taken the next text would have.
        #[test]
        fn no_two_neighbouring_batches_could_have_been_one(
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
