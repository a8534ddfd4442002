//! Static token embeddings: a vector for each token of the model, used instead of the model itself.
//!
//! `scripts/onnx_models/static_vectors.py` generates and explains them. A text's vector is the sum of its
//! tokens' vectors; only directions are compared, so the mean would give the same result.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use crate::ChunkingError;

/// The vectors of a model's vocabulary, quantized to int8 with a scale each.
#[derive(Debug)]
pub struct StaticVectors {
    dimension: usize,
    rows: Vec<i8>,
    scales: Vec<f32>,
}

impl StaticVectors {
    /// Reads a `static.safetensors`.
    ///
    /// # Errors
    /// Returns [`ChunkingError::StaticVectorsFile`] if the file is missing or has another format.
    pub fn open(path: &Path) -> Result<Self, ChunkingError> {
        let refuse =
            |reason: String| ChunkingError::StaticVectorsFile { path: path.display().to_string(), reason };
        let bytes = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
        Self::read(&bytes).map_err(refuse)
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let vectors = tensors.tensor("vectors").map_err(|error| error.to_string())?;
        let scales = tensors.tensor("scales").map_err(|error| error.to_string())?;
        let (Dtype::I8, &[count, dimension]) = (vectors.dtype(), vectors.shape()) else {
            return Err(format!(
                "vectors must be I8 with two dimensions, got {:?} {:?}",
                vectors.dtype(),
                vectors.shape()
            ));
        };
        if scales.dtype() != Dtype::F32 || scales.shape() != [count] {
            return Err(format!(
                "scales must be F32, one for each row, got {:?} {:?}",
                scales.dtype(),
                scales.shape()
            ));
        }
        let four = |bytes: &[u8]| bytes.try_into().map(f32::from_le_bytes).unwrap_or_default();
        Ok(Self {
            dimension,
            rows: vectors.data().iter().map(|byte| byte.cast_signed()).collect(),
            scales: scales.data().chunks_exact(4).map(four).collect(),
        })
    }

    /// The vector of a text without tokens.
    pub(crate) fn zero(&self) -> Vec<f32> {
        vec![0.0; self.dimension]
    }

    /// Adds the vectors of tokens to a sum. Tokens without a vector are ignored.
    pub(crate) fn add(&self, tokens: &[u32], sum: &mut [f32]) {
        for token in tokens {
            let Ok(token) = usize::try_from(*token) else {
                continue;
            };
            let start = token.saturating_mul(self.dimension);
            let row = self.rows.get(start..start.saturating_add(self.dimension));
            if let (Some(row), Some(scale)) = (row, self.scales.get(token)) {
                for (total, byte) in sum.iter_mut().zip(row) {
                    *total += f32::from(*byte) * scale;
                }
            }
        }
    }
}

/// Returns the cosine distance, 0 to 2; 0 if one of the vectors is zero.
pub(crate) fn cosine_distance(one: &[f32], other: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let lengths = (dot(one, one) * dot(other, other)).sqrt();
    if lengths > 0.0 { 1.0 - dot(one, other) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{TensorView, serialize};

    use super::*;

    fn file(shape: Vec<usize>) -> Vec<u8> {
        let rows: Vec<u8> = [1_i8, -2, 3, 4, 0, 127].map(i8::cast_unsigned).to_vec();
        let scales: Vec<u8> = [2.0_f32, 1.0, 0.5].iter().flat_map(|scale| scale.to_le_bytes()).collect();
        let vectors = TensorView::new(Dtype::I8, shape, &rows).unwrap();
        let scales = TensorView::new(Dtype::F32, vec![3], &scales).unwrap();
        serialize([("vectors", vectors), ("scales", scales)], None).unwrap()
    }

    #[test]
    fn sums_are_of_scaled_rows_and_unknown_tokens_are_ignored() {
        let vectors = StaticVectors::read(&file(vec![3, 2])).unwrap();
        let mut sum = vectors.zero();
        vectors.add(&[0, 2, 9], &mut sum);
        assert_eq!(sum, [2.0, -4.0 + 63.5]);
    }

    #[test]
    fn other_shape_is_refused() {
        let error = StaticVectors::read(&file(vec![6])).unwrap_err();
        assert_eq!(error, "vectors must be I8 with two dimensions, got I8 [6]");
        assert!(StaticVectors::read(b"another format").is_err());
    }

    #[test]
    fn distances_ignore_lengths() {
        assert!(cosine_distance(&[1.0, 0.0], &[5.0, 0.0]).abs() < 1e-6);
        assert!((cosine_distance(&[1.0, 0.0], &[0.0, 3.0]) - 1.0).abs() < 1e-6);
        assert!(cosine_distance(&[0.0, 0.0], &[0.0, 3.0]).abs() < 1e-6);
    }
}
