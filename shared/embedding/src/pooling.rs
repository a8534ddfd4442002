//! Pooling: averages the hidden states of the tokens of a text into one vector, or chooses one of them. Pure.
//!
//! The three modes and their details are those of sentence-transformers, with which most public models were
//! trained:
//! <https://github.com/UKPLab/sentence-transformers/blob/master/sentence_transformers/models/Pooling.py>
//! and `Normalize.py` beside it (`torch.nn.functional.normalize`, p = 2, eps = 1e-12).

use models::Pooling;

/// A norm below this is replaced by it, to avoid division by zero.
const SHORTEST_NORM: f32 = 1e-12;

/// Pools the hidden states of one text: `dimension` numbers for each of its tokens (at least one), without
/// padding.
pub(crate) fn pool(hidden: &[f32], dimension: usize, pooling: Pooling) -> Vec<f32> {
    match pooling {
        Pooling::Mean => mean(hidden, dimension),
        Pooling::Cls => hidden[..dimension].to_vec(),
        Pooling::LastToken => hidden[hidden.len() - dimension..].to_vec(),
    }
}

/// Normalizes a vector to length 1. The zero vector stays zero.
pub(crate) fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(SHORTEST_NORM);
    for value in vector {
        *value /= norm;
    }
}

/// Returns the mean over the text's own tokens.
fn mean(hidden: &[f32], dimension: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dimension];
    for token in hidden.chunks_exact(dimension) {
        for (total, value) in sum.iter_mut().zip(token) {
            *total += value;
        }
    }
    let count = (hidden.len() / dimension) as f32;
    for total in &mut sum {
        *total /= count;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hidden states of three tokens, of dimension 2.
    const HIDDEN: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 8.0, 9.0];

    #[test]
    fn a_text_is_its_mean_its_first_or_its_last_token() {
        assert_eq!(pool(&HIDDEN, 2, Pooling::Mean), [4.0, 5.0]);
        assert_eq!(pool(&HIDDEN, 2, Pooling::Cls), [1.0, 2.0]);
        assert_eq!(pool(&HIDDEN, 2, Pooling::LastToken), [8.0, 9.0]);
    }

    #[test]
    fn the_zero_vector_stays_zero() {
        let mut vector = [0.0; 4];
        normalize(&mut vector);
        assert_eq!(vector, [0.0; 4]);
    }

    proptest! {
        #[test]
        fn a_normalized_vector_has_length_one_and_the_same_direction(
            vector in prop::collection::vec(-100f32..100.0, 1..64).prop_filter("not zero", |v| v.iter().any(|x| x.abs() > 0.01))
        ) {
            let mut unit = vector.clone();
            normalize(&mut unit);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
            prop_assert!((dot(&unit, &unit) - 1.0).abs() < 1e-5);
            prop_assert!((dot(&unit, &vector) - dot(&vector, &vector).sqrt()).abs() < 1e-2);
        }
    }
}
