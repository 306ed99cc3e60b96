"""What makes a run of the corpus fail."""

import unittest

from verdict import faults, sums, unmended


def row(**changes):
    """A breakage that was found, mended, and came back."""
    return {"name": "it", "expected": ["fstab_bad_option"], "found": ["fstab_bad_option"], "missed": [], "unexpected": [], "unmended": [],
            "back": True, "stopped_by": "", "diagnosis_seconds": 2.0, **changes}


def healthy(**changes):
    return row(expected=[], found=[], **changes)


class Verdict(unittest.TestCase):
    def test_a_good_run_has_no_fault(self):
        self.assertEqual(faults([row(), healthy()], whole=True, all_back=True), [])
        self.assertEqual(faults([row(diagnosis_seconds=60)], whole=True), [])
        # By diagnoses alone nothing comes back, and nobody asks for it.
        self.assertEqual(faults([row(back=None), healthy(back=None)]), [])

    def test_each_of_these_fails_a_run(self):
        for wrong, word in [
            (row(missed=["fstab_bad_option"], found=[]), "not found: fstab_bad_option"),
            (healthy() | {"found": ["disk_full"]}, "healthy, and found was: disk_full"),
            (healthy(back=False), "does not come up"),
            (row(unmended=["fstab_bad_option"]), "still found after its fix"),
            (row(diagnosis_seconds=60.1), "took 60.1 s"),
            (row(diagnosis_seconds=None), "no diagnosis"),
            (row(failed=True, stopped_by="OSError: full", diagnosis_seconds=None), "OSError: full"),
        ]:
            with self.subTest(word):
                [said] = faults([row(), wrong])
                self.assertIn(word, said)

    def test_fifteen_of_twenty_come_back(self):
        run = lambda back: [row(back=number < back) for number in range(20)] + [healthy()]
        self.assertEqual(faults(run(15), whole=True), [])
        self.assertIn("14 of 20 come back", faults(run(14), whole=True)[0])
        self.assertEqual(faults(run(14)), [], "a part of the corpus may be what can't be mended")
        # 37 of 50 are 74 of a hundred.
        self.assertEqual(len(faults([row(back=number < 37) for number in range(50)], whole=True)), 1)

    def test_all_of_the_short_run_come_back(self):
        self.assertEqual(faults([row(), row(back=False)], all_back=True), ["it: does not come back"])

    def test_sums(self):
        told = sums([row(), row(back=False, missed=["a"], found=[]), healthy(), healthy() | {"found": ["b"], "unexpected": ["b"]}])
        self.assertEqual(told, {"breakages": 2, "found": 1, "healthy": 2, "false_findings": 1, "back_with_one_command": 1,
                                "precision": 0.5, "recall": 0.5})

    def test_what_is_unmended_was_found_and_had_a_fix_done(self):
        offers = {"a": ["mend_a", "make_a"], "b": ["mend_b"], "c": []}
        self.assertEqual(unmended(["a", "b", "c"], ["a", "b", "c"], offers, ["make_a"]), ["a"])
        self.assertEqual(unmended(["a"], [], offers, ["make_a"]), [])
        self.assertEqual(unmended([], ["a"], offers, ["make_a"]), [], "what a fix brought to light is another round's")


if __name__ == "__main__":
    unittest.main()
