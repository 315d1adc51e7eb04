"""Files ⇄ named tensors and metadata: one module per format, all with ``scan``, ``load`` and ``save``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..errors import UnrecognisedFile
from .opening import open_regular
from .tensors import Layout, TensorInfo

if TYPE_CHECKING:
    import torch

    from .arrays import Array

__all__ = ["FORMATS", "Format", "Layout", "TensorInfo", "convert", "format_of", "get", "load", "scan"]


class Format(Protocol):
    """The verbs of a format's module."""

    def scan(self, path: Path) -> Layout:
        """Return what the file holds, without reading its tensors."""

    def load(self, path: Path, *, read: bool = False) -> dict[str, torch.Tensor]:
        """Return the tensors, mapped where possible; with ``read`` the file is read into memory instead."""

    def save(
        self,
        tensors: Mapping[str, torch.Tensor | Array],
        path: Path,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a file; torch is needed for its own tensors alone."""


FORMATS = {"pt": "pt", "h5": "hdf5", "safetensors": "safetensors"}
"""Module by the format's name, imported when first used."""
_SUFFIXES = {
    ".pt": "pt", ".pth": "pt", ".ckpt": "pt", ".bin": "pt",
    ".h5": "h5", ".hdf5": "h5", ".safetensors": "safetensors",
}  # fmt: skip
_MAGIC = {b"PK\x03\x04": "pt", b"\x80\x02\x8a\n": "pt", b"\x89HDF\r\n\x1a\n": "h5"}


def get(name: str) -> Format:
    """Return the module of the format ``name``, a key of `FORMATS`."""
    return cast(Format, import_module(f".{FORMATS[name]}", __name__))


def format_of(path: Path) -> str:
    """Return the format of a file by what it begins with, else by its suffix.

    Raises
    ------
    UnrecognisedFile
        When neither says.
    """
    with open_regular(path) as file:
        head = file.read(9)
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head[8:9] == b"{":
        return "safetensors"
    if path.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[path.suffix.lower()]
    raise UnrecognisedFile(
        "This file has no format that depthmap knows", path, "Use a .pt, .h5 or .safetensors checkpoint."
    )


def scan(path: Path) -> Layout:
    """Return what a file of any format holds; see the format's own ``scan`` for what is raised."""
    return get(format_of(path)).scan(path)


def load(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file of any format; see the format's own ``load`` for what is raised."""
    return get(format_of(path)).load(path)


def convert(source: Path, name: str, target: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write the tensors of a file of any format to ``target`` in the format ``name``, without torch.

    See the formats' own ``scan`` and ``save`` for what is raised.
    """
    from .arrays import map_arrays

    get(name).save(map_arrays(source), target, metadata)
