"""A checkpoint as somebody publishes it, and the network's own tensors in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import formats
from ..checkpoints import huggingface, layout_of, places, require_fit, without_indices
from ..checkpoints.places import Place
from ..errors import UnrecognisedFile
from ..formats import Layout
from ..formats.tensors import TensorInfo

if TYPE_CHECKING:
    from ..formats.arrays import Array


class Checkpoint(NamedTuple):
    """A network's own tensors out of a file, and what the file calls them and holds beside them."""

    format: str
    layout: Layout
    tensors: Mapping[str, Array]
    network: str
    prefix: str
    left_out: tuple[str, ...] = ()
    renamed: bool = False
    """The file has transformers' names, and queries, keys and values apart."""

    @property
    def is_plain(self) -> bool:
        """Tell whether the file holds the tensors under their names, and nothing else."""
        return not (self.layout.wrapped or self.prefix or self.left_out or self.renamed)

    @property
    def is_mapped(self) -> bool:
        """Tell whether besides they lie in it as they are in memory."""
        return self.is_plain and self.layout.mapped

    @property
    def origin(self) -> dict[str, str]:
        """What the provenance says of it."""
        said = {
            "prefix": self.prefix,
            "left out": places.some(self.left_out) if self.left_out else "",
            "names": "transformers'" if self.renamed else "",
        }
        return {name: text for name, text in said.items() if text}

    def save(self, format: str, path: Path, metadata: Mapping[str, Any]) -> None:
        """Write the network's tensors alone, without indices that it never reads, in a format of the cache."""
        formats.get(format).save(without_indices(self.tensors, self.network), path, metadata)


def read(source: Path, network: str = "") -> Checkpoint:
    """Return the tensors of the network in a file: of that ``network`` where it is named.

    Raises
    ------
    UnrecognisedFile
        When it is no checkpoint, or its tensors fit no network, or not that one, or several.
    UnsafeFile, ModelFileCorrupted
        When it is hostile or damaged.
    """
    from ..formats.arrays import map_arrays

    layout, tensors = formats.scan(source), map_arrays(source)
    if theirs := huggingface.network_of(layout.shapes):
        return _renamed(layout, tensors, theirs, network)
    found = places.find(layout.shapes)
    fitting = [place for place in found if not network or layout_of(place.network) == layout_of(network)]
    if not fitting:
        raise _other(source, found[0].network, network)
    place, *others = fitting
    _require_same(tensors, place, others, source)
    own = {name: tensors[there] for name, there in place.tensors.items()}
    inner = replace(layout, tensors={n: layout.tensors[there] for n, there in place.tensors.items()})
    require_fit(place.network, inner.dtypes_and_shapes)  # which looks at the kinds of numbers too
    return Checkpoint(formats.format_of(source), inner, own, place.network, place.prefix, place.left_out)


def _renamed(layout: Layout, tensors: Mapping[str, Array], theirs: str, network: str) -> Checkpoint:
    """Return the tensors of a file that has transformers' names under the published ones."""
    if network and layout_of(network) != layout_of(theirs):
        raise _other(layout.path, theirs, network)
    own = out_of_transformers(tensors, theirs)
    described = {name: TensorInfo(array.dtype, array.shape, 0) for name, array in own.items()}
    inner = replace(layout, tensors=described, mapped=False)  # they lie in no file yet
    return Checkpoint(formats.format_of(layout.path), inner, own, theirs, "", renamed=True)


def out_of_transformers(tensors: Mapping[str, Array], network: str) -> dict[str, Array]:
    """Return tensors that have transformers' names under the published ones; see `huggingface.convert`.

    Raises
    ------
    UnrecognisedFile
        When they do not make the network.
    """
    from ..formats.arrays import joined

    own = huggingface.convert(tensors, network, joined)
    require_fit(network, {name: (array.dtype, array.shape) for name, array in own.items()})
    return own


def _other(source: Path, found: str, wanted: str) -> UnrecognisedFile:
    return UnrecognisedFile(
        f"The file holds the network {found}, not {wanted}",
        source,
        "Get the checkpoint of this model, or correct the catalogue.",
    )


def _require_same(tensors: Mapping[str, Array], place: Place, others: list[Place], source: Path) -> None:
    """Refuse a file that holds several networks, or one with different numbers: nothing says which is meant."""
    for other in others:
        same = other.network == place.network and all(
            _are_equal(tensors[there], tensors[other.tensors[name]])
            for name, there in place.tensors.items()
            if name in other.tensors
        )
        if not same:
            prefixes = " and ".join(repr(one.prefix) for one in (place, *others)[:4])
            raise UnrecognisedFile(
                f"The file holds {len(others) + 1} networks, with tensor names that begin with {prefixes}",
                source,
                "Save the state dict of the one you mean in a file of its own.",
            )


def _are_equal(one: Array, other: Array) -> bool:
    import numpy as np

    return one.dtype == other.dtype and np.array_equal(one.values, other.values)
