"""What every output is: a name, an ending, and a way to encode a depth map."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from ..errors import UsageError
from ..extras import Extra
from .options import Options
from .publishing import Target, publish

if TYPE_CHECKING:  # NumPy is loaded when something is written: commands list the outputs without it
    from ..depth import Depth


class Output(ABC):
    """One way to write a depth map.

    A new one is a subclass in a module of its own and a line in the table of this package.
    """

    name: ClassVar[str]
    """What users call it."""
    suffix: ClassVar[str]
    """What is appended to a picture's stem to name the file."""
    media_type: ClassVar[str]
    """What HTTP calls the format."""
    about: ClassVar[str]
    """One line for listings."""
    needs_picture: ClassVar[bool] = False
    needs: ClassVar[Extra | None] = None
    """A package besides those that come with depthmap."""
    has_sidecar: ClassVar[bool] = False
    """The format has no place for `Depth.facts`: they go to a .json file beside it."""

    def write(self, target: Target, depth: Depth, options: Options | None = None) -> None:
        """Write a depth map to a path or a binary stream, whole or not at all.

        Parameters
        ----------
        target
            The file's path, whose directory exists, or a stream that is open for writing bytes.
        depth
            NaN and infinite values are kept by the float formats; in pictures NaN is the farthest, and infinite
            values are the ends of the range.
        options
            How it is to look.

        Raises
        ------
        UsageError
            When the output needs the picture and the depth has none, or an option is out of range.
        ExportError, InsufficientDiskSpace
            When the target cannot be written.
        MissingExtra
            When the output needs a package that is not installed.
        """
        if self.needs_picture and depth.pixels is None:
            raise UsageError(
                f"The output {self.name!r} needs the picture", remedy="Give it: depth.with_picture(...)."
            )
        encode = partial(self.encode, depth=depth, options=options or Options())
        sidecar = sidecar_of(target) if self.has_sidecar else None
        if sidecar is None:
            publish(target, encode)
            return
        with contextlib.suppress(OSError):  # killed in between, no file lies beside the facts of another
            sidecar.unlink()
        publish(target, encode)
        publish(sidecar, lambda stream: _write_json(stream, depth))

    @abstractmethod
    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write a depth map to a binary stream, which may be unable to seek."""


def sidecar_of(target: Target) -> Path | None:
    """Return where the facts of a file lie that has no place for them; None beside a stream or a device."""
    if not isinstance(target, (str, PathLike)):
        return None
    path = Path(target)
    with contextlib.suppress(OSError):  # the file itself will not be written either, and `publish` says why
        if path.exists() and not path.is_file():
            return None
    return path.with_name(path.name + ".json")


def _write_json(stream: IO[bytes], depth: Depth) -> None:
    stream.write(json.dumps(depth.facts(), indent=2).encode() + b"\n")
