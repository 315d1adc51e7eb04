"""Where in a checkpoint a network lies: wrappers and trainers put words of their own before the names of its tensors.

``module.`` is of DataParallel, ``_orig_mod.`` of torch.compile, ``model.`` of whoever calls the network so in a module
of his own. None is known here: what stands before all names of a whole network is its prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, NoReturn

from . import distinct, expected_shapes, recognise, unused

Shapes = Mapping[str, tuple[int, ...]]
_MOST = 8
"""Places that are looked for; more than one are told from each other by nobody."""


class Place(NamedTuple):
    """A network within a checkpoint: ``tensors`` gives by the network's name of a tensor the checkpoint's.

    ``network`` is the first of those that are `checkpoints.alike`.
    ``left_out`` are the checkpoint's other tensors.
    """

    network: str
    prefix: str
    tensors: dict[str, str]
    left_out: tuple[str, ...]


def find(shapes: Shapes) -> list[Place]:
    """Return the places at which all the tensors of a network are, in the checkpoint's order; eight at most.

    What else there is may be part of a loss, or another network. A network that is part of a larger one is passed over:
    some have one head more than others. But a tensor that the network has not, in a part that
    it has, shows that the checkpoint is of another network which resembles it; there is no place then.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        The tensors of a checkpoint by name.

    Raises
    ------
    UnrecognisedFile
        When there is no place; see `recognise`.
    """
    found = list(islice((place for network in distinct() for place in _places(network, shapes)), _MOST))
    taken = [frozenset(place.tensors.values()) for place in found]
    whole = [p for p, own in zip(found, taken, strict=True) if not any(own < others for others in taken)]
    return whole or _refuse(shapes)


def _places(network: str, shapes: Shapes) -> Iterator[Place]:
    expected = expected_shapes(network)
    longest = max(expected, key=len)
    parts = {name.partition(".")[0] for name in expected}
    for prefix in [name[: -len(longest)] for name in shapes if name.endswith(longest)]:
        if any(shapes.get(prefix + name) != shape for name, shape in expected.items()):
            continue
        names = {name[len(prefix) :]: name for name in shapes if name.startswith(prefix)}
        own = {name: there for name, there in names.items() if name in expected or unused(name, network)}
        if not any(name.partition(".")[0] in parts for name in names.keys() - own.keys()):
            taken = set(own.values())
            yield Place(network, prefix, own, tuple(name for name in shapes if name not in taken))


def _refuse(shapes: Shapes) -> NoReturn:
    """Say how the tensors differ from the nearest network, without what all names have in common."""
    first, last = min(shapes), max(shapes)
    common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    length = first.rfind(".", 0, common) + 1
    recognise({name[length:]: shape for name, shape in shapes.items()})
    raise AssertionError("what is recognised has a place")


def some(names: Iterable[str], limit: int = 3) -> str:
    """Name the first few, and say how many there are."""
    listed = list(names)
    return f"{len(listed)} ({', '.join(listed[:limit])}{', …' if len(listed) > limit else ''})"
