"""Depth maps of a film that do not flicker: one scale, one shift and one range through a shot.

A network sees each frame anew. What it says of a scene that stands still changes with noise and exposure: the scale and
the shift of relative inverse depth, which it leaves open, and details. `Steady` takes the maps in order and gives
each back in the scale of the shot:

1. *Cuts* (`cuts`). The frames' content tells where a shot begins. There everything starts anew.
2. *Motion* (`motion`). The running map, an average of what came before, is brought to where the camera looks now.
3. *Alignment* (`alignment`). Robust least squares find the scale and shift that bring the new map to the running map,
   on what did not move: where the picture is as it was, but for noise and exposure.
4. *Averaging*. Where nothing moved, the new map joins the running average; where something did, it replaces it.
5. *Range*. The range that black and white stand for follows the running map slowly.
6. *Looking back*. A running average lags: when the camera travels, what the network says of a place changes with the
   view. So a frame gets the average as it is a few frames later, brought back to where the camera stood.

A few frames of *look-ahead* tell cuts from flashes, and a shot begins with the average of its first frames, which it
goes through backwards first. So a frame never depends on what was before its shot, and nothing lags behind a cut.

Sources: scale and shift by least squares are MiDaS's (Ranftl et al. 2020), who also state the ambiguity. Averaging
along the motion of frames that were processed one by one is that of Lang et al., "Practical temporal consistency for
image-based graphics applications", 2012, and of Bonneel et al., "Blind video temporal consistency", 2015, whose
weights also fall with the difference of the pictures. A smoothed range that starts anew at cuts is what iw3 (nunif, by
nagadomi) does. Looking back is fixed-lag smoothing: Anderson and Moore, "Optimal Filtering", 1979, chapter
7. The modules named above state theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..depth import RELATIVE_INVERSE, Depth
from ..ranges import value_range
from ..resizing import resize
from . import cuts, running
from .alignment import Line
from .motion import Motion
from .running import Seen, State

Float32 = NDArray[np.float32]

_CUTS = 4
"""Frames ahead that tell a cut from a flash."""
_BACK = 4
"""Frames after which the running average is looked back from."""
AHEAD = _CUTS + _BACK
"""Frames that are looked at before one is given back."""
_GRID = 64
"""Pixels of the longer side of the map that is looked back on. What is averaged is twice as fine, and as it is only
added to a map, that keeps its details."""

_ROWS = 64
"""Rows of a frame that stay in the processor's cache while they are computed with."""


class Range(NamedTuple):
    """The inverse depths that a film shows as black and as white."""

    low: float
    high: float


class Steadied(NamedTuple):
    """A frame's depth in the scale of its shot, and how it came to be so.

    ``depth.inverse_depth`` is about ``line(inverse depth of the network)``; ``limits`` is the range to show it in;
    ``shot`` counts from 0. Where it ``is_steady`` not, it is as the network gave it, and ``limits`` its own range.
    """

    depth: Depth
    line: Line
    limits: Range
    shot: int
    is_steady: bool = True


class _Waiting(NamedTuple):
    """A frame, the state after it, and how the camera moved to it."""

    frame: Seen
    state: State
    motion: Motion


class Steady:
    """Takes the depth of frames in order, and gives them back steady, `AHEAD` frames later.

    Parameters
    ----------
    state : State, optional
        That after the frame before the first, of a run that goes on.

    Attributes
    ----------
    state : State or None
        That after the frame that was given back last.
    """

    def __init__(self, state: State | None = None) -> None:
        self.state = state
        self._thumbnail = None if state is None else state.thumbnail
        self._ahead: deque[Seen] = deque()
        self._waiting: deque[_Waiting] = deque()

    def push(self, depth: Depth) -> Iterator[Steadied]:
        """Take the depth of the next frame, which has its picture; yield those that are ready."""
        self._ahead.append(_seen(depth, self._thumbnail))
        self._thumbnail = self._ahead[-1].thumbnail
        if len(self._ahead) > _CUTS:
            yield from self._advance()

    def flush(self) -> Iterator[Steadied]:
        """Yield the rest."""
        while self._ahead:
            yield from self._advance()
        while self._waiting:
            yield self._given()

    def _advance(self) -> Iterator[Steadied]:
        """Go on by one frame; yield the one that is ready then."""
        before = self._waiting[-1].state if self._waiting else self.state
        self._waiting.append(_followed(before, self._ahead.popleft(), list(self._ahead)))
        if len(self._waiting) > _BACK:
            yield self._given()

    def _given(self) -> Steadied:
        later = [waiting for waiting in self._waiting if waiting.state.shot == self._waiting[0].state.shot]
        frame, state, _ = self._waiting.popleft()
        self.state = state
        line = Line(state.scale, state.shift)
        inverse = state.inverse
        if len(later) > 1:
            inverse = running.looked_back(state, frame, later[-1].state, [one.motion for one in later[1:]])
        return Steadied(_in_scale(frame, line, inverse), line, Range(state.low, state.high), state.shot)


