//! Execution providers: CPU or GPU.

use std::str::FromStr;

use ort::ep;

use crate::EmbeddingError;

/// The device that runs graphs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExecutionProvider {
    /// The CPU.
    #[default]
    Cpu,
    /// The first NVIDIA GPU. Requires a libonnxruntime with its CUDA provider beside it. Operators without a CUDA
    /// kernel run on the CPU.
    Cuda,
}

impl ExecutionProvider {
    /// Returns the provider's name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }

    /// Returns the providers to register with ONNX Runtime, which falls back to the CPU by itself. A provider that
    /// cannot be used is an error: otherwise an idle GPU would go unnoticed.
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
