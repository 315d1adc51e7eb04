"""Packages that not everyone needs: they come with an extra, and are imported when something needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from .errors import MissingExtra


class Extra(NamedTuple):
    """A package that an extra of depthmap installs.

    ``module`` is what is imported, ``name`` the extra, ``what`` what needs it, as the beginning of a sentence: "EXR
    files".
    """

    module: str
    name: str
    what: str

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install 'depthmap[{self.name}]'"

    def is_installed(self) -> bool:
        """Tell whether the package is installed; nothing is imported."""
        from importlib.util import find_spec  # not on the way of those who need no extra

        return find_spec(self.module) is not None

    def check(self, where: object = "") -> None:
        """Raise MissingExtra, which says ``where``, unless the package is installed; nothing is imported."""
        if not self.is_installed():
            raise self._missing(where)

    def load(self) -> Any:
        """Import the module.

        Raises
        ------
        MissingExtra
            When it cannot be imported.
        """
        try:
            return import_module(self.module)
        except ImportError as error:
            raise self._missing() from error

    def _missing(self, where: object = "") -> MissingExtra:
        return MissingExtra(
            f"{self.what} need the package {self.module}, which is not installed",
            where,
            remedy=f"Run: {self.install}",
        )
