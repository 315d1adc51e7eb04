"""The last results, so that another file of the same picture needs no second inference."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..depth import Depth


class Results:
    """Depths by what they were made of, as many as fit into so many bytes; the least recently used goes first."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.held = 0
        self._depths: OrderedDict[Hashable, Depth] = OrderedDict()

    def get(self, key: Hashable) -> Depth | None:
        """Return the depth that was put under this key, if it is still here."""
        if key not in self._depths:
            return None
        self._depths.move_to_end(key)
        return self._depths[key]

    def put(self, key: Hashable, depth: Depth) -> None:
        """Keep a depth, unless it alone is too large."""
        self._drop(key)
        if _size(depth) > self.nbytes:
            return
        self._depths[key] = depth
        self.held += _size(depth)
        while self.held > self.nbytes:
            self._drop(next(iter(self._depths)))

    def _drop(self, key: Hashable) -> None:
        if depth := self._depths.pop(key, None):
            self.held -= _size(depth)


def _size(depth: Depth) -> int:
    arrays = (depth.values, depth.valid, depth.pixels, depth.model_normals)
    return sum(array.nbytes for array in arrays if array is not None)
