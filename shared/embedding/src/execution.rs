//! What computes: the processor, or a graphics card.

use std::str::FromStr;

use ort::ep;

use crate::EmbeddingError;

/// What graphs run on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExecutionProvider {
    /// The processor.
    #[default]
    Cpu,
    /// The first NVIDIA card, by a libonnxruntime that has its CUDA provider beside it. What the card has
    /// no kernel for runs on the processor.
    Cuda,
}

impl ExecutionProvider {
    /// The name that ONNX Runtime's settings use, in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }

    /// Who computes first; the processor stands behind all of them by itself. One that cannot be used
    /// is an error: a card is paid for.
    pub(crate) fn dispatch(self) -> Vec<ep::ExecutionProviderDispatch> {
        match self {
            Self::Cpu => Vec::new(),
            Self::Cuda => vec![ep::CUDA::default().build().error_on_failure()],
        }
    }
}

impl FromStr for ExecutionProvider {
    type Err = EmbeddingError;

    fn from_str(text: &str) -> Result<Self, EmbeddingError> {
        [Self::Cpu, Self::Cuda]
            .into_iter()
            .find(|provider| provider.as_str() == text)
            .ok_or_else(|| EmbeddingError::UnknownProvider { got: text.to_owned() })
    }
}
