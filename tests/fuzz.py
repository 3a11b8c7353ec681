"""Every instrument on generated modules, state_dicts and broken files, for long:
`python -m tests.fuzz [COUNT] [WORD ...]`, 20,000 of each unless told otherwise, two at a time.

What has to hold stands in the tests, which ask it of fewer in the ordinary run. Here each of these
tests runs on new examples each time, and the smallest that fails is printed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.modules import modules

COUNT, AT_ONCE = 20_000, 2
INSTRUMENTS = (
    "snapshot",
    "visibility",
    "StateMap",
    "ParameterWays",
    "audit",
    "compare_checkpoint",
    "MemoryMap",
    "files",
)


def check_of(instrument: str) -> tuple[Callable, st.SearchStrategy]:
    """The test of an instrument, without its settings, and what it is given."""
    from tests import (
        test_audit,
        test_checkpoints,
        test_files,
        test_memory_map,
        test_state,
        test_state_map,
    )

    tests = {
        "snapshot": test_state.test_generated_modules_never_raise_and_stay_unchanged,
        "visibility": (
            test_state.test_generated_modules_are_seen_as_torch_sees_them_and_stay_unchanged
        ),
        "StateMap": test_state_map.test_any_generated_module_has_its_faces_and_stays_as_it_was,
        "ParameterWays": (
            test_state.test_a_generated_module_is_told_as_torch_tells_it_or_refused_where_torch_cannot
        ),
        "audit": test_audit.test_on_generated_modules_it_changes_nothing_and_agrees_with_torch,
        "compare_checkpoint": (
            test_checkpoints.test_a_generated_pair_is_told_as_torch_tells_it_and_nothing_changes
        ),
        "MemoryMap": test_memory_map.test_of_any_generated_module_each_tensor_is_on_its_block,
        "files": (test_files.test_a_file_with_bits_flipped_is_refused_or_told_and_nothing_changes),
    }
    given_ = {"compare_checkpoint": test_checkpoints.pairs(modules()), "files": test_files.FLIPS}
    return tests[instrument].hypothesis.inner_test, given_.get(instrument, modules())


def fuzz(instrument: str, count: int) -> None:
    """Ask `count` examples of the test of `instrument`; what fails is raised, made small."""
    check, strategy = check_of(instrument)
    asked = 0

    def counted(example: object) -> None:
        nonlocal asked
        asked += 1
        check(example)

    long = settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    started = time.process_time()
    long(given(strategy)(counted))()
    print(f"{instrument}: {asked:,} examples, {time.process_time() - started:.0f} s of processor")


def _apart(instrument: str, count: int) -> bool:
    """`fuzz` in a process of its own: a crash of one ends none of the others."""
    command = [sys.executable, "-m", "tests.fuzz", str(count), f"only={instrument}"]
    done = subprocess.run(command, capture_output=True, text=True)
    told = done.stdout.strip() or f"{instrument}: FAILED"
    print(told if done.returncode == 0 else f"{told}\n{done.stderr[-4_000:]}", flush=True)
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    counts = [int(one) for one in arguments if one.isdigit()]
    words = [one for one in arguments if not one.isdigit()]
    count = counts[0] if counts else COUNT
    if words and words[0].startswith("only="):
        fuzz(words[0].removeprefix("only="), count)
        return 0
    chosen = [one for one in INSTRUMENTS if not words or one in words]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        passed = list(pool.map(lambda one: _apart(one, count), chosen))
    print(f"{sum(passed)} of {len(passed)} instruments held")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
