"""Making a model ready for the engines that need no torch: its artefact, beside its weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import formats
from ..catalog import ModelSpec
from ..checkpoints import expected_shapes
from ..engines import INSTALL, Engine, installed
from ..engines.artefact import bind, properties_of, weights_id
from ..errors import EngineUnavailable, UnknownModel
from ..store import Manifest
from ..store.commit import writing
from ..store.names import ARTEFACT, TENSOR_FORMATS
from .check import check
from .shelf import Shelf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

log = logging.getLogger("depthmap")
TOLERANCE = 1e-3
"""The largest error of an engine in float32, relative to the largest value of torch's output."""
HALF_TOLERANCE = 5e-3
"""As much for its shorter type: half of what users are promised, since one picture is not all pictures."""
_SIZE = (160, 224)
"""Height and width of the picture that is compared: neither square nor the networks' own, so sizes are dynamic."""


def compile_model(shelf: Shelf, spec: ModelSpec) -> dict[str, Any]:
    """Make the artefact of a cached model, and compare every installed engine with torch on it.

    It is bound to the first whole file of weights of the directory that is written, and lies beside it. Before it is
    compared it says of no engine that it may be used; so whenever the process is killed, no load takes it.

    Returns model, path, weights (the format), errors {engine: relative error}.

    Raises
    ------
    UnknownModel
        When the model is not cached where the artefact would have to be.
    EngineUnavailable
        When none is installed, or none gives what torch gives; nothing is left then.
    """
    engines = installed()
    if not engines:
        raise EngineUnavailable("No engine is installed to compile the model for", spec.name, INSTALL)
    with shelf.store.lock(spec.slug):
        format, weights = _weights(shelf, spec)
        bound = {"weights": weights_id(format, _sha256(shelf, spec, format))}
        path = _publish(shelf, spec, weights, bound)
        try:
            errors = compare(spec.network, path, weights, engines)
        except Exception:
            shelf.store.unlink(path)
            shelf.store.forget(spec.slug, ARTEFACT)
            raise
        _publish(shelf, spec, weights, bound | parity(errors))
    return {"model": spec.name, "path": str(path), "weights": format, "errors": errors}


def is_compiled(shelf: Shelf, spec: ModelSpec) -> bool:
    """Tell whether a model has an artefact for its weights in which every installed engine was compared."""
    said = properties_of(shelf.store.path(spec.slug, ARTEFACT))
    compared = all(f"parity:{engine.name}" in said for engine in installed())
    return compared and bool(bound_format(shelf, spec))


def bound_format(shelf: Shelf, spec: ModelSpec) -> str:
    """Return the format of the weights that a model's artefact is bound to; empty where they are not those recorded."""
    said = properties_of(shelf.store.path(spec.slug, ARTEFACT)).get("weights", "")
    format = said.split(" ")[0]
    record = shelf.store.record(spec.slug, format)
    known = format in TENSOR_FORMATS and record and said == weights_id(format, record.digest.sha256)
    return format if known else ""


def parity(errors: dict[str, float]) -> dict[str, str]:
    """Return what an artefact says of the engines that were compared."""
    return {f"parity:{engine}": f"{error:.1e}" for engine, error in errors.items()}


def _weights(shelf: Shelf, spec: ModelSpec) -> tuple[str, Path]:
    for format in TENSOR_FORMATS:
        if path := check(shelf.here, spec, format):
            return format, path
    raise UnknownModel(
        "The model is not in the cache directory that depthmap writes to, where its compiled file belongs",
        spec.name,
        f"Run 'depthmap models download --model {spec.name}' first.",
    )


def _sha256(shelf: Shelf, spec: ModelSpec, format: str) -> str:
    record = shelf.store.record(spec.slug, format)
    return record.digest.sha256 if record else ""


def _publish(shelf: Shelf, spec: ModelSpec, weights: Path, properties: dict[str, str]) -> Path:
    store = shelf.store
    content = artefact(spec.network, weights, properties)
    with store.staging(spec.slug, ARTEFACT) as staged:
        with writing(staged):
            staged.write_bytes(content)
        store.add(store.known(spec.slug) or Manifest(spec), spec.slug, ARTEFACT, staged)
    return store.path(spec.slug, ARTEFACT)


def artefact(network: str, weights: Path, properties: dict[str, str]) -> bytes:
    """Return the artefact of a network that is bound to a file of weights; see `engines.artefact.bind`."""
    return bind(network, formats.scan(weights), expected_shapes(network), properties)


def compare(network: str, path: Path, weights: Path, engines: Sequence[Engine]) -> dict[str, float]:
    """Return the error of each engine against torch, relative to the largest value; see `TOLERANCE`.

    An engine that has a shorter type is compared in that too, as "ENGINE TYPE"; that error may be any. One that fails
    or is not exact is left out, which is logged.

    Raises
    ------
    EngineUnavailable
        When none is left.
    """
    picture = _picture()
    reference = _by_torch(network, weights, picture)
    errors: dict[str, float] = {}
    failures = []
    for engine in engines:
        try:
            errors |= _errors(engine, path, picture, reference)
        except EngineUnavailable as error:
            failures.append(error)
    if failures and not errors:
        raise failures[0]
    for failure in failures:
        log.warning("%s", failure)
    return errors


def _errors(engine: Engine, path: Path, picture: Float32, reference: Float32) -> dict[str, float]:
    remedy = f"Use --engine torch, or another version of {engine.name}."
    try:
        outputs = [engine.open(path, many=many)(picture) for many in (False, True)]
        errors = {engine.name: max(_error(output, reference) for output in outputs)}
        if engine.half:
            half = engine.open(path, half=True)(picture)
            errors[f"{engine.name} {engine.half}"] = _error(half, reference)
    except Exception as error:  # engines have no common error
        raise EngineUnavailable(f"{engine.name} cannot run the model: {error}", path, remedy) from error
    if not (worst := errors[engine.name]) <= TOLERANCE:
        what = (
            f"{engine.name} differs from torch by {worst:.1e} of the largest value, more than {TOLERANCE:.0e}"
        )
        raise EngineUnavailable(what, path, remedy)
    return errors


def _picture() -> Float32:
    """Return a normalised picture (1, 3, h, w): a slope, stripes of many widths, noise."""
    import numpy as np

    rows, columns = np.mgrid[0 : _SIZE[0], 0 : _SIZE[1]] / _SIZE[1]
    stripes = np.stack([np.sin(40 * rows * columns + phase) for phase in range(3)])
    noise = np.random.default_rng(0).normal(0, 0.2, stripes.shape)
    picture: Float32 = (2 * rows - 1 + 0.7 * stripes + noise)[None].astype(np.float32)
    return picture


def _by_torch(network: str, weights: Path, picture: Float32) -> Float32:
    import torch

    from .. import networks

    module = networks.build(network)
    networks.fill_in_float32(module, formats.load(weights))
    with torch.inference_mode():
        output: Float32 = module(torch.from_numpy(picture)).numpy()
    return output


def _error(output: Float32, reference: Float32) -> float:
    import numpy as np

    return float(np.abs(output - reference).max() / np.abs(reference).max())
