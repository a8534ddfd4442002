//! The files of a model folder: one graph for each precision, one tokenizer for all.

use domain::Quantization;
use serde::{Deserialize, Serialize};

/// The graphs of a model, by the precision of their weights. At least one is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelVariants {
    /// Weights as they were trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float32: Option<ModelVariant>,
    /// Weights of two bytes; half the size to load, computed in float32 on a processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float16: Option<ModelVariant>,
    /// Weights of one byte, and a scale for each token, so that a vector depends on its text alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub int8: Option<ModelVariant>,
}

/// One graph and its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelVariant {
    /// The ONNX graph.
    pub graph: ModelFile,
    /// The graph's weights, where they are not inside it. The graph itself names this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<ModelFile>,
    /// Whether ONNX Runtime's optimiser has already been over the graph, so that opening it need
    /// not do that again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optimized: bool,
}

/// One file of a model folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Its name, in the folder itself.
    pub name: String,
    /// SHA-256 of its content, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl ModelVariant {
    /// The graph and, where they are a file of their own, its weights.
    pub fn files(&self) -> impl Iterator<Item = &ModelFile> {
        std::iter::once(&self.graph).chain(&self.weights)
    }
}

impl ModelFile {
    /// A file of this name, whatever its content.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), sha256: None }
    }
}

impl Default for ModelVariants {
    /// What a Hugging Face export is called, without looking into it.
    fn default() -> Self {
        let float32 = ModelVariant { graph: ModelFile::named("model.onnx"), weights: None, optimized: false };
        Self { float32: Some(float32), float16: None, int8: None }
    }
}

impl ModelVariants {
    /// The graph that embeds the texts and queries of a collection of this quantization, and its
    /// own precision: the collection's, or where the model has none of that, the nearest that it
    /// has, the more exact first. `None` if there is none at all, which no registry lets pass.
    pub fn choose(&self, quantization: Quantization) -> Option<(Quantization, &ModelVariant)> {
        use Quantization::{Float16, Float32, Int8};
        let preferred = match quantization {
            Float32 => [Float32, Float16, Int8],
            Float16 => [Float16, Float32, Int8],
            Int8 => [Int8, Float16, Float32],
        };
        preferred.into_iter().find_map(|precision| self.of(precision).map(|variant| (precision, variant)))
    }

    /// Every graph that there is.
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
    fn a_quantization_gets_its_own_graph_or_the_nearest() {
        let chosen = |variants: &ModelVariants| {
            Quantization::ALL.iter().map(|&asked| variants.choose(asked).unwrap().0).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&having(&[Float32, Float16, Int8])), [Float32, Float16, Int8]);
        assert_eq!(chosen(&having(&[Float32])), [Float32, Float32, Float32]);
        assert_eq!(chosen(&having(&[Float32, Int8])), [Float32, Float32, Int8]);
        assert_eq!(chosen(&having(&[Float16, Int8])), [Float16, Float16, Int8]);
        assert_eq!(having(&[]).choose(Float32), None);
    }

    #[test]
    fn variants_that_are_named_replace_the_default_one() {
        let variants: ModelVariants =
            serde_json::from_str(r#"{"int8": {"graph": {"name": "small.onnx"}}}"#).unwrap();
        assert_eq!(variants.iter().map(|(precision, _)| precision).collect::<Vec<_>>(), [Int8]);
        assert_eq!(ModelVariants::default().iter().count(), 1);
    }
}
