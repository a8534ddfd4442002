"""Model folders: encoders as ONNX graphs, in three precisions."""
