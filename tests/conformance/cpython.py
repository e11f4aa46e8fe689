"""Runs one module of CPython's own tests and prints a line before and after each test.

Called by the area `cpython`, natively and in the VM: `cpython.py MODULE DIRECTORY`, with the names of the tests to run
on its input, one per line; without names it runs them all, but for those that a line with `!` in front names (`*` stands for
any rest). A third argument is a directory where `test` has more modules. Lines: `> NAME` when a test starts, `= NAME OUTCOME REASON`
when it has ended. If the program ends in the middle of a test, that test is the one without a second line.
"""

import fnmatch
import importlib
import os
import pkgutil
import sys
import traceback
import unittest

sys.stdin.reconfigure(encoding="utf-8")
words = sys.stdin.read().split()
chosen = {word for word in words if not word.startswith("!")}
left_out = [word[1:] for word in words if word.startswith("!")]
os.chdir(sys.argv[2])
# The tests write what they like; the report has a descriptor of its own.
report = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
null = os.open(os.devnull, os.O_RDWR)
for stream in (0, 1, 2):
    os.dup2(null, stream)
os.close(null)

import test
from test import support

test.__path__ += sys.argv[3:]

support.use_resources = []  # neither network nor what takes very long
support.verbose = 0


def name(test):
    return test.id().removeprefix("test.")


class Report(unittest.TestResult):
    """Prints outcomes as they come."""

    def startTest(self, test):
        super().startTest(test)
        self.outcome, self.reason = "ok", ""
        report.write(f"> {name(test)}\n")

    def stopTest(self, test):
        super().stopTest(test)
        report.write(f"= {name(test)} {self.outcome} {self.reason}\n")

    def bad(self, outcome, error):
        self.outcome = outcome
        # The innermost call says what was missing: an error number alone does not tell fork from socket.
        frames = traceback.extract_tb(error[2])
        call = (frames[-1].line or frames[-1].name) if frames else "?"
        self.reason = f"{error[0].__name__}: {error[1]} at: {call}".replace("\n", " ")[:300]

    def addError(self, test, error):
        self.bad("error", error)
        if not isinstance(test, unittest.TestCase):  # the set-up of a class or module
            report.write(f"# {test.id()} {self.reason}\n")

    def addFailure(self, test, error):
        self.bad("fail", error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.bad("fail", error)

    def addSkip(self, test, reason):
        self.outcome, self.reason = "skip", reason.replace("\n", " ")

    def addUnexpectedSuccess(self, test):
        self.outcome = "fail"


def tests(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from tests(each)
        elif name(each) in chosen or not chosen and not any(fnmatch.fnmatchcase(name(each), p) for p in left_out):
            yield each


def modules(name):
    """The module of that name, or if it is a package its modules."""
    module = importlib.import_module(name)
    inner = [each.name for each in pkgutil.iter_modules(getattr(module, "__path__", []))]
    return [importlib.import_module(f"{name}.{each}") for each in inner if each.startswith("test_")] or [module]


found = map(unittest.defaultTestLoader.loadTestsFromModule, modules("test." + sys.argv[1]))
unittest.TestSuite(list(tests(found))).run(Report())
report.flush()
os._exit(0)
