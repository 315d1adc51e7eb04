"""What a film of depth may look like, and what its files are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..outputs import OUTPUTS, Options
from ..ranges import quantised

if TYPE_CHECKING:  # NumPy is loaded when something is written: the command lists what there is without it
    import numpy as np
    from numpy.typing import NDArray

    from ..depth import Depth

GROUP = 64
"""Frames from one key frame to the next; a film can be cut, and a run that was killed goes on, there."""
_H264 = {"preset": "veryfast", "crf": "18", "bf": "0", "g": str(GROUP), "threads": "2"}
"""Without frames that refer to later ones, so that pieces can be joined: their times then are in order."""
_FFV1 = {"level": "3", "slices": "4", "slicecrc": "1", "g": "1", "threads": "2"}
_MP4 = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}
_MKV = {".mkv": "matroska"}
_LEVELS = {"gray16le": 65536, "gray10le": 1024}


class Look(NamedTuple):
    """One way in which a film shows depth.

    ``paint`` gives the pixels of a frame, in PyAV's format ``painted``; the codec stores them as ``stored``, or as
    ``odd`` where a side is an odd number of pixels, by which colours of half the size cannot be divided. ``kinds``
    gives, by a file name's ending, the kinds of files that it may be in, the usual first.
    """

    name: str
    suffix: str
    about: str
    codec: str
    options: dict[str, str]
    kinds: dict[str, str]
    painted: str
    stored: str
    odd: str
    paint: Callable[[Depth, Options], NDArray[Any]]

    def format(self, width: int, height: int) -> str:
        """Return the format in which the codec stores frames of this size."""
        return self.odd if width % 2 or height % 2 else self.stored


def _colour(depth: Depth, options: Options) -> NDArray[np.uint8]:
    return depth.colour(options.colours, options.limits)


def _grey(depth: Depth, options: Options) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = quantised(depth.inverse_depth, 256, options.limits).astype("uint8")
    return levels[..., None].repeat(3, axis=2)


def _side_by_side(depth: Depth, options: Options) -> NDArray[np.uint8]:
    import numpy as np

    return np.concatenate([depth.rgb, _colour(depth, options)], axis=1)


def _steps(stored: str) -> Callable[[Depth, Options], NDArray[np.uint16]]:
    return lambda depth, options: quantised(depth.inverse_depth, _LEVELS[stored], options.limits)


def _for_the_eye(name: str, suffix: str, about: str, paint: Callable[[Depth, Options], NDArray[Any]]) -> Look:
    return Look(name, suffix, about, "libx264", _H264, _MP4 | _MKV, "rgb24", "yuv420p", "yuv444p", paint)


def _lossless(name: str, suffix: str, about: str, stored: str) -> Look:
    return Look(name, suffix, about, "ffv1", _FFV1, _MKV, stored, stored, stored, _steps(stored))


LOOKS = {
    look.name: look
    for look in (
        _for_the_eye("colour", "_colour.mp4", "H.264 film in colours, near = bright", _colour),
        _for_the_eye("grey", "_grey.mp4", "H.264 film in grey, near = white", _grey),
        _for_the_eye(
            "side-by-side", "_side.mp4", "H.264 film, its depth in colours on the right", _side_by_side
        ),
        _lossless("grey16", "_depth.mkv", "lossless film of 16 bits, FFV1 in MKV, near = white", "gray16le"),
        _lossless(
            "grey10", "_depth10.mkv", "lossless film of 10 bits, FFV1 in MKV, near = white", "gray10le"
        ),
    )
}
"""Films by name, the first is written by default; where several share an ending, the first is meant by it."""
SEQUENCES = {name: OUTPUTS[name] for name in ("png16", "exr", "tiff", "npy", "npz", "pfm")}
"""Outputs of pictures that a film is written as, a file for each frame."""
NUMBERS = "calibration"
"""The NPZ file with the numbers of each frame: times, scale, shift and range."""
NUMBERS_SUFFIX = "_frames.npz"
NUMBERS_ABOUT = "NPZ of each frame's time, scale, shift and range"
