"""What the processes of a learner hold, from /proc (Linux)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MB = 1024  # in the kilobytes of /proc


@dataclass(frozen=True)
class Held:
    """Megabytes: `pss` counts a page that several processes share by its part, `own` counts only
    what nobody else has, `seen` counts each page in full (RSS, what `top` shows)."""

    pss: float
    own: float
    seen: float

    def __add__(self, other: Held) -> Held:
        return Held(self.pss + other.pss, self.own + other.own, self.seen + other.seen)

    def __str__(self) -> str:
        return f"{self.pss:.0f} MB ({self.own:.0f} own; {self.seen:.0f} with all that is shared)"


NOTHING = Held(0, 0, 0)


def processes_in(folder: Path) -> dict[int, str]:
    """The running processes whose home is in `folder`: number and command."""
    mark = f"HOME={folder}".encode()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:  # it has ended, or belongs to somebody else
            continue
        homes = [one for one in variables if one == mark or one.startswith(mark + b"/")]
        if homes and command:  # a process that has ended and waits for its parent has no command
            found[int(process.name)] = command
    return found


def held_by(number: int) -> Held:
    """What the process `number` holds; nothing once it has ended."""
    try:
        words = Path(f"/proc/{number}/smaps_rollup").read_text()
    except OSError:
        return NOTHING
    sizes = {name: int(size) / MB for name, size in re.findall(r"^(\w+): +(\d+) kB", words, re.M)}
    own = sizes["Private_Clean"] + sizes["Private_Dirty"]
    return Held(sizes["Pss"], own, sizes["Rss"])


def held_in(folder: Path) -> Held:
    """What all processes whose home is in `folder` hold together."""
    return sum(map(held_by, processes_in(folder)), NOTHING)
