"""What each network's checkpoint holds, as data, and whose tensors a file has. Needs neither torch nor NumPy.

A file of `layout_of` has the tensors that a network reads, in the checkpoint's order, and how those begin that
published files hold beside them. ``python -m tools.names`` makes it from the network itself. Networks that have
the same tensors share one; no file of weights says which of them it is for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar

from ..errors import UnrecognisedFile, UsageError
from ..families import MIDAS31

FOLDER = Path(__file__).parent
_SHARED = {
    f"depth_anything_{version}_{size}": f"depth_anything_{size}"
    for version in ("v2", "v2_indoor", "v2_outdoor", "v1")
    for size in ("small", "base", "large")
} | {"da3_mono_large": "da3_large", "da3_metric_large": "da3_large"}
NETWORKS = (
    *("dpt_large", "dpt_hybrid", "midas_v21", "midas_small", "depthmap_tiny"),
    *MIDAS31,
    *_SHARED,
    *("da3_small", "da3_base"),
    *("moge2_small_normal", "moge2_base_normal", "moge2_large_normal", "moge2_large"),
    "depth_pro",
)
"""The networks whose tensors are known."""
Shape = tuple[int, ...]
_REMEDY = "Check that the file is the checkpoint of this model, complete and not converted."


class Expected(NamedTuple):
    """What a network reads: dtype and shape of each tensor by name; names that begin as in ``unused`` it never does."""

    tensors: Mapping[str, tuple[str, Shape]]
    shapes: Mapping[str, Shape]
    unused: tuple[str, ...]


@cache
def expected(network: str) -> Expected:
    """Return what ``network`` reads.

    Raises
    ------
    UsageError
        When there is no such network.
    """
    if network not in NETWORKS:
        raise UsageError("There is no such network", network, f"Known networks: {', '.join(NETWORKS)}.")
    content = json.loads((FOLDER / f"{layout_of(network)}.json").read_text(encoding="utf-8"))
    tensors = {name: (dtype, tuple(shape)) for name, (dtype, *shape) in content["tensors"].items()}
    shapes = {name: shape for name, (_, shape) in tensors.items()}
    return Expected(MappingProxyType(tensors), MappingProxyType(shapes), tuple(content["unused"]))


def layout_of(network: str) -> str:
    """Return the name of the list of tensors of ``network``: its own, or one that it shares."""
    return _SHARED.get(network, network)


@cache
def alike(network: str) -> tuple[str, ...]:
    """Return the networks that have the same tensors as ``network``, itself among them."""
    return tuple(other for other in NETWORKS if layout_of(other) == layout_of(network))


@cache
def distinct() -> tuple[str, ...]:
    """Return one network for each list of tensors."""
    return tuple({layout_of(network): network for network in reversed(NETWORKS)}.values())[::-1]


def dumps(tensors: Mapping[str, tuple[str, Shape]], unused: Iterable[str]) -> str:
    """Return the text of a network's file, a line per tensor; `expected` reads it."""
    lines = [f"{json.dumps(name)}: {json.dumps([dtype, *shape])}" for name, (dtype, shape) in tensors.items()]
    return f'{{"unused": {json.dumps(list(unused))}, "tensors": {{\n' + ",\n".join(lines) + "\n}}\n"


def expected_shapes(network: str) -> Mapping[str, Shape]:
    """Return the shape of every tensor that ``network`` reads, by name, in the checkpoint's order."""
    return expected(network).shapes


def unused(name: str, network: str) -> bool:
    """Tell whether the tensor ``name`` of a checkpoint of ``network`` is never read at inference."""
    return name.startswith(expected(network).unused)


class _Typed(Protocol):
    @property
    def dtype(self) -> str: ...


Typed = TypeVar("Typed", bound=_Typed)


def without_indices(tensors: Mapping[str, Typed], network: str) -> dict[str, Typed]:
    """Return the tensors but for the integers that ``network`` never reads.

    They are places in a table, which follow from the size of the picture; of BEiT at 512 they are 200 MB.
    """
    return {n: t for n, t in tensors.items() if is_float(t.dtype) or not unused(n, network)}


def recognise(shapes: Mapping[str, Shape]) -> str:
    """Tell which network has these tensors, the first of those that are `alike`.

    Tensors that it never reads may be there or not.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        The tensors of a checkpoint by name.

    Returns
    -------
    str
        One of :data:`NETWORKS`.

    Raises
    ------
    UnrecognisedFile
        Saying what was found, and how it differs from the nearest network.
    """
    found = {name: tuple(shape) for name, shape in shapes.items()}
    agreement = {network: _agreement(network, found) for network in distinct()}
    nearest = max(agreement, key=lambda network: agreement[network])
    used = {name: shape for name, shape in found.items() if not unused(name, nearest)}
    difference = difference_of_shapes(expected_shapes(nearest), used)
    if not difference:
        return nearest
    what = f"The {len(found)} tensors found fit no network that depthmap knows ({_some(found) or 'nothing'})"
    wanted = f"; the nearest, {nearest}, has {len(expected_shapes(nearest))}: {difference}"
    raise UnrecognisedFile(
        what + (wanted if agreement[nearest] else ""),
        remedy="Give a checkpoint of a network that depthmap knows: 'depthmap models list --all' shows them.",
    )


def require_fit(network: str, tensors: Mapping[str, tuple[str, Shape]]) -> None:
    """Refuse what `networks.fill` would refuse.

    Parameters
    ----------
    network : str
        One of :data:`NETWORKS`.
    tensors : mapping of str to (str, tuple of int)
        Dtype, by torch's name, and shape of each tensor. Those that the network never reads are passed over.

    Raises
    ------
    UnrecognisedFile
        Naming tensors that are missing, unexpected, of another shape, or of another kind of number.
    """
    own = expected(network)
    read = {name: tensor for name, tensor in tensors.items() if not name.startswith(own.unused)}
    difference = difference_of_shapes(
        own.shapes, {name: shape for name, (_, shape) in read.items()}
    ) or difference_of_kinds(
        [name for name, (dtype, _) in own.tensors.items() if is_float(dtype) != is_float(read[name][0])]
    )
    if difference:
        raise misfit(difference)


def misfit(difference: str) -> UnrecognisedFile:
    """Return the error that says how tensors differ from those of a network."""
    return UnrecognisedFile(f"The tensors do not fit the network: {difference}", remedy=_REMEDY)


def is_float(dtype: str) -> bool:
    """Tell whether a dtype, by torch's name, is one of real numbers in floating point."""
    return dtype.startswith(("float", "bfloat"))


def difference_of_kinds(names: list[str]) -> str:
    """Describe which tensors are integers and should not be, or the reverse; empty when there are none."""
    return f"{len(names)} of another kind of number ({_some(names)})" if names else ""


def difference_of_shapes(expected: Mapping[str, Shape], found: Mapping[str, Shape]) -> str:
    """Describe how ``found`` differs from ``expected``; empty when it does not."""
    reshaped = [
        f"{name} is {found[name]}, not {shape}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    kinds = {
        "missing": [name for name in expected if name not in found],
        "unexpected": [name for name in found if name not in expected],
        "of another shape": reshaped,
    }
    return "; ".join(f"{len(names)} {kind} ({_some(names)})" for kind, names in kinds.items() if names)


def _agreement(network: str, found: Mapping[str, Shape]) -> float:
    """Return the share of the tensors of ``network`` that ``found`` holds, name and shape."""
    own = expected_shapes(network)
    return sum(found.get(name) == shape for name, shape in own.items()) / len(own)


def _some(names: Iterable[str], limit: int = 3) -> str:
    """Name the first few."""
    names = list(names)
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")
