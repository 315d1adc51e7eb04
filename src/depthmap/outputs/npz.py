"""NumPy archives: all of a `Depth` in one file, and back."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import FileError, UnrecognisedFile, UsageError
from .base import Output

if TYPE_CHECKING:
    from ..depth import Depth
    from .options import Options

ARRAYS = ("valid", "pixels", "model_normals")
"""The arrays besides ``values`` that a `Depth` may have."""


class Npz(Output):
    """All of a `Depth`: ``values``, and `ARRAYS` where it has them, and ``facts`` as JSON.

    ``numpy.load`` reads it, and ``depthmap.Depth.load`` gives the `Depth` back.
    """

    name = "npz"
    suffix = "_depth.npz"
    media_type = "application/x-npz"
    about = "NumPy archive of the values, the picture and what they mean"

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the file; unpacked, since float maps hardly shrink."""
        import numpy as np

        arrays: dict[str, Any] = {name: getattr(depth, name) for name in ARRAYS}
        facts = np.array(json.dumps(depth.facts()))
        present = {name: array for name, array in arrays.items() if array is not None}
        np.savez(stream, facts=facts, values=depth.values, **present)


def load(path: str | PathLike[str]) -> Depth:
    """Read what `Npz` wrote.

    Raises
    ------
    UnrecognisedFile
        When the file is no such archive, or is damaged.
    FileError
        When it cannot be read.
    """
    import zipfile

    import numpy as np

    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in ("facts", "values", *ARRAYS) if name in archive}
        return _depth(arrays)
    except FileNotFoundError as error:
        raise FileError("There is no such file", path, "Check the path.") from error
    except (PermissionError, IsADirectoryError) as error:
        raise FileError(f"The file cannot be read: {error.strerror}", path, "Check the path.") from error
    except (ValueError, KeyError, TypeError, OSError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise _not_ours(path, error) from error
    except UsageError as error:
        raise _not_ours(path, error) from error


def _not_ours(path: str | PathLike[str], error: Exception) -> UnrecognisedFile:
    what = f"This is not an NPZ file that depthmap wrote: {error}"
    return UnrecognisedFile(what, Path(path), "'depthmap inspect' says what it is.")


def _depth(arrays: dict[str, Any]) -> Depth:
    from ..calibration import Calibration
    from ..camera import Camera
    from ..depth import Depth

    facts = json.loads(str(arrays["facts"]))
    camera, calibration = facts["camera"], facts["calibration"]
    return Depth(
        arrays["values"],
        facts["kind"],
        camera=None if (seen := Camera.from_dict(camera)).is_assumed else seen,
        calibration=Calibration.from_dict(calibration) if calibration else None,
        model=facts["model"],
        sha256=facts["sha256"],
        engine=facts["engine"],
        source=facts["source"],
        name=facts["picture"]["name"],
        per_focal=bool(facts.get("per_focal")),
        **{name: arrays.get(name) for name in ARRAYS},
    )
