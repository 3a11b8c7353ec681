"""Several things at once, each in a thread that a stop does not wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Queue
from typing import Any


def at_once(work: Callable[[Any], Any], given: Sequence[Any]) -> list[Any]:
    """`work` of each of `given`, all at the same time; the first failure is raised at once."""
    done: Queue = Queue()

    def one(position: int, value: Any) -> None:
        try:
            done.put((position, work(value), None))
        except BaseException as failure:
            done.put((position, None, failure))

    for position, value in enumerate(given):
        threading.Thread(target=one, args=(position, value), daemon=True).start()
    results = {}
    for _ in given:
        position, result, failure = done.get()
        if failure:
            raise failure
        results[position] = result
    return [results[position] for position in range(len(given))]
