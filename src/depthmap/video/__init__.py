"""Films: depth of every frame that does not flicker, in constant memory, with sound and times kept.

`open_film` and `open_camera` give a `Film`, `plan` says which files it becomes, and `make` makes them. Importing this
loads neither NumPy nor PyAV.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .making import Summary, make
    from .reading import Film, Frame, open_camera, open_film
    from .steady import Steadied, Steady
    from .targets import Target, plan

__all__ = [
    "make",
    "open_film",
    "open_camera",
    "plan",
    "Film",
    "Frame",
    "Steady",
    "Steadied",
    "Summary",
    "Target",
]
_HOMES = {
    "make": "making", "Summary": "making",
    "open_film": "reading", "open_camera": "reading", "Film": "reading", "Frame": "reading",
    "Steady": "steady", "Steadied": "steady",
    "plan": "targets", "Target": "targets",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'depthmap.video' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
