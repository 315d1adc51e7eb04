"""Making a model ready for the engines that need no torch: its artefact, beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import formats
from ..catalog import ModelSpec
from ..checkpoints import expected_shapes, require_fit
from ..engines import INSTALL, installed
from ..engines.artefact import bind, properties_of, weights_id
from ..engines.parity import compare, properties, reference
from ..errors import EngineUnavailable, UnknownModel
from ..store import Manifest
from ..store.commit import writing
from ..store.names import ARTEFACT, TENSOR_FORMATS
from .check import check
from .shelf import Shelf

if TYPE_CHECKING:
    from ..formats import Layout


def compile_model(shelf: Shelf, spec: ModelSpec) -> dict[str, Any]:
    """Make the artefact of a cached model, and compare every installed engine with the reference on it.

    It is bound to the first whole file of weights of the directory that is written, and lies beside it. Before it is
    compared it says of no engine that it may be used; so whenever the process is killed, no load takes it.

    Returns model, path, weights (the format), reference (an engine), errors {engine: relative error}.

    Raises
    ------
    UnknownModel
        When the model is not cached where the artefact would have to be.
    EngineUnavailable
        When none is installed, or none gives what the reference gives; nothing is left then.
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
        _publish(shelf, spec, weights, bound | properties(errors))
    said = {"model": spec.name, "path": str(path), "weights": format}
    return said | {"reference": reference(), "errors": errors}


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


def _publish(shelf: Shelf, spec: ModelSpec, weights: Path, said: dict[str, str]) -> Path:
    store = shelf.store
    content = artefact(spec.network, formats.scan(weights), said)
    with store.staging(spec.slug, ARTEFACT) as staged:
        with writing(staged):
            staged.write_bytes(content)
        store.add(store.known(spec.slug) or Manifest(spec), spec.slug, ARTEFACT, staged)
    return store.path(spec.slug, ARTEFACT)


def artefact(network: str, layout: Layout, said: Mapping[str, str] | None = None) -> bytes:
    """Return the artefact of a network that is bound to a file of weights; see `engines.artefact.bind`.

    Raises
    ------
    UnrecognisedFile
        When the tensors do not fit the network, and as ``bind`` does.
    """
    require_fit(network, layout.dtypes_and_shapes)
    return bind(network, layout, expected_shapes(network), said or {})
