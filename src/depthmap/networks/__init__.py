"""The networks: torch only, in the papers' terms, with the published checkpoints' tensor names.

A network is built without memory on the meta device (:func:`build`) and takes the tensors of a checkpoint as
they are, mapped or not (:func:`fill`). What the checkpoints hold is data, in `checkpoints`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from ..checkpoints import (
    difference_of_kinds,
    difference_of_shapes,
    expected_shapes,
    misfit,
    recognise,
    unused,
)
from ..errors import UsageError
from . import depth_anything, depth_anything_3, depth_pro, dpt, midas, midas31, moge

__all__ = [
    "NETWORKS",
    "all_of",
    "build",
    "expected_shapes",
    "fill",
    "fill_in_float32",
    "in_place_of",
    "recognise",
    "slots",
    "unused",
    "unused_prefixes",
]

Variant = (
    dpt.DptVariant
    | midas.MidasVariant
    | midas31.SquareVariant
    | depth_anything.DepthAnythingVariant
    | depth_anything_3.DepthAnything3Variant
    | moge.MogeVariant
    | depth_pro.DepthProVariant
)
_VARIANTS: dict[str, Variant] = {
    **dpt.VARIANTS,
    **midas.VARIANTS,
    **midas31.VARIANTS,
    **depth_anything.VARIANTS,
    **depth_anything_3.VARIANTS,
    **moge.VARIANTS,
    **depth_pro.VARIANTS,
}
NETWORKS: tuple[str, ...] = tuple(_VARIANTS)
"""The names that :func:`build` knows."""


def build(network: str) -> nn.Module:
    """Build a network on the meta device, in evaluation mode: no memory, no random numbers.

    Parameters
    ----------
    network : str
        One of :data:`NETWORKS`.

    Returns
    -------
    nn.Module
        Maps normalised RGB (N, 3, H, W), float32, H and W multiples of `families.Family.multiple`,
        to what `families.Family.outputs` says: one map (N, H, W), float32, or a tuple of tensors.
        Until :func:`fill` it has names and shapes only.

    Raises
    ------
    UsageError
        When there is no such network.
    """
    variant = _variant(network)
    module = variant.build()
    module.__dict__["unused"] = variant.unused  # what `fill` passes over
    for part in module.modules():
        part.__dict__["training"] = (
            False  # what `eval` does, without torch's look at each attribute that is set
        )
    return module


def fill(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Make the tensors of ``state`` the parameters of ``module``: nothing is copied, nothing cast.

    Tensors that published files of the network hold but inference never reads are passed over, where it is one of
    `build`.

    Raises
    ------
    UnrecognisedFile
        Naming tensors that are missing, unexpected, of another shape, or of another kind of number.
    """
    places = slots(module)
    unused: tuple[str, ...] = module.__dict__.get("unused", ())
    read = {name: tensor for name, tensor in state.items() if not name.startswith(unused)}
    if not _fit(places, read):
        own = module.state_dict()
        raise misfit(difference_of_shapes(_shapes(own), _shapes(read)) or _other_kinds(own, read))
    for name, (table, key) in places.items():
        table[key] = in_place_of(table[key], read[name])


def fill_in_float32(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give a network its tensors, as `fill` does, in float32: what is stored in another precision is copied."""
    fill(module, {name: t.float() if t.is_floating_point() else t for name, t in state.items()})


def all_of(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return what a network gave as a tuple; most give one map and no tuple."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


Table = dict[str, Tensor | None]


def slots(module: nn.Module) -> dict[str, tuple[Table, str]]:
    """Return by its name in the state dict where each tensor is kept.

    torch's ``load_state_dict`` does the same as `fill` in six times as long.
    """
    return {
        f"{prefix}.{key}" if prefix else key: (table, key)
        for prefix, part in module.named_modules()
        for table in (cast(Table, part._parameters), part._buffers)
        for key, tensor in table.items()
        if tensor is not None
    }


def _fit(places: Mapping[str, tuple[Table, str]], found: Mapping[str, Tensor]) -> bool:
    """Tell whether the names are the same, and each tensor is of the shape and kind of number of the one there."""
    return places.keys() == found.keys() and all(
        _alike(table[key], found[name]) for name, (table, key) in places.items()
    )


def _alike(own: Tensor | None, other: Tensor) -> bool:
    return (
        own is not None and own.shape == other.shape and own.is_floating_point() == other.is_floating_point()
    )


def in_place_of(own: Tensor | None, tensor: Tensor) -> Tensor:
    """Return ``tensor`` as what ``own`` is: a parameter, or a plain tensor."""
    # `isinstance` of a Parameter runs Python code of torch, 300 times.
    return nn.Parameter(tensor, own.requires_grad) if type(own) is nn.Parameter else tensor


def unused_prefixes(network: str) -> tuple[str, ...]:
    """Return how the tensors begin that published checkpoints of ``network`` hold and inference never reads."""
    return _variant(network).unused


def _variant(network: str) -> Variant:
    try:
        return _VARIANTS[network]
    except KeyError:
        raise UsageError(
            "There is no such network", network, f"Known networks: {', '.join(NETWORKS)}."
        ) from None


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _other_kinds(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """Describe which tensors are integers and should not be, or the reverse; empty when there are none."""
    return difference_of_kinds(
        [name for name, t in expected.items() if t.is_floating_point() != found[name].is_floating_point()]
    )
