"""How models are named on disk: ``midas_dpt_large.pt``."""

from __future__ import annotations

import re

from ..errors import UsageError

PREFIX = "midas_"
TENSOR_FORMATS = ("pt", "h5")
"""Formats that hold tensors, in the order in which a load tries them."""
ARTEFACT = "engine.onnx"
"""What engines open: it refers to the tensors and holds none. A bare ``.onnx`` would be what other tools export."""
FORMATS = (*TENSOR_FORMATS, ARTEFACT, "pkl")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9_-])?")
_FILE = re.compile(rf"{PREFIX}({_SLUG.pattern})\.({'|'.join(map(re.escape, FORMATS))})")
_LEFTOVER = re.compile(rf"({_FILE.pattern})\.(?:part(?:\.journal)?|\d+(?:-[0-9a-f]+)?)")
# Device names that Windows keeps for itself, whatever follows their first dot.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def slug_of(name: str) -> str:
    """Return ``name`` as it stands in file names: lower case, so that no two differ by case alone.

    Raises
    ------
    UsageError
        For a name that is not 1 to 64 ASCII letters, digits, ``_``, ``-`` and inner dots.
    """
    slug = name.lower()
    if not name.isascii() or not _is_slug(slug):
        raise UsageError(
            f"{name!r} is not a valid model name",
            "",
            "Use up to 64 letters, digits, '_' and '-', and begin with a letter or digit.",
        )
    return slug


def _is_slug(text: str) -> bool:
    return bool(_SLUG.fullmatch(text)) and _is_portable(text)


def _is_portable(slug: str) -> bool:
    """Tell whether every system can have a file of this name."""
    return not _RESERVED.fullmatch(slug) and ".." not in slug


def file_name(slug: str, format: str) -> str:
    """Return the file name of a model in one format."""
    return f"{PREFIX}{slug}.{format}"


def parse(name: str) -> tuple[str, str] | None:
    """Return (slug, format) of a file name, or None if it is none of ours."""
    match = _FILE.fullmatch(name)
    return (match[1], match[2]) if match and _is_portable(match[1]) else None


def origin(name: str) -> tuple[str, str] | None:
    """Return (slug, format) of a partial, staged or damaged file by its name, or None if it is none of ours."""
    match = _LEFTOVER.fullmatch(name)
    return parse(match[1]) if match else None
