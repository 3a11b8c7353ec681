"""Where a module or a tensor stands in a model: positions in the walk, and their paths in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Place(NamedTuple):
    """A name in a module: `node` is the position of the module in the walk."""

    node: int
    name: str


_new = tuple.__new__  # Place(...) takes twice as long, and a large model has a million


class Places:
    """The modules of a walk by their positions, each under every name that the walk gave it.

    `nodes` has for each position that of the module around it, and the name there: a path is built
    when it is asked for. `owners` has the id of the module at each position."""

    def __init__(self) -> None:
        self.nodes: list[Place] = []
        self.owners: list[int] = []

    def add(self, around: int, name: str, module_id: int) -> int:
        """The position of the next module of the walk."""
        self.nodes.append(_new(Place, (around, name)))
        self.owners.append(module_id)
        return len(self.nodes) - 1

    def path(self, place: Place) -> str:
        """The dotted path of a place as torch writes it: an empty name in front leaves no dot."""
        node, name = place
        names = [name]
        while node > 0:
            node, name = self.nodes[node]
            names.append(name)
        while len(names) > 1 and not names[-1]:
            names.pop()
        return ".".join(reversed(names))

    def slot(self, place: Place) -> tuple[int, str]:
        """The id of the module of a place, and the name there. That the module has several names
        itself makes no second slot of what it holds."""
        return self.owners[place.node], place.name

    def up_from(self, node: int) -> Iterator[int]:
        """The ids of the module at a position and of those around it, from the inside out."""
        while node >= 0:
            yield self.owners[node]
            node = self.nodes[node].node

    def registrations(self, module_ids: set[int]) -> dict[int, list[Place]]:
        """id of each of these modules -> the places where it is registered, one for each slot."""
        places: dict[int, dict[tuple[int, str], Place]] = {one: {} for one in module_ids}
        for key, place in zip(self.owners, self.nodes, strict=True):
            if key in places and place.node >= 0:
                places[key].setdefault(self.slot(place), place)
        return {key: list(slots.values()) for key, slots in places.items()}
