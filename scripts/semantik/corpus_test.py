"""Test collections are read, and invalid ones are rejected with file and line."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from command_line import CommandError
from semantik import corpus


class LoadTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.write("corpus.jsonl", [
            {"_id": "1", "title": "wings", "text": "of a bird"}, {"_id": "2/b", "title": "", "text": ""}])
        self.write("queries.jsonl", [{"_id": "q1", "text": "flight"}, {"_id": "q2", "text": "not judged"}])
        self.judge("query-id\tcorpus-id\tscore\nq1\t1\t2\nq1\t2/b\t0\n")

    def write(self, name: str, rows: list[dict[str, str]]) -> None:
        (self.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def judge(self, text: str) -> None:
        (self.folder / "qrels.tsv").write_text(text)

    def test_judged_queries_and_positive_grades_are_kept(self) -> None:
        loaded = corpus.load(self.folder)
        self.assertEqual(loaded.queries, {"q1": "flight"})
        self.assertEqual(loaded.judgments, {"q1": {"1": 2}})

    def test_file_has_title_and_text_and_an_empty_document_is_an_empty_file(self) -> None:
        files = corpus.load(self.folder).files()
        self.assertEqual((files["1"].name, files["1"].content), ("1.md", b"# wings\n\nof a bird"))
        self.assertEqual((files["2/b"].name, files["2/b"].content), ("document-1.txt", b""))

    def test_header_of_the_judgments_is_optional(self) -> None:
        self.judge("q1\t1\t2\n")
        self.assertEqual(corpus.load(self.folder).judgments, {"q1": {"1": 2}})

    def test_invalid_line_is_named(self) -> None:
        self.judge("query-id\tcorpus-id\tscore\nq1 1 2\n")
        with self.assertRaisesRegex(CommandError, r"qrels\.tsv:2: expected query"):
            corpus.load(self.folder)
        self.judge("q9\t1\t1\n")
        with self.assertRaisesRegex(CommandError, "judges query q9"):
            corpus.load(self.folder)

    def test_duplicate_document_is_rejected(self) -> None:
        self.write("corpus.jsonl", [{"_id": "1", "text": "a"}, {"_id": "1", "text": "b"}])
        with self.assertRaisesRegex(CommandError, r"corpus\.jsonl:2: duplicate document 1"):
            corpus.load(self.folder)


if __name__ == "__main__":
    unittest.main()
