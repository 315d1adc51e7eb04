"""Memory that stays with a process when pictures come in many sizes.

Each size makes an engine allocate pieces of other lengths. GNU's C library keeps freed pieces of up to 32 MB in the
hope of using them again, and those between others that are still used fit nobody: 50 MB with ONNX Runtime, 500 MB with
torch. `malloc_trim` gives their pages back to the system, in 0.4 to 12 ms.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import Float32, Runner


def frugal(run: Runner) -> Runner:
    """Return a runner that gives back what freed pieces hold whenever the size changes; else it does as ``run``.

    Pictures of one size use the pieces again, and wait for nothing.
    """
    last: tuple[int, ...] = ()

    def run_frugally(picture: Float32, *others: Float32) -> tuple[Float32, ...]:
        nonlocal last
        outputs = run(picture, *others)
        if last and last != picture.shape and (trim := _malloc_trim()):
            trim(0)
        last = picture.shape
        return outputs

    return run_frugally


@cache
def _malloc_trim() -> Callable[[int], Any] | None:
    """Return the function of the C library, None where it has none."""
    if sys.platform == "linux":
        import ctypes

        with suppress(AttributeError):  # musl has none, nor the need
            trim: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
            return trim
    return None
