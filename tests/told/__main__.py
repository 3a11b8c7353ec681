"""`python -m tests.told`: writes what the instruments say now into the files beside this one."""

import os
import sys

import pytest

from tests.lesson_kernel import ROOT
from tests.told import WRITE

os.chdir(ROOT)
os.environ[WRITE] = "1"
sys.exit(pytest.main(["-q", "tests", "--ignore=tests/browser", "-k", "word_for_word"]))