class AsTheyAre:
    """Gives the depth of frames back as it is: what `Steady` is without its method."""

    state: State | None = None

    def push(self, depth: Depth) -> Iterator[Steadied]:
        """Take the depth of the next frame, and yield it."""
        yield Steadied(depth, Line(), Range(*value_range(depth.inverse_depth)), 0, is_steady=False)

    def flush(self) -> Iterator[Steadied]:
        """Yield nothing: none waits."""
        return iter(())


def _followed(before: State | None, frame: Seen, ahead: list[Seen]) -> _Waiting:
    """Return a frame with the state after it: that of its shot as it goes on, or of one that begins."""
    changes = [other.change for other in ahead]
    if before is None or cuts.is_cut(frame.change, [before.change], changes):
        same = ahead[: _until_cut(changes)]
        shot = 0 if before is None else before.shot + 1
        return _Waiting(frame, running.opening(frame, same, shot), Motion())
    state, motion = running.advanced(before, frame)
    return _Waiting(frame, replace(state, thumbnail=frame.thumbnail, change=frame.change), motion)


def _until_cut(changes: list[float]) -> int:
    """Return how many of the frames ahead belong to the shot that begins."""
    for number, now in enumerate(changes):
        if cuts.is_cut(now, changes[:number], changes[number + 1 :]):
            return number
    return len(changes)


def _seen(depth: Depth, before: Float32 | None) -> Seen:
    """Return what the method looks at of a frame, by the thumbnail of the one before."""
    width, height = (2 * side for side in _grid(depth.width, depth.height))
    luma = _means(np.ascontiguousarray(depth.rgb), width, height)
    thumbnail = np.asarray(luma.resize(cuts.SIZE, Image.Resampling.BOX), np.float32)
    change = 0.0 if before is None else cuts.change(before, thumbnail)
    inverse = np.asarray(_means(depth.inverse_depth, width, height))
    return Seen(depth, thumbnail, change, np.asarray(luma, np.float32), inverse)


def _grid(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, _GRID / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _means(values: NDArray[Any], width: int, height: int) -> Image.Image:
    """Return a map, or the grey levels of a picture, on a grid.

    To Pillow a picture is one of three times as many grey pixels, so it need not be copied. Whole pixels are added
    first, which takes less time than the rest.
    """
    rows, columns = values.shape[:2]
    across, down = max(1, columns // width), max(1, rows // height)
    flat = values.reshape(rows, -1)
    added = Image.fromarray(flat).reduce((flat.shape[1] // columns * across, down))
    return added.resize((width, height), Image.Resampling.BOX, (0, 0, columns / across, rows / down))


def _in_scale(frame: Seen, line: Line, running: Float32) -> Depth:
    """Return a frame's depth in the scale of the shot, with the details of the running map."""
    depth = frame.depth
    change = running - line(frame.inverse)
    change[~np.isfinite(change)] = 0
    change += np.float32(line.shift)  # here, where there are few
    inverse = resize(change, depth.height, depth.width)
    frame_alone, scale = depth.inverse_depth, np.float32(line.scale)
    for top in range(0, depth.height, _ROWS):
        rows = slice(top, top + _ROWS)
        inverse[rows] += frame_alone[rows] * scale
    if depth.kind == RELATIVE_INVERSE:
        return replace(depth, values=inverse)
    with np.errstate(divide="ignore"):
        return replace(depth, values=np.float32(1) / np.maximum(inverse, np.float32(0)))
