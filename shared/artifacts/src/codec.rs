//! The formats of the artifacts that one stage writes and the next one reads.

use std::collections::HashMap;

use domain::{ChunkRecord, IndexSettings};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

const TENSOR: &str = "vectors";
/// The tensor with the positions of the vectors in the batch. Only in the artifact of a batch of which some are missing.
const ROWS: &str = "rows";
const ORIGIN: &str = "origin";

/// Encodes chunks as JSON Lines, one [`ChunkRecord`] per line.
///
/// # Errors
/// Never fails: a [`ChunkRecord`] can always be serialized. The `Result` is that of `serde_json`.
pub fn encode_chunks(chunks: &[ChunkRecord]) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = Vec::new();
    for chunk in chunks {
        serde_json::to_writer(&mut lines, chunk)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Decodes the output of [`encode_chunks`].
///
/// # Errors
/// Returns an error if a line is not a chunk.
pub fn decode_chunks(bytes: &[u8]) -> Result<Vec<ChunkRecord>, serde_json::Error> {
    serde_json::Deserializer::from_slice(bytes).into_iter().collect()
}

/// Vectors of a batch, and what computed them.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedVectors {
    /// The model and precision, see [`vectors_origin`].
    pub origin: String,
    /// One vector per chunk of the batch, in order.
    pub vectors: Vec<Vec<f32>>,
}

/// The vectors of a batch that is not embedded completely, and what computed them.
#[derive(Debug, Clone, PartialEq)]
pub struct BegunVectors {
    /// The model and precision, see [`vectors_origin`].
    pub origin: String,
    /// Some vectors, with the positions of their chunks in the batch.
    pub vectors: Vec<(usize, Vec<f32>)>,
}

/// Returns what computes the vectors of a collection with these settings: model and quantization. Equal texts
/// with equal origins have equal vectors.
pub fn vectors_origin(settings: &IndexSettings) -> String {
    format!("{}@{}", settings.embedding_model, settings.quantization)
}

/// Encodes vectors in the safetensors format (<https://github.com/huggingface/safetensors#format>): one float32
/// tensor of shape \[vectors, dimension\], with the origin in the metadata.
///
/// # Errors
/// Returns an error if the vectors differ in length.
pub fn encode_vectors(vectors: &[Vec<f32>], origin: &str) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    encode(vectors.iter(), None, origin)
}

/// Encodes those vectors of a batch that are known so far: as [`encode_vectors`], with their positions in a second
/// tensor. Readers of complete batches find too few vectors in it.
///
/// # Errors
/// Returns an error if the vectors differ in length.
pub fn encode_begun_vectors(
    vectors: &[Option<Vec<f32>>],
    origin: &str,
) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let known = || vectors.iter().enumerate().filter_map(|(row, vector)| Some((row, vector.as_ref()?)));
    let rows: Vec<u8> = known().flat_map(|(row, _)| (row as u64).to_le_bytes()).collect();
    encode(known().map(|(_, vector)| vector), Some(&rows), origin)
}

fn encode<'v>(
    vectors: impl Iterator<Item = &'v Vec<f32>> + Clone,
    rows: Option<&[u8]>,
    origin: &str,
) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let (count, dimension) = (vectors.clone().count(), vectors.clone().next().map_or(0, Vec::len));
    let bytes: Vec<u8> = vectors.flatten().flat_map(|value| value.to_le_bytes()).collect();
    let mut tensors = vec![(TENSOR, TensorView::new(Dtype::F32, vec![count, dimension], &bytes)?)];
    if let Some(rows) = rows {
        tensors.push((ROWS, TensorView::new(Dtype::U64, vec![count], rows)?));
    }
    let metadata = HashMap::from([(ORIGIN.to_owned(), origin.to_owned())]);
    safetensors::serialize(tensors, Some(metadata))
}

