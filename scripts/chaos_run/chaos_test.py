"""Corpora and schedules are deterministic, and comparisons find every kind of difference."""

from __future__ import annotations

import copy
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from chaos_run import corpus, schedule, state
from chaos_run.state import Verdict
from semantik.command import ROOT

REFERENCE: dict[str, Any] = {
    "documents": {"a.txt": {"status": "completed", "chunks": 1}, "b.bin": {"status": "failed", "reason": "no text"}},
    "points": {"a.txt #0": {"payload": {"content": "tides"}, "vectors": {"dense": {"values": [0.6, 0.8]}}}},
    "objects": {"raw of a.txt": 1},
    "collection": {"documents": 2},
    "sources": [],
    "searches": [[["a.txt #0", 0.9], ["c.txt #0", 0.5], ["d.txt #0", 0.4999]]],
}


class CorpusTest(unittest.TestCase):
    def test_corpus_depends_on_its_number_only(self) -> None:
        first, again, other = (corpus.make(number, 60, ROOT) for number in (1, 1, 2))
        self.assertEqual(first.digest(), again.digest())
        self.assertNotEqual(first.digest(), other.digest())
        self.assertGreaterEqual(first.documents, 60)

    def test_folder_has_exactly_the_files_and_changed_files_have_other_times(self) -> None:
        made = corpus.make(1, 60, ROOT)
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "kept"
            corpus.clear(folder)
            for files in (made.kept, made.changed):
                files.write(folder)
                found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
                self.assertEqual(found.keys(), files.contents.keys())
                self.assertTrue(all(path.read_bytes() == files.contents[name] for name, path in found.items()))
                self.assertTrue(all(path.stat().st_mtime_ns == files.mtimes_ns[name] for name, path in found.items()))
        differing = {
            name for name in made.kept.contents.keys() & made.changed.contents.keys()
            if made.kept.contents[name] != made.changed.contents[name]
        }
        self.assertTrue(differing)
        self.assertTrue(all(made.kept.mtimes_ns[name] != made.changed.mtimes_ns[name] for name in differing))


class ScheduleTest(unittest.TestCase):
    PHASES: ClassVar = {"index": 5000, "change": 900, "remove": 100}

    def test_schedule_depends_on_its_seed_only_and_seeds_cover_every_kind(self) -> None:
        self.assertEqual(schedule.make(7, 20, self.PHASES, False), schedule.make(7, 20, self.PHASES, False))
        kinds = {fault.kind for seed in range(20) for fault in schedule.make(seed, 20, self.PHASES, False)}
        self.assertEqual(kinds, set(schedule.KINDS))

    def test_short_schedule_has_no_slow_faults(self) -> None:
        kinds = {fault.kind for seed in range(20) for fault in schedule.make(seed, 20, self.PHASES, True)}
        self.assertEqual(kinds & schedule.SLOW, set())


class CompareTest(unittest.TestCase):
    def compared(self, change: Callable[[Any], Any]) -> dict[str, int]:
        state_ = copy.deepcopy(REFERENCE)
        change(state_)
        verdict = Verdict()
        state.compare(state_, REFERENCE, verdict)
        return verdict.counts()

    def expect(self, change: Callable[[Any], Any], **counts: int) -> None:
        nothing = dict.fromkeys(Verdict().counts(), 0)
        self.assertEqual(self.compared(change), nothing | counts)

    def test_equal_results_and_rounding_differences_are_accepted(self) -> None:
        self.expect(lambda found: None)
        self.expect(lambda found: found["points"]["a.txt #0"]["vectors"]["dense"].update(values=[0.6001, 0.8]))
        # Results with equal scores may have any order.
        self.expect(lambda found: found["searches"].__setitem__(
            0, sorted(found["searches"][0], key=lambda result: (-round(result[1], 2), result[1]))))

    def test_missing_entries_are_lost(self) -> None:
        self.expect(lambda found: found["documents"].pop("a.txt"), lost=1)
        self.expect(lambda found: found["points"].clear(), lost=1)

    def test_additional_entries_are_duplicated(self) -> None:
        self.expect(lambda found: found["points"].update({"a.txt #1": {}}), duplicated=1)

    def test_other_reasons_vectors_counts_and_results_are_different(self) -> None:
        self.expect(lambda found: found["documents"]["b.bin"].update(reason="other"), different=1)
        self.expect(
            lambda found: found["points"]["a.txt #0"]["vectors"]["dense"].update(values=[0.8, 0.6]), different=1)
        self.expect(lambda found: found["points"]["a.txt #0"]["payload"].update(content="moon"), different=1)
        self.expect(lambda found: found["collection"].update(documents=3), different=1)
        self.expect(lambda found: found["searches"][0][0].__setitem__(0, "z.txt #0"), different=1)
        self.expect(lambda found: found["searches"][0].pop(), different=1)

    def test_point_ids_equal_those_of_the_functions(self) -> None:
        self.assertEqual(
            state.point_id("0d2b4a70-b400-5258-bb43-d30537a5f20f", 1, 0), "9993782c-1ad3-58d9-bb08-1fb75ff8afa9")


if __name__ == "__main__":
    unittest.main()
