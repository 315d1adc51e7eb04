"""What a file of depth is: what it says of itself, or which program it seems to be from."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import DepthmapError, FileError, UnrecognisedFile
from .content import HEAD, READERS, Content
from .strangers import Guess, guess

__all__ = ["Content", "Guess", "Inspection", "inspect"]


@dataclass(frozen=True)
class Inspection:
    """What is known of a file.

    ``content`` is what is in it; ``facts`` are those of `Depth.facts` that it carries, or None; ``seems`` says which
    program it seems to be from, for a file without facts, or is None.
    """

    path: Path
    content: Content
    facts: dict[str, Any] | None
    seems: Guess | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as builtins, for JSON."""
        return {
            "file": str(self.path),
            "format": self.content.format,
            "shape": list(self.content.shape),
            "minimum": self.content.low,
            "maximum": self.content.high,
            "facts": self.facts,
            "seems": self.seems and self.seems._asdict(),
        }


def inspect(path: str | PathLike[str]) -> Inspection:
    """Say what a file of depth is.

    Reads PNG, TIFF, OpenEXR, NPY, NPZ, PFM, GLB and PLY files, whoever wrote them.

    Raises
    ------
    UnrecognisedFile
        When it is of another format, or damaged.
    FileError
        When it cannot be read.
    MissingExtra
        When it is an OpenEXR file and OpenEXR is not installed.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise FileError(f"The file cannot be read: {error.strerror}", file, "Check the path.") from error
    for magic, reader in READERS:
        if head.startswith(magic):
            content = _read(reader, file)
            return Inspection(file, content, content.facts, None if content.facts else guess(file, content))
    raise UnrecognisedFile(
        "This is no file of depth that depthmap knows",
        file,
        "Known are PNG, TIFF, EXR, NPY, NPZ, PFM, GLB and PLY.",
    )


def _read(reader: Any, file: Path) -> Content:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of damage, and then raises
            content: Content = reader(file)
    except DepthmapError:
        raise
    except Exception as error:  # on damaged files decoders raise almost anything
        reason = str(error) or type(error).__name__
        raise UnrecognisedFile(f"The file is damaged: {reason}", file, "Make or copy it again.") from error
    return content
