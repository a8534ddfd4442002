//! Texts to vectors: tokenizers and ONNX Runtime. The only user of ort.
