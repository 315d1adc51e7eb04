"""Does an engine give what the reference gives? The reference is torch; where it is not installed, the plain engine.

That one must first give, on the embedded model, what torch gave when the package was made.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import formats
from ..errors import EngineUnavailable
from ..families import MIDAS, SCALES, Family, family_of
from ..transforms import INPUTS
from . import PLAIN, TORCH, TORCH_EXTRA, Engine
from .artefact import properties_of

if TYPE_CHECKING:
    from . import Float32

    Arrays = tuple[Float32, ...]

log = logging.getLogger("depthmap")
TOLERANCE = 1e-3
"""The largest error of an engine in float32, relative to the largest value of the reference's same output."""
HALF_TOLERANCE = 5e-3
"""As much for its shorter type: half of what users are promised, since one picture is not all pictures."""
EMBEDDED = Path(__file__).parents[1] / "embedded" / "depthmap_tiny.engine.onnx"
"""The artefact that says what torch gave."""
_SIZE = (160, 224)
"""Height and width of the picture that is compared: neither square nor the networks' own, so sizes are dynamic."""
_SAMPLES = "torch"
"""The property that has torch's values, `_STEP` pixels apart."""
_STEP = 32


def reference() -> str:
    """Return the name of the engine that the others are compared with."""
    return TORCH if TORCH_EXTRA.is_installed() else PLAIN.name


def compare(network: str, path: Path, weights: Path, engines: Sequence[Engine]) -> dict[str, float]:
    """Return the error of each engine against the `reference`, relative to the largest value; see `TOLERANCE`.

    An engine that has a shorter type is compared in that too, as "ENGINE TYPE"; that error may be any. One that fails
    or is not exact is left out, which is logged.

    Parameters
    ----------
    network : str
        One of `checkpoints.NETWORKS`.
    path, weights : Path
        An artefact of it, and the file of weights that it is bound to.
    engines : sequence of Engine

    Raises
    ------
    EngineUnavailable
        When none is left.
    """
    family = family_of(network)
    inputs = _inputs(family)
    expected = _by_torch(network, weights, inputs) if reference() == TORCH else _plainly(path, inputs)
    scales = [SCALES.get(output, 0.0) for output in family.outputs]
    errors: dict[str, float] = {}
    failures = []
    for engine in engines:
        try:
            errors |= _errors(engine, path, inputs, expected, scales)
        except EngineUnavailable as error:
            failures.append(error)
    if failures and not errors:
        raise failures[0]
    for failure in failures:
        log.warning("%s", failure)
    return errors


def properties(errors: dict[str, float]) -> dict[str, str]:
    """Return what an artefact says of the engines that were compared."""
    return {f"parity:{engine}": f"{error:.1e}" for engine, error in errors.items()}


def samples(weights: Path) -> dict[str, str]:
    """Return what the embedded model's artefact says of torch; `require_sound` compares with it."""
    values = _sampled(_by_torch("depthmap_tiny", weights, _inputs()))
    return {_SAMPLES: " ".join(f"{value:.7g}" for value in values)}


@cache
def require_sound(engine: Engine) -> float:
    """Return the error of an engine on the embedded model, against what torch gave; see `samples`.

    Raises
    ------
    EngineUnavailable
        When the engine cannot run it, or gives something else.
    """
    expected = np.array(properties_of(EMBEDDED)[_SAMPLES].split(), np.float32)
    found = _sampled(_run(engine, EMBEDDED, _inputs()))
    return _require(engine, EMBEDDED, TORCH, _error((found,), (expected,)))


def _plainly(path: Path, inputs: Arrays) -> Arrays:
    require_sound(PLAIN)
    return _run(PLAIN, path, inputs)


def _errors(
    engine: Engine, path: Path, inputs: Arrays, expected: Arrays, scales: Sequence[float]
) -> dict[str, float]:
    worst = max(_error(_run(engine, path, inputs, many=many), expected, scales) for many in (False, True))
    errors = {engine.name: _require(engine, path, reference(), worst)}
    if engine.half:
        half = _run(engine, path, inputs, half=True)
        errors[f"{engine.name} {engine.half}"] = _error(half, expected, scales)
    return errors


def _run(engine: Engine, path: Path, inputs: Arrays, *, half: bool = False, many: bool = False) -> Arrays:
    try:
        return engine.open(path, half=half, many=many)(*inputs)
    except Exception as error:  # engines have no common error
        raise EngineUnavailable(
            f"{engine.name} cannot run the model: {error}", path, _remedy(engine)
        ) from error


def _require(engine: Engine, path: Path, other: str, error: float) -> float:
    if not error <= TOLERANCE:
        what = f"{engine.name} differs from {other} by {error:.1e} of the largest value, more than {TOLERANCE:.0e}"
        raise EngineUnavailable(what, path, _remedy(engine))
    return error


def _remedy(engine: Engine) -> str:
    return f"Use --engine torch, or another version of {engine.name}."


def _inputs(family: Family = MIDAS) -> Arrays:
    """Return a batch of one picture, and what else the networks of a family take."""
    height, width = (family.fixed or side // family.multiple * family.multiple for side in _SIZE)
    others = (INPUTS[name](width, height) for name in family.inputs[1:])
    return (_picture(height, width), *(np.array([other], np.float32) for other in others))


def _picture(height: int, width: int) -> Float32:
    """Return a normalised picture (1, 3, h, w): a slope, stripes of many widths, noise."""
    sides = np.maximum(_SIZE, (height, width))
    rows, columns = np.mgrid[0 : sides[0], 0 : sides[1]] / _SIZE[1]
    stripes = np.stack([np.sin(40 * rows * columns + phase) for phase in range(3)])
    noise = np.random.default_rng(0).normal(0, 0.2, stripes.shape)
    picture: Float32 = (2 * rows - 1 + 0.7 * stripes + noise)[None].astype(np.float32)
    return np.ascontiguousarray(picture[..., :height, :width])


def _by_torch(network: str, weights: Path, inputs: Arrays) -> Arrays:
    import torch

    from .. import networks

    module = networks.build(network)
    networks.fill_in_float32(module, formats.load(weights))
    with torch.inference_mode():
        outputs = module(*(torch.from_numpy(array) for array in inputs))
    return tuple(output.numpy() for output in networks.all_of(outputs))


def _sampled(outputs: Arrays) -> Float32:
    return outputs[0][..., _STEP // 2 :: _STEP, _STEP // 2 :: _STEP].ravel()


def _error(outputs: Arrays, expected: Arrays, scales: Sequence[float] = (0.0,)) -> float:
    """Return the largest error of an output relative to its largest value, or to its scale where that is larger."""
    return max(
        float(np.abs(output - other).max() / max(np.abs(other).max(), scale))
        for output, other, scale in zip(outputs, expected, scales, strict=True)
    )
