"""The running map of a shot: the average of its frames in one scale, as the camera that moves sees it.

What method it is, and whose, `steady` says. Inverse depth, the picture and the number of frames are averaged on one
grid. Motion is found on one half as fine, in a quarter of the time; there a map is looked back on too, which is smooth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..depth import RELATIVE_INVERSE, Depth
from ..ranges import shown_range
from . import motion
from .alignment import SIGMA, Line, fit
from .grids import middle, paired, resized
from .motion import Motion

Float32 = NDArray[np.float32]

_LONGEST = 24
"""Frames that the running map averages at most: about a second."""
_RANGE = 24.0
"""Frames in which the range goes two thirds of the way to that of the running map."""
_LEAK = 1 / 240
"""How much of the way to the network's own scale the running map goes in a frame, so that errors do not add up."""
_NOISE = 0.5
"""Grey levels by which a pixel changes at least though nothing moved."""
_JUMP = 0.12
"""Change of depth, as part of the range, that is taken for true even where the picture did not change: smooth walls
look the same though near things pass before them."""
_USUAL = 5.0
"""Unless it is less than so many standard deviations of all changes: some networks flicker as much."""


class Seen(NamedTuple):
    """What the method looks at of a frame: a thumbnail, grey levels (h, w), and inverse depth (h, w).

    Both h and w are even. ``change`` is how the thumbnail differs from that of the frame before.
    """

    depth: Depth
    thumbnail: Float32
    change: float
    luma: Float32
    inverse: Float32


@dataclass(frozen=True)
class State:
    """What is known after a frame: arrays and numbers only, so that a run can go on from a file.

    ``luma`` and ``inverse`` (h, w) are the running averages, ``frames`` (h, w) of how many frames; ``motion`` (2, 3)
    is the last `Motion`; ``thumbnail`` is that of the last frame, ``change`` how it differed from the one before.
    """

    luma: Float32
    inverse: Float32
    frames: Float32
    motion: NDArray[np.float64]
    thumbnail: Float32
    scale: float
    shift: float
    low: float
    high: float
    shot: int
    change: float = 0.0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state for ``numpy.savez``."""
        return {name: np.asarray(value) for name, value in asdict(self).items()}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> State:
        """Return the state that `arrays` gave."""
        kept: dict[str, Any] = {name: arrays[name] for name in cls.__dataclass_fields__}
        return cls(**{name: value if value.ndim else value.item() for name, value in kept.items()})


def opening(frame: Seen, same: Sequence[Seen], shot: int) -> State:
    """Return the state after the first frame of a shot: the average of what comes, gone through backwards."""
    last = same[-1] if same else frame
    low, high = shown_range(last.inverse)
    frames = np.ones(last.luma.shape, np.float32) * _known(last.inverse)
    inverse = np.where(np.isfinite(last.inverse), last.inverse, 0)
    state = State(last.luma, inverse, frames, np.zeros((2, 3)), frame.thumbnail, 1.0, 0.0, low, high, shot)
    for other in [*same[-2::-1], frame] if same else []:
        state, _ = advanced(state, other)
    low, high = _range(state)
    return replace(state, low=low, high=high, motion=-state.motion)  # the camera turns round


def advanced(state: State, frame: Seen) -> tuple[State, Motion]:
    """Return the state after one more frame of the shot, and how the camera moved."""
    luma, inverse, frames, moved = _moved(state, frame)
    still = _still(luma, frame.luma) * (frames > 0)
    line = fit(frame.inverse, inverse, still, shift=frame.depth.kind == RELATIVE_INVERSE)
    known = _known(frame.inverse)
    change = line(frame.inverse) - inverse
    if known is not _ALL:
        change[known == 0] = 0
    trust = still * _likely(change, state)
    frames = np.minimum(frames * trust, np.float32(_LONGEST - 1)) * known + known
    weight = 1 / np.maximum(frames, 1)
    inverse = inverse + change * weight
    luma = luma + (frame.luma - luma) * weight
    after = replace(state, luma=luma, inverse=inverse, frames=frames, motion=np.array(moved))
    return _leaked(_ranged(after, line), line), moved


def looked_back(state: State, frame: Seen, later: State, motions: Sequence[Motion]) -> Float32:
    """Return the inverse depth (h, w) at a frame by what was known some frames later, after these motions."""
    height, width = state.luma.shape
    way = motion.back(motions, width, height).scaled(0.5, 0.5)
    before, after = paired(state.luma), paired(later.luma)
    luma = way.bring(fit(after, before)(after), Image.Resampling.BILINEAR)
    now, then = (paired(one.inverse) for one in (state, later))
    then = way.bring(then, Image.Resampling.BILINEAR)
    seen = way.seen(width // 2, height // 2) & (paired(state.frames) > 0)
    surely = _still(luma, paired(frame.luma)) * seen
    change = fit(then, now, surely, shift=frame.depth.kind == RELATIVE_INVERSE)(then) - now
    return state.inverse + resized(change * surely * _likely(change, state), state.inverse.shape)


def _likely(change: Float32, state: State) -> Float32:
    """Return how surely a change of inverse depth is the network's alone, 0 to 1."""
    usual = _USUAL * SIGMA * middle(np.abs(change[::2]))
    jump = change * np.float32(1 / max(_JUMP * (state.high - state.low), usual, 1e-12))
    jump = np.minimum(jump * jump, np.float32(1e4))
    likely: Float32 = 1 / (1 + jump * jump)
    return likely


