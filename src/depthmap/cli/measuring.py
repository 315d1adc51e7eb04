"""The options by which depth gets metres and a camera."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from ..errors import FileError, UsageError

if TYPE_CHECKING:
    from ..camera import Camera
    from ..depth import Depth
    from ..images import Photo
    from ..known_points import KnownPoints, Point


def _points(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Point, ...]:
    """Read X,Y=METRES."""
    if not values:
        return ()
    from ..known_points import Point

    try:
        return tuple(map(Point.parse, values))
    except UsageError as error:
        raise click.BadParameter(error.what, ctx, parameter) from None


_OPTIONS = (
    click.option(
        "--calibrate",
        "points",
        multiple=True,
        callback=_points,
        metavar="X,Y=METRES",
        help="A point whose distance you know: column, row, metres. Give two or more, and files hold metres.",
    ),
    click.option(
        "--far",
        type=float,
        metavar="METRES",
        help="Distance of the farthest thing; then one point is enough.",
    ),
    click.option(
        "--calibration",
        "file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="With --calibrate: save the points. Without: use the saved points.",
    ),
    click.option(
        "--fov",
        type=float,
        metavar="DEGREES",
        help="Field of view across the width. Default: from EXIF, or 60 across the longer side.",
    ),
    click.option(
        "--focal",
        type=float,
        metavar="MM",
        help="Focal length in 35 mm terms, instead of --fov.",
    ),
)


def measuring(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets a `Measures`."""

    @functools.wraps(function)
    def measured(
        *args: Any,
        points: tuple[Point, ...],
        far: float | None,
        file: Path | None,
        fov: float | None,
        focal: float | None,
        **options: Any,
    ) -> Any:
        if fov is not None and focal is not None:
            raise click.UsageError("Give --fov or --focal, not both.")
        _camera(fov, focal, 1, 1)  # what is out of range is said before a model is loaded
        if far is not None and not points:
            raise click.UsageError("--far needs a point beside it: --calibrate X,Y=METRES.")
        known = _known(points, far) if points else _read(file) if file else None
        measures = Measures(known, file if points else None, fov, focal)
        return function(*args, measures=measures, **options)

    decorated: Callable[..., Any] = measured
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _camera(fov: float | None, focal: float | None, width: int, height: int) -> Camera | None:
    """Return the camera that the options name, for a picture of that size; None if they name none."""
    from ..camera import Camera

    if fov is not None:
        return Camera.from_fov(fov, width, height, "--fov")
    if focal is not None:
        return Camera.from_focal(focal, width, height, "--focal")
    return None


class Measures:
    """What is known of the camera and of distances, for every picture of a command.

    ``save_as`` is where the points go once they fit a picture.
    """

    def __init__(
        self, known: KnownPoints | None, save_as: Path | None, fov: float | None, focal: float | None
    ) -> None:
        self.known = known
        self.save_as = save_as
        self.fov = fov
        self.focal = focal
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def facts(self) -> dict[str, Any]:
        """Return all that changes outputs, as builtins."""
        return {"points": self.known and self.known.as_dict(), "fov": self.fov, "focal": self.focal}

    def begin(self, photo: Photo) -> Photo:
        """Return the picture with its camera, from which some networks find metres."""
        height, width = photo.pixels.shape[:2]
        camera = _camera(self.fov, self.focal, width, height)
        return replace(photo, camera=camera) if camera else photo

    def finish(self, depth: Depth) -> Depth:
        """Return the depth in metres, where points are known.

        Raises
        ------
        UsageError
            When a number is out of range or the points do not fit the picture.
        ExportError, InsufficientDiskSpace
            When the points cannot be saved.
        """
        if self.known is None:
            return depth
        depth = depth.calibrated(self.known)
        with self._lock:
            if self.save_as:
                _write(self.save_as, replace(self.known, size=(depth.width, depth.height)))
                self.save_as = None
        return depth.metric()


def _known(points: tuple[Point, ...], far: float | None) -> KnownPoints:
    from ..known_points import KnownPoints

    return KnownPoints(points, far)


def _write(file: Path, known: KnownPoints) -> None:
    from ..outputs.publishing import publish

    def encode(stream: IO[bytes]) -> None:
        stream.write(json.dumps(known.as_dict(), indent=2).encode() + b"\n")

    publish(file, encode)


def _read(file: Path) -> KnownPoints:
    from ..known_points import KnownPoints

    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(
            f"The calibration cannot be read: {error.strerror}",
            file,
            "Make it with --calibrate X,Y=METRES ... --calibration FILE.",
        ) from error
    except ValueError as error:
        raise UsageError("This is no calibration: it is not JSON", file, "Name the right file.") from error
    return KnownPoints.from_dict(data)