/// Decodes the output of [`encode_vectors`].
///
/// # Errors
/// Returns what is wrong with the artifact.
pub fn decode_vectors(bytes: &[u8]) -> Result<StagedVectors, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let origin = header.metadata().as_ref().and_then(|metadata| metadata.get(ORIGIN));
    let origin = origin.ok_or("the metadata lacks the origin of the vectors")?.clone();
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensor = tensors.tensor(TENSOR).map_err(|error| error.to_string())?;
    let [count, dimension] = tensor.shape() else {
        return Err(format!("the tensor has {} axes instead of 2", tensor.shape().len()));
    };
    if tensor.dtype() != Dtype::F32 {
        return Err(format!("the tensor holds {:?} instead of F32", tensor.dtype()));
    }
    if *dimension == 0 {
        return Ok(StagedVectors { origin, vectors: vec![Vec::new(); *count] });
    }
    let values: Vec<f32> =
        tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let vectors = values.chunks_exact(*dimension).map(<[f32]>::to_vec).collect();
    Ok(StagedVectors { origin, vectors })
}

/// Decodes the output of [`encode_begun_vectors`], or of [`encode_vectors`]: nothing is missing then.
///
/// # Errors
/// Returns what is wrong with the artifact.
pub fn decode_begun_vectors(bytes: &[u8]) -> Result<BegunVectors, String> {
    let StagedVectors { origin, vectors } = decode_vectors(bytes)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let rows: Vec<usize> = match tensors.tensor(ROWS) {
        Ok(rows) => {
            let rows = rows.data().as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
            rows.map(|row| usize::try_from(row).unwrap_or(usize::MAX)).collect()
        }
        Err(_) => (0..vectors.len()).collect(),
    };
    if rows.len() != vectors.len() {
        return Err(format!("it has {} vectors and {} positions", vectors.len(), rows.len()));
    }
    Ok(BegunVectors { origin, vectors: rows.into_iter().zip(vectors).collect() })
}

#[cfg(test)]
mod tests {
    use domain::ChunkPlace;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn chunks_survive_a_round_trip(texts in proptest::collection::vec(".*", 0..20)) {
            let chunks: Vec<ChunkRecord> = texts.into_iter().enumerate().map(|(index, text)| ChunkRecord {
                index: u32::try_from(index).unwrap(),
                start_offset: 7,
                end_offset: 7 + text.len() as u64,
                token_count: 3,
                text,
                parent: None,
                place: ChunkPlace::default(),
                context: None,
            }).collect();
            let bytes = encode_chunks(&chunks).unwrap();
            prop_assert_eq!(decode_chunks(&bytes).unwrap(), chunks);
        }

        #[test]
        fn vectors_survive_a_round_trip_bit_for_bit(
            vectors in proptest::collection::vec(proptest::collection::vec(-1.0_f32..1.0, 5), 0..20)
        ) {
            let bytes = encode_vectors(&vectors, "model@float16").unwrap();
            let origin = "model@float16".to_owned();
            prop_assert_eq!(decode_vectors(&bytes).unwrap(), StagedVectors { origin, vectors });
        }
    }

    #[test]
    fn the_vectors_of_a_begun_batch_keep_their_positions() {
        let vectors = [None, Some(vec![1.0, 2.0]), None, Some(vec![3.0, 4.0])];
        let bytes = encode_begun_vectors(&vectors, "model@int8").unwrap();
        let begun = decode_begun_vectors(&bytes).unwrap();
        assert_eq!(begun.origin, "model@int8");
        assert_eq!(begun.vectors, [(1, vec![1.0, 2.0]), (3, vec![3.0, 4.0])]);
        assert_eq!(decode_vectors(&bytes).unwrap().vectors.len(), 2, "too few for its chunks");
        let complete = encode_vectors(&[vec![1.0], vec![2.0]], "model@int8").unwrap();
        let complete = decode_begun_vectors(&complete).unwrap();
        assert_eq!(complete.vectors, [(0, vec![1.0]), (1, vec![2.0])]);
    }

    #[test]
    fn malformed_artifacts_are_rejected() {
        assert!(decode_vectors(b"not safetensors").is_err());
        assert!(decode_chunks(b"{\"index\":").is_err());
    }
}
