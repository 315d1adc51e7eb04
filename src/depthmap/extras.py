"""Packages that not everyone needs: they come with an extra, and are imported when something needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import MissingExtra


def extra(module: str, name: str, what: str) -> Any:
    """Import a module that an extra of depthmap installs.

    Parameters
    ----------
    module : str
        What to import.
    name : str
        The extra.
    what : str
        What needs it, as the beginning of a sentence: "EXR files".

    Raises
    ------
    MissingExtra
        When it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{what} need the package {module}, which cannot be imported",
            error.name or module,
            f"Run: pip install 'depthmap[{name}]'",
        ) from error
