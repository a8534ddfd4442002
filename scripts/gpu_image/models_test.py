"""Graphs for GPUs have the same output as their originals."""

import unittest

import numpy
from onnx import TensorProto

from gpu_image import models
from onnx_models import calibration, small
from onnx_models.models_test import cosine, states


class GpuModelsTest(unittest.TestCase):
    def test_output_is_similar_and_still_float32(self) -> None:
        model = small.encoder(numpy.random.default_rng(3), token_types=True)
        in_half = models.compute_in_half(model)
        for length in (4, 20):
            text = calibration.feed(model, [2, *range(5, 5 + length), 3])
            ours, theirs = states(in_half, text), states(model, text)
            self.assertEqual(ours.dtype, numpy.float32)
            self.assertGreater(cosine(ours, theirs), 0.9999)

    def test_every_matrix_product_is_in_float16(self) -> None:
        in_half = models.compute_in_half(small.encoder(numpy.random.default_rng(3), token_types=True))
        kinds = {tensor.name: tensor.data_type for tensor in in_half.graph.initializer}
        weights = [kinds[name] for node in in_half.graph.node if node.op_type == "MatMul"
                   for name in node.input if name in kinds]
        self.assertEqual(set(weights), {TensorProto.FLOAT16})
        self.assertGreaterEqual(len(weights), 6 * small.LAYERS)


if __name__ == "__main__":
    unittest.main()
