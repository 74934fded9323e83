# SPDX-License-Identifier: GPL-2.0-only
"""Runs modules of CPython's own test suite, and says what became of each test as TAP.

    unittests.py MODULE...

What the suite asks for by `-u` (the internet, much time) it is not given.
"""
import os
import sys
import tempfile
import unittest

from test import support


class Says(unittest.TestResult):
    """One line for each test, and for each subtest that failed, when it is over."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def line(self, word, name, why=""):
        self.count += 1
        print(f"{word} {self.count} - {name}{why}", flush=True)

    def addSuccess(self, test):
        self.line("ok", test.id())

    def addExpectedFailure(self, test, err):
        self.line("ok", test.id())

    def addSkip(self, test, reason):
        self.line("ok", test.id(), f" # SKIP {reason}")

    def addUnexpectedSuccess(self, test):
        self.line("not ok", test.id())

    def told(self, test, err):
        self.line("not ok", test.id())
        print("# " + self._exc_info_to_string(err, test).replace("\n", "\n# "), flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.told(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.told(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.told(subtest, err)


def main():
    support.use_resources = ()
    support.verbose = 0
    os.chdir(tempfile.mkdtemp())
    result = Says()
    unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:]).run(result)
    print(f"1..{result.count}", flush=True)
    # Threads that a test left behind do not hold the end up.
    os._exit(not result.wasSuccessful())


main()
