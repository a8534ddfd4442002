//! The files of a model folder: a graph per precision, and one tokenizer for all of them.

use domain::Quantization;
use serde::{Deserialize, Serialize};

/// The graphs of a model by the precision of their weights; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelVariants {
    /// Original weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float32: Option<ModelVariant>,
    /// Weights in float16: half the size to load; computed in float32 on a CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float16: Option<ModelVariant>,
    /// Weights in int8, activations quantized per token, so that a vector does not depend on its batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub int8: Option<ModelVariant>,
}

/// One graph and its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelVariant {
    /// The ONNX graph.
    pub graph: ModelFile,
    /// The graph's weights, if they are a separate file. The graph refers to them by this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<ModelFile>,
    /// Whether the graph was saved after ONNX Runtime's optimizations, so that opening it can skip them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optimized: bool,
}

/// One file of a model folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The file name, without a path.
    pub name: String,
    /// The SHA-256 of its content, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl ModelVariant {
    /// Returns the graph and, if they are a separate file, its weights.
    pub fn files(&self) -> impl Iterator<Item = &ModelFile> {
        std::iter::once(&self.graph).chain(&self.weights)
    }
}

impl ModelFile {
    /// Returns a file with this name and without a checksum.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), sha256: None }
    }
}

impl Default for ModelVariants {
    /// Returns the file of a Hugging Face export.
    fn default() -> Self {
        let float32 = ModelVariant { graph: ModelFile::named("model.onnx"), weights: None, optimized: false };
        Self { float32: Some(float32), float16: None, int8: None }
    }
}

impl ModelVariants {
    /// Returns the graph for a collection with this quantization, and its precision: the collection's, or if the
    /// model lacks that, the nearest one, higher precision first. `None` if there is no graph at all, which
    /// registries reject.
    pub fn choose(&self, quantization: Quantization) -> Option<(Quantization, &ModelVariant)> {
        use Quantization::{Float16, Float32, Int8};
        let preferred = match quantization {
            Float32 => [Float32, Float16, Int8],
            Float16 => [Float16, Float32, Int8],
            Int8 => [Int8, Float16, Float32],
        };
        preferred.into_iter().find_map(|precision| self.of(precision).map(|variant| (precision, variant)))
    }

    /// Iterates over the graphs that exist.
    pub fn iter(&self) -> impl Iterator<Item = (Quantization, &ModelVariant)> {
        Quantization::ALL
            .iter()
            .filter_map(|&precision| self.of(precision).map(|variant| (precision, variant)))
    }

    fn of(&self, precision: Quantization) -> Option<&ModelVariant> {
        match precision {
            Quantization::Float32 => self.float32.as_ref(),
            Quantization::Float16 => self.float16.as_ref(),
            Quantization::Int8 => self.int8.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use Quantization::{Float16, Float32, Int8};

    use super::*;

    fn having(precisions: &[Quantization]) -> ModelVariants {
        let variant = |precision: Quantization| {
            let graph = ModelFile::named(&format!("{precision}.onnx"));
            precisions.contains(&precision).then_some(ModelVariant { graph, weights: None, optimized: true })
        };
        ModelVariants { float32: variant(Float32), float16: variant(Float16), int8: variant(Int8) }
    }

    #[test]
    fn a_quantization_gets_its_own_graph_or_the_nearest_one() {
        let chosen = |variants: &ModelVariants| {
            Quantization::ALL.iter().map(|&wanted| variants.choose(wanted).unwrap().0).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&having(&[Float32, Float16, Int8])), [Float32, Float16, Int8]);
        assert_eq!(chosen(&having(&[Float32])), [Float32, Float32, Float32]);
        assert_eq!(chosen(&having(&[Float32, Int8])), [Float32, Float32, Int8]);
        assert_eq!(chosen(&having(&[Float16, Int8])), [Float16, Float16, Int8]);
        assert_eq!(having(&[]).choose(Float32), None);
    }

    #[test]
    fn named_variants_replace_the_default() {
        let variants: ModelVariants =
            serde_json::from_str(r#"{"int8": {"graph": {"name": "small.onnx"}}}"#).unwrap();
        assert_eq!(variants.iter().map(|(precision, _)| precision).collect::<Vec<_>>(), [Int8]);
        assert_eq!(ModelVariants::default().iter().count(), 1);
    }
}
