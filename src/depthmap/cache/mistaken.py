"""What somebody may have named in place of a checkpoint, and what he can do instead."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from ..errors import DepthmapError, UnrecognisedFile, UsageError
from ..formats.opening import open_regular
from ..signatures import ARCHIVE, CHECKPOINT, HDF5, HEAD, PDF, PICKLE, PICTURE, VIDEO, kind_of
from .adopt import hub_directory, hugging_face_directory

_KNOWN = "Name a .pt, .ckpt, .h5 or .safetensors checkpoint."
_PREDICT = "Run 'depthmap predict {path}' for its depth. "
_REMEDIES = {
    PICTURE: _PREDICT + _KNOWN,
    VIDEO: "To estimate depth, use 'depthmap predict'. " + _KNOWN,
    PDF: "To estimate depth, use 'depthmap predict'. " + _KNOWN,
    ARCHIVE: "Unpack it, and import the checkpoint inside.",
    PICKLE: "Save the network's state dict: torch.save(model.state_dict(), 'model.pt').",
    "a web page": "The link led to a page about the file: download the file itself.",
    "a Git LFS pointer": "It only names the file: run 'git lfs pull' where it was cloned.",
}
_LOOKED_AT = 1000
"""Files of a directory that are looked at."""
_NAMED = 3


def require_checkpoint(path: Path) -> None:
    """Refuse what by its first bytes is something else; what it is not known to be, its reader decides.

    Raises
    ------
    UsageError
        When it is not there, or a directory.
    UnrecognisedFile
        When it is a picture, a web page, and so on.
    """
    if path.is_dir():
        raise _directory(path)
    if not path.is_file():
        raise UsageError("There is no such file", path, _KNOWN)
    with open_regular(path) as file:
        head = file.read(HEAD)
    kind = kind_of(head)
    if not head:
        raise UnrecognisedFile("The file is empty", path, "Copy it again from its source.")
    # Some zip archives are checkpoints in spite of their beginning: whoever reads them says.
    if kind and kind not in (CHECKPOINT, HDF5) and not head.startswith(b"PK\x03\x04"):
        raise UnrecognisedFile(
            f"This is {kind}, not a checkpoint", path, _REMEDIES.get(kind, _KNOWN).format(path=path)
        )


def _directory(path: Path) -> DepthmapError:
    for tool, variable, place in (
        ("Hugging Face's tools", "HF_HUB_CACHE", hugging_face_directory()),
        ("torch.hub", "TORCH_HOME", hub_directory()),
    ):
        if _is_of(path, place):
            remedy = (
                f"Run 'depthmap models adopt' to reuse the models in it ({variable} tells it where to look)."
            )
            return UsageError(f"This is a directory of {tool}", path, remedy)
    found = _checkpoints_in(path)
    remedy = f"Name a file in it: {', '.join(map(str, found))}." if found else _KNOWN
    return UsageError("This is a directory", path, remedy)


def _is_of(path: Path, place: Path) -> bool:
    """Tell whether a directory is, holds, or is in the place where a tool keeps its files; or looks like that."""
    real, kept = Path(os.path.realpath(path)), Path(os.path.realpath(place))
    if real == kept or kept in real.parents or real == kept.parent:
        return True
    if place.name == "checkpoints":
        return real.parts[-2:] == ("hub", "checkpoints") or (
            real.name == "hub" and (real / "checkpoints").is_dir()
        )
    return any(part.startswith("models--") for part in real.parts) or any(real.glob("models--*/snapshots"))


def _checkpoints_in(path: Path) -> list[Path]:
    """Return the latest few files in a directory, or below it, that look like checkpoints."""
    files = (Path(folder, name) for folder, _, names in os.walk(path) for name in sorted(names))
    found = [file for file in islice(files, _LOOKED_AT) if _looks_like_one(file)]
    return sorted(found, key=lambda file: -file.stat().st_mtime)[:_NAMED]


def _looks_like_one(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return kind_of(file.read(HEAD)) in (CHECKPOINT, HDF5)
    except (OSError, UnrecognisedFile):
        return False
