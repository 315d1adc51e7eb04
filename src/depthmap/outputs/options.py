"""How outputs look: what a person may choose besides which outputs to write."""

from __future__ import annotations

from typing import NamedTuple

from ..colours import DEFAULT_MAP
from ..ranges import EYES, RATIO


class Options(NamedTuple):
    """Choices for the outputs that have them; each output takes those that concern it.

    Attributes
    ----------
    colours : str
        A name of `depthmap.colours.COLOUR_MAPS`.
    ratio : float
        How many times as far as the nearest the farthest point is taken to be, in 3D, where no metres are known.
    eyes : float
        How far the nearest is shifted against the farthest between the views of two eyes, in percent of the width.
    limits : tuple of float, optional
        The inverse depths, low and high, that ``png16`` and pictures in colours span. By default those of each map, so
        the same depth may look otherwise in the next picture.
    """

    colours: str = DEFAULT_MAP
    ratio: float = RATIO
    eyes: float = EYES
    limits: tuple[float, float] | None = None
