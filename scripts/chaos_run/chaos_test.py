"""Corpora and schedules follow from their numbers; a comparison finds what is wrong."""

import copy
import tempfile
import unittest
from pathlib import Path

from chaos_run import corpus, schedule, state
from chaos_run.state import Verdict
from semantik.command import ROOT

REFERENCE = {
    "documents": {"a.txt": {"status": "completed", "chunks": 1}, "b.bin": {"status": "failed", "reason": "no text"}},
    "points": {"a.txt #0": {"payload": {"content": "tides"}, "vectors": {"dense": {"values": [0.6, 0.8]}}}},
    "objects": {"raw of a.txt": 1},
    "collection": {"documents": 2},
    "sources": [],
    "searches": [[["a.txt #0", 0.9], ["c.txt #0", 0.5], ["d.txt #0", 0.4999]]],
}


class CorpusTest(unittest.TestCase):
    def test_a_number_makes_one_corpus_and_another_number_another(self):
        first, again, other = (corpus.make(number, 60, ROOT) for number in (1, 1, 2))
        self.assertEqual(first.digest(), again.digest())
        self.assertNotEqual(first.digest(), other.digest())
        self.assertGreaterEqual(first.documents, 60)

    def test_a_folder_holds_exactly_the_files_and_changed_ones_have_another_time(self):
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
    PHASES = {"index": 5000, "change": 900, "remove": 100}

    def test_a_seed_makes_one_schedule_and_seeds_together_every_kind(self):
        self.assertEqual(schedule.make(7, 20, self.PHASES, False), schedule.make(7, 20, self.PHASES, False))
        kinds = {fault.kind for seed in range(20) for fault in schedule.make(seed, 20, self.PHASES, False)}
        self.assertEqual(kinds, set(schedule.KINDS))

    def test_a_quick_one_leaves_out_what_takes_long(self):
        kinds = {fault.kind for seed in range(20) for fault in schedule.make(seed, 20, self.PHASES, True)}
        self.assertEqual(kinds & schedule.SLOW, set())


class CompareTest(unittest.TestCase):
    def compared(self, change):
        told = copy.deepcopy(REFERENCE)
        change(told)
        verdict = Verdict()
        state.compare(told, REFERENCE, verdict)
        return verdict.counts()

    def expect(self, change, **counts):
        self.assertEqual(self.compared(change), {"lost": 0, "duplicated": 0, "stuck": 0, "different": 0} | counts)

    def test_the_same_is_the_same(self):
        self.expect(lambda told: None)
        self.expect(lambda told: told["points"]["a.txt #0"]["vectors"]["dense"].update(values=[0.6001, 0.8]))
        # Of two that score the same, either may come first.
        self.expect(lambda told: told["searches"][0].reverse() or told["searches"][0].sort(key=lambda one: -round(one[1], 2)))

    def test_what_is_missing_is_lost(self):
        self.expect(lambda told: told["documents"].pop("a.txt"), lost=1)
        self.expect(lambda told: told["points"].clear(), lost=1)

    def test_what_is_too_much_is_duplicated(self):
        self.expect(lambda told: told["points"].update({"a.txt #1": {}}), duplicated=1)

    def test_other_reasons_vectors_counts_and_results_are_different(self):
        self.expect(lambda told: told["documents"]["b.bin"].update(reason="gave up"), different=1)
        self.expect(lambda told: told["points"]["a.txt #0"]["vectors"]["dense"].update(values=[0.8, 0.6]), different=1)
        self.expect(lambda told: told["points"]["a.txt #0"]["payload"].update(content="moon"), different=1)
        self.expect(lambda told: told["collection"].update(documents=3), different=1)
        self.expect(lambda told: told["searches"][0][0].__setitem__(0, "z.txt #0"), different=1)
        self.expect(lambda told: told["searches"][0].pop(), different=1)

    def test_ids_of_points_are_those_of_the_functions(self):
        self.assertEqual(
            state.point_id("0d2b4a70-b400-5258-bb43-d30537a5f20f", 1, 0), "9993782c-1ad3-58d9-bb08-1fb75ff8afa9")


if __name__ == "__main__":
    unittest.main()