_ALL = np.ones((), np.float32)


def _known(inverse: Float32) -> Float32:
    """Return 1 at each place where the depth is known, else 0."""
    finite = np.isfinite(inverse)
    return _ALL if finite.all() else finite.astype(np.float32)


def _moved(state: State, frame: Seen) -> tuple[Float32, Float32, Float32, Motion]:
    """Return the running averages as this frame sees them: in its exposure, from where its camera stands."""
    luma = fit(state.luma, frame.luma)(state.luma)
    a, b = state.motion.tolist()
    near = Motion(tuple(a), tuple(b)).scaled(0.5, 0.5)
    moved = motion.find(paired(luma), paired(frame.luma), near).scaled(2.0, 2.0)
    if moved.is_still:
        return luma, state.inverse, state.frames, Motion()
    frames = moved.bring(state.frames, Image.Resampling.BILINEAR)
    return moved.bring(luma), moved.bring(state.inverse), frames, moved


def _still(before: Float32, now: Float32) -> Float32:
    """Return how surely each place is as it was, 0 to 1."""
    away = np.abs(now - before)
    noise = max(SIGMA * middle(away[::2]), _NOISE)
    away *= np.float32(1 / (3 * noise))
    away *= away
    away *= away  # the fourth power at once takes ten times as long
    surely: Float32 = 1 / (1 + away)
    return surely


def _range(state: State) -> tuple[float, float]:
    known = state.inverse[::2][state.frames[::2] > 0]
    return shown_range(known if known.size else state.inverse)


def _ranged(state: State, line: Line) -> State:
    """Return the state with a range that goes after that of the running map."""
    low, high = _range(state)
    if not high > low:
        return replace(state, scale=line.scale, shift=line.shift)
    gain = 1 / _RANGE
    return replace(
        state,
        scale=line.scale,
        shift=line.shift,
        low=state.low + gain * (low - state.low),
        high=state.high + gain * (high - state.high),
    )


def _leaked(state: State, line: Line) -> State:
    """Return the state a little nearer to the network's own scale; what the range shows stays the same."""
    back = Line(line.scale**-_LEAK, -_LEAK * line.shift)
    low, high, shift = (back.scale * value + back.shift for value in (state.low, state.high, line.shift))
    scale = back.scale * line.scale
    return replace(state, inverse=back(state.inverse), low=low, high=high, scale=scale, shift=shift)
