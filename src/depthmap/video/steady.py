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

A few frames of *look-ahead* tell cuts from flashes, and a shot begins with the average of its first frames, which it
goes through backwards first. So a frame never depends on what was before its shot, and nothing lags behind a cut.

Sources: scale and shift by least squares are MiDaS's (Ranftl et al. 2020), who also state the ambiguity. Averaging
along the motion of frames that were processed one by one is that of Lang et al., "Practical temporal consistency for
image-based graphics applications", 2012, and of Bonneel et al., "Blind video temporal consistency", 2015, whose
weights also fall with the difference of the pictures. A smoothed range that starts anew at cuts is what iw3 (nunif, by
nagadomi) does. The modules named above state theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..depth import RELATIVE_INVERSE, Depth
from ..ranges import shown_range, value_range
from . import cuts, motion
from .alignment import Line, fit
from .grids import around, middle, slopes

Float32 = NDArray[np.float32]

AHEAD = 4
"""Frames that are looked at before one is given back."""
GRID = 256
"""Pixels of the longer side of the maps that are averaged. A network's own map is hardly finer, and what is averaged
is only what is added to it."""
_LONGEST = 24
"""Frames that the running map averages at most: about a second."""
_RANGE = 24.0
"""Frames in which the range goes two thirds of the way to that of the running map."""
_LEAK = 1 / 240
"""How much of the way to the network's own scale the running map goes in a frame, so that errors do not add up."""
_NOISE = 1.0
"""Grey levels by which a pixel changes at least though nothing moved."""
_BESIDE = 0.25
"""Pixels by which a motion may be wrong."""
_JUMP = 0.4
"""Change of depth, as part of the range, that is taken for true even where the picture did not change."""


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


class _Seen(NamedTuple):
    """What the method looks at of a frame."""

    depth: Depth
    thumbnail: Float32
    luma: Float32
    inverse: Float32


@dataclass(frozen=True)
class State:
    """What is known after a frame: arrays and numbers only, so that a run can go on from a file.

    ``luma`` and ``inverse`` (h, w) are the running averages, ``frames`` (h, w) of how many frames; ``thumbnail`` is
    that of the last frame, ``change`` how it differed from the one before.
    """

    luma: Float32
    inverse: Float32
    frames: Float32
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


class Steady:
    """Takes the depth of frames in order, and gives them back steady, `AHEAD` frames later.

    Parameters
    ----------
    state : State, optional
        That after the frame before the first, of a run that goes on.
    """

    def __init__(self, state: State | None = None) -> None:
        self.state = state
        self._ahead: deque[_Seen] = deque()

    def push(self, depth: Depth) -> Iterator[Steadied]:
        """Take the depth of the next frame, which has its picture; yield those that are ready."""
        self._ahead.append(_seen(depth))
        if len(self._ahead) > AHEAD:
            yield self._next()

    def flush(self) -> Iterator[Steadied]:
        """Yield the rest."""
        while self._ahead:
            yield self._next()

    def _next(self) -> Steadied:
        frame = self._ahead.popleft()
        before, ahead = self.state, list(self._ahead)
        thumbnails = [frame.thumbnail, *(other.thumbnail for other in ahead)]
        changes = [cuts.change(one, other) for one, other in pairwise(thumbnails)]
        past: list[float] = []
        now = 0.0
        if before is not None:
            past = [before.change]
            now = cuts.change(before.thumbnail, frame.thumbnail)
        if before is None or cuts.is_cut(now, past, changes):
            state = _opening(frame, ahead, changes, 0 if before is None else before.shot + 1)
        else:
            state = _advanced(before, frame)
            state = replace(state, change=now)
        self.state = state = replace(state, thumbnail=frame.thumbnail)
        line = Line(state.scale, state.shift)
        return Steadied(_in_scale(frame, line, state.inverse), line, Range(state.low, state.high), state.shot)


class AsTheyAre:
    """Gives the depth of frames back as it is: what `Steady` is without its method."""

    state: State | None = None

    def push(self, depth: Depth) -> Iterator[Steadied]:
        """Take the depth of the next frame, and yield it."""
        yield Steadied(depth, Line(), Range(*value_range(depth.inverse_depth)), 0, is_steady=False)

    def flush(self) -> Iterator[Steadied]:
        """Yield nothing: none waits."""
        return iter(())


