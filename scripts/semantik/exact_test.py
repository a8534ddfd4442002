"""The reference for dense search embeds and ranks correctly."""

from __future__ import annotations

import os
import unittest
from pathlib import Path
from typing import ClassVar

import numpy as np

from semantik import exact
from semantik.command import LOCAL

MODELS = Path(os.environ.get("MODELS_DIR") or LOCAL / "models")
TEXTS = ["the cat sleeps on the sofa", "wind tunnels measure lift and drag", "été 🦀", "a", "word " * 400]


class ModelTest(unittest.TestCase):
    model: ClassVar[exact.Model]
    vectors: ClassVar[exact.Vectors]

    @classmethod
    def setUpClass(cls) -> None:
        cls.model = exact.find_model(MODELS, "sentence-transformers/all-MiniLM-L6-v2", "float32")
        cls.vectors = cls.model.passages(TEXTS)

    def test_vectors_are_normalized(self) -> None:
        np.testing.assert_allclose(np.linalg.norm(self.vectors, axis=1), 1, atol=1e-6)

    def test_vectors_do_not_depend_on_the_batch(self) -> None:
        alone = np.concatenate([self.model.passages([text]) for text in TEXTS])
        np.testing.assert_allclose(self.vectors, alone, atol=2e-6)

    def test_similar_texts_are_nearest(self) -> None:
        texts = {"pet": "an animal takes a nap", "plane": "aerodynamics"}
        queries = dict(zip(texts, self.model.queries(list(texts.values())), strict=True))
        chunks = [exact.Chunk(str(position), text) for position, text in enumerate(TEXTS)]
        ranked = exact.rank(queries, chunks, self.vectors, depth=2)
        self.assertEqual([ranked["pet"][0][0], ranked["plane"][0][0]], ["0", "1"])
        self.assertEqual([len(nearest) for nearest in ranked.values()], [2, 2])

    def test_progress_reaches_every_text(self) -> None:
        done: list[int] = []
        self.model.passages(TEXTS, done.append)
        self.assertEqual((done[-1], done), (len(TEXTS), sorted(done)))


class StagedKeysTest(unittest.TestCase):
    def test_only_the_newest_generation_is_read(self) -> None:
        # Compared as numbers: generation 10 is newer than 9.
        keys = [
            "chunks/c/b/9/000000.jsonl", "chunks/c/b/10/000001.jsonl", "chunks/c/b/10/000000.jsonl",
            "chunks/c/a/1/000000.jsonl",
        ]
        expected = [("a", keys[3]), ("b", keys[2]), ("b", keys[1])]
        self.assertEqual(exact.newest(keys), expected)


if __name__ == "__main__":
    unittest.main()
