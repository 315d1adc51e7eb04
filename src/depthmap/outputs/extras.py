"""What outputs need beyond the packages that come with depthmap."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import MissingExtra


def extra(module: str, name: str, output: str) -> Any:
    """Return a module that an output needs; it is loaded now.

    Parameters
    ----------
    module : str
        What to import.
    name : str
        The extra of depthmap that brings it.
    output : str
        What needs it.

    Raises
    ------
    MissingExtra
        When it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtra(
            f"The output {output!r} needs {package}: {error}", remedy=f"Run: pip install 'depthmap[{name}]'"
        ) from error