def _seen(depth: Depth) -> _Seen:
    width, height = _grid(depth.width, depth.height)
    small = Image.fromarray(depth.rgb).resize((width, height), Image.Resampling.BOX)
    rows, columns = cuts.SIZE
    tiny = np.asarray(small.resize((columns, rows), Image.Resampling.BOX), np.float32)
    luma = np.asarray(small.convert("L"), np.float32)
    return _Seen(depth, tiny, luma, _sampled(depth.inverse_depth, width, height))


def _grid(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, GRID / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _sampled(values: Float32, width: int, height: int) -> Float32:
    """Return the values in the middle of each pixel of the grid."""
    rows = ((np.arange(height) + 0.5) * (values.shape[0] / height)).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * (values.shape[1] / width)).astype(np.intp)
    sampled: Float32 = values[rows[:, None], columns]
    return sampled


def _opening(frame: _Seen, ahead: list[_Seen], changes: list[float], shot: int) -> State:
    """Return the state after the first frame of a shot: the average of what comes, gone through backwards."""
    same = ahead[: _until_cut(changes)]
    last = same[-1] if same else frame
    low, high = shown_range(last.inverse)
    known = np.isfinite(last.inverse)
    state = State(
        last.luma, np.where(known, last.inverse, 0), known.astype(np.float32), last.thumbnail,
        1.0, 0.0, low, high, shot,
    )  # fmt: skip
    for other in [*same[-2::-1], frame] if same else []:
        state = _advanced(state, other)
    low, high = _range(state)
    return replace(state, low=low, high=high)


def _until_cut(changes: list[float]) -> int:
    """Return how many of the frames ahead belong to the shot that begins."""
    for number, now in enumerate(changes):
        if cuts.is_cut(now, changes[:number], changes[number + 1 :]):
            return number
    return len(changes)


def _advanced(state: State, frame: _Seen) -> State:
    """Return the state after one more frame of the shot."""
    luma, inverse, frames = _moved(state, frame)
    still = _still(luma, frame.luma) * (frames > 0)
    line = fit(frame.inverse, inverse, still, shift=frame.depth.kind == RELATIVE_INVERSE)
    aligned = line(frame.inverse)
    known = np.isfinite(aligned)
    jump = np.abs(np.where(known, aligned, 0) - inverse) / np.float32(
        max(_JUMP * (state.high - state.low), 1e-12)
    )
    trust = np.where(known, still / (1 + np.minimum(jump, 100) ** 4), 0)
    frames = np.minimum(frames * trust, np.float32(_LONGEST - 1)) + known
    weight = known / np.maximum(frames, 1)
    inverse = inverse + np.where(known, aligned - inverse, 0) * weight
    luma = luma + (frame.luma - luma) / np.maximum(frames, 1)
    return _leaked(_ranged(replace(state, luma=luma, inverse=inverse, frames=frames), line), line)


def _moved(state: State, frame: _Seen) -> tuple[Float32, Float32, Float32]:
    """Return the running averages as this frame sees them: in its exposure, from where its camera stands."""
    luma = fit(state.luma, frame.luma)(state.luma)
    moved = motion.find(luma, frame.luma)
    if moved.is_still:
        return luma, state.inverse, state.frames
    height, width = luma.shape
    frames = moved.bring(state.frames, Image.Resampling.BILINEAR) * moved.seen(width, height)
    return moved.bring(luma), moved.bring(state.inverse), frames


def _still(before: Float32, now: Float32) -> Float32:
    """Return how surely each place is as it was, 0 to 1."""
    away = around(np.abs(now - before))
    noise = max(1.4826 * middle(away), _NOISE)
    across, down = slopes(around(before))
    beyond = np.maximum(away - np.float32(_BESIDE) * (np.abs(across) + np.abs(down)), 0)
    surely: Float32 = 1 / (1 + (beyond / np.float32(3 * noise)) ** 4)
    return surely


def _range(state: State) -> tuple[float, float]:
    known = state.inverse[::2, ::2][state.frames[::2, ::2] > 0]
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


def _in_scale(frame: _Seen, line: Line, running: Float32) -> Depth:
    """Return a frame's depth in the scale of the shot, with the details of the running map."""
    depth = frame.depth
    aligned = line(frame.inverse)
    change = np.where(np.isfinite(aligned), running - aligned, 0).astype(np.float32)
    size = (depth.width, depth.height)
    inverse = line(depth.inverse_depth) + np.asarray(
        Image.fromarray(change).resize(size, Image.Resampling.BICUBIC)
    )
    if depth.kind == RELATIVE_INVERSE:
        return replace(depth, values=inverse)
    with np.errstate(divide="ignore"):
        return replace(depth, values=1 / np.maximum(inverse, 0))
