"""Pictures from wherever they lie, one after the other: nothing is listed beforehand, and nothing kept.

A `Source` yields an `Item` for each picture. `items` goes through several and loads what is wanted.
"""

from __future__ import annotations

from .item import Item
from .opening import Source, items, open_sources

__all__ = ["Item", "Source", "items", "open_sources"]
