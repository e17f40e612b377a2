#!/usr/bin/env python3
"""Tests of gpu_check's own workings, which need no device and no build."""
import argparse
import json
import pathlib
import sys
import tempfile
import time
import unittest

import check
import main
import measuring
import report
import testing


class GpuCheckTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.run_ = check.Check(argparse.Namespace(out=self.folder / "out", build=self.folder, emulated=True,
                                                   seconds=100, jobs=2, commit="abc", python=sys.executable))
        self.part = check.Part("ops", True)

    def test_a_program_is_stopped_at_its_limit_with_its_children(self):
        mark = self.folder / "mark"
        start = time.monotonic()
        done = self.run_.run(["sh", "-c", f"echo begun; (sleep 3; touch {mark}) & wait"], limit=1)
        self.assertIsNone(done.status)
        self.assertIn("begun", done.output)
        self.assertIn("stopped at its limit", done.why())
        self.assertLess(time.monotonic() - start, 2.5)
        time.sleep(2.5)
        self.assertFalse(mark.exists())

    def test_nothing_is_begun_without_time(self):
        self.run_.options.seconds = 0
        with self.assertRaises(check.OutOfTime):
            self.run_.run(["true"])

    def test_json_is_found_behind_other_output_and_its_absence_is_a_failure(self):
        self.assertEqual(self.run_.run_json(self.part, "a", ["echo", 'warned\n[{"x": 1}]']), [{"x": 1}])
        self.assertEqual(self.part.failures, [])
        self.assertIsNone(self.run_.run_json(self.part, "b", ["echo", "nothing"]))
        self.assertIsNone(self.run_.run_json(self.part, "c", ["false"]))
        self.assertEqual([failure["what"] for failure in self.part.failures], ["b", "c"])
        self.assertEqual(self.part.status, "failed")

    def test_a_program_that_was_not_built_and_a_failing_test_are_failures(self):
        testing.note(self.part, testing.run_tests(self.run_, "missing", "no_such_test", "*"))
        self.assertIn("was not built", self.part.failures[0]["why"])
        program = self.run_.program("some_test")
        program.parent.mkdir()
        found = {"testsuites": [{"testsuite": [
            {"name": "A", "classname": "Some", "result": "COMPLETED", "largest_x": "1"},
            {"name": "B", "classname": "Some", "result": "COMPLETED", "failures": [{"failure": "not equal"}]},
            {"name": "C", "classname": "Some", "result": "SUPPRESSED"}]}]}
        program.write_text('#!/bin/sh\ncat >"${2#--gtest_output=json:}" <<E\n' + json.dumps(found) + "\nE\nexit 1\n")
        program.chmod(0o755)
        testing.note(self.part, testing.run_tests(self.run_, "some", "some_test", "*"))
        self.assertEqual(self.part.failures[1], {"what": "Some.B", "why": "not equal"})
        self.assertEqual(self.part.figures["some"]["tests"], 2)
        self.assertEqual(self.part.figures["some"]["properties"], {"Some.A": {"largest_x": "1"}})

    def test_a_surprise_in_one_part_is_its_failure(self):
        def surprise(_run, _part):
            raise ValueError("not thought of")

        main.PARTS["surprise"] = (surprise, 1)
        self.addCleanup(main.PARTS.pop, "surprise")
        result = main.run_part(self.run_, "surprise")
        self.assertEqual(result["status"], "failed")
        self.assertEqual(json.loads((self.run_.out / "surprise.json").read_text()), result)

    def test_kernels_are_held_against_what_was_measured(self):
        parts = [{"scope": "0", "label": "matmul", "ms": 1.0, "flops": 5e9, "bytes": 1e9}]
        shares = measuring.kernel_shares({"parts": parts}, {"fma_gflop_per_s": 10000, "copy_gb_per_s": 2000})
        self.assertEqual((shares[0]["percent_of_fma"], shares[0]["percent_of_copy"]), (50.0, 50.0))

    def test_emulated_figures_are_never_in_the_file_of_a_gpu(self):
        self.assertEqual(report.file_name({"emulated": True, "gpu": None}), "gpu-emulated.json")
        self.assertEqual(report.file_name({"emulated": False, "gpu": "NVIDIA H100 80GB HBM3"}),
                         "gpu-h100-80gb-hbm3.json")
        about = report.machine(self.run_)
        self.assertTrue(about["emulated"])
        self.assertIsNone(about["gpu"])
        self.assertTrue(self.part.to_json()["emulated"])


if __name__ == "__main__":
    unittest.main()
