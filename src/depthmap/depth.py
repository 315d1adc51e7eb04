"""`Depth`: what a picture gave, and what its numbers mean. It is what flows from the estimator to the outputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import __version__
from .camera import Camera
from .colours import DEFAULT_MAP, coloured
from .errors import UsageError
from .pixels import Pixels
from .ranges import EYES, EYES_LIMITS, RATIO, shown_range, value_range

if TYPE_CHECKING:
    from .calibration import Calibration
    from .geometry import Mesh, PointCloud, Stereo
    from .images import Picture
    from .known_points import KnownPoints
    from .outputs import Options

Float32 = NDArray[np.float32]

RELATIVE_INVERSE = "relative inverse depth"
METRIC = "metric depth"
RELATIVE = "relative depth"
KINDS = (RELATIVE_INVERSE, METRIC, RELATIVE)
"""What values may be: inverse depth up to scale and shift, metres, or depth up to scale."""


class PictureInfo(NamedTuple):
    """Which picture a depth map is of: its file name, and its size in pixels, which is that of the map."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, eq=False, repr=False)
class Depth:
    """The depth of one picture. ``numpy.asarray`` gives its values.

    Depth is planar: along the optical axis of the camera, not along each ray.

    Parameters
    ----------
    values : array
        Any numbers (H, W); kept as float32.
    kind : str
        ``"relative inverse depth"`` (larger = nearer, up to an unknown scale and shift), ``"metric depth"`` (metres,
        larger = farther), or ``"relative depth"`` (up to an unknown scale, larger = farther).
    valid : array, optional
        Bool (H, W): False where the model says nothing.
    camera : Camera, optional
        Of the picture; `intrinsics` gives an assumed one where it is None.
    calibration : Calibration, optional
        Scale and shift by which inverse depth becomes metres. Metric depth that was made by it keeps it.
    model, sha256, engine, source : str
        The model's name, the digest of its weights, what ran it, and where it was loaded from.
    name : str
        File name of the picture, without its folder; empty when it had none.
    pixels : array, optional
        The picture (H, W, 3), as `depthmap.images.read` gives it; outputs in colour need it.
    model_normals : array, optional
        Normals that the model itself gave, float32 (H, W, 3), as `normals` returns them; None: they follow from depth.
    per_focal : bool
        True: metres that are right for the focal length of `intrinsics`, and proportional to it. Another camera, by
        `with_camera`, brings other metres.

    Raises
    ------
    UsageError
        When ``values`` is no map, the kind is none of these, or the mask, the picture or the normals are of another
        size.
    """

    values: Float32
    kind: str = RELATIVE_INVERSE
    valid: NDArray[np.bool_] | None = None
    camera: Camera | None = None
    calibration: Calibration | None = None
    model: str = ""
    sha256: str = ""
    engine: str = ""
    source: str = ""
    name: str = ""
    pixels: Pixels | None = None
    model_normals: Float32 | None = None
    per_focal: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _depth_map(self.values))
        if self.kind not in KINDS:
            raise UsageError("There is no such kind of depth", self.kind, f"Kinds are: {', '.join(KINDS)}.")
        for name, array in (
            ("mask", self.valid),
            ("picture", self.pixels),
            ("map of normals", self.model_normals),
        ):
            if array is not None and array.shape[:2] != self.values.shape:
                what = (
                    f"The {name} is {array.shape[:2]} and the depth map {self.values.shape} (height, width)"
                )
                raise UsageError(what, remedy="Give both at one size.")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=bool(copy)) if copy or dtype else self.values

    def __repr__(self) -> str:
        low, high = value_range(self.masked)
        of, by = self.name and f" of {self.name!r}", self.engine and f" by {self.engine}"
        unit = " m" if self.kind == METRIC else ""
        size = f"{self.width} × {self.height}"
        return (
            f"<Depth {size}, {self.kind}{of}, {low:.4g} to {high:.4g}{unit}, {self.model or 'no model'}{by}>"
        )

    def _repr_png_(self) -> bytes:
        """Let notebooks show the depth in colours."""
        import io

        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(self.colour()).save(buffer, "PNG")
        return buffer.getvalue()

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.values.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.values.shape[0])

    @property
    def picture(self) -> PictureInfo:
        """Name and size of the picture."""
        return PictureInfo(self.name, self.width, self.height)

    @property
    def masked(self) -> Float32:
        """The values (H, W), NaN where the model says nothing."""
        return self.values if self.valid is None else np.where(self.valid, self.values, np.float32(np.nan))

    @property
    def inverse_depth(self) -> Float32:
        """Inverse depth, float32 (H, W), larger = nearer: relative, or 1 / metres of metric depth.

        NaN where the model says nothing, 0 at infinity.
        """
        if self.kind == RELATIVE_INVERSE:
            return self.masked
        with np.errstate(divide="ignore"):
            inverse: Float32 = np.where(self.masked < 0, np.float32(np.nan), np.float32(1) / self.masked)
        return inverse

    @property
    def intrinsics(self) -> Camera:
        """The camera, or an assumed one: 60 degrees across the longer side."""
        return self.camera or Camera.assumed(self.width, self.height)

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The picture, sRGB uint8 (H, W, 3).

        Raises
        ------
        UsageError
            When this depth came without it.
        """
        if self.pixels is None:
            raise UsageError("This needs the picture", self.name, "Give it: depth.with_picture(...).")
        pixels: NDArray[Any] = self.pixels
        if pixels.dtype == np.float32:
            pixels = np.rint(pixels * np.float32(255))
        rgb: NDArray[np.uint8] = pixels.astype(np.uint8, copy=False)
        return rgb

    def metres(self) -> Float32:
        """Return metric depth, float32 (H, W): infinite for the horizon, NaN where the model says nothing.

        Raises
        ------
        UsageError
            When the map is relative and was never calibrated.
        """
        if self.kind == METRIC:
            return self.masked
        if self.calibration is None:
            raise UsageError(
                f"This is {self.kind}: it has no metres",
                self.name or self.model,
                "Name two points of known distance, as depth.calibrated({(x, y): metres, ...}) or "
                "--calibrate X,Y=METRES, or use a metric model.",
            )
        return self.calibration.metres(self.inverse_depth)

    def metric(self) -> Depth:
        """Return the same as metric depth, which outputs then write; see `metres`."""
        return replace(self, values=self.metres(), kind=METRIC)

    def distances(self, ratio: float = RATIO) -> tuple[Float32, str]:
        """Return depth for 3D, float32 (H, W), and its units: metres where they are known.

        Elsewhere the nearest point is at 1 and the farthest at ``ratio``; inverse depth between them is linear.
        The thousandth of the pixels at either end lies at these ends.

        Raises
        ------
        UsageError
            When the ratio is not above 1.
        """
        if self.kind == METRIC or self.calibration:
            return self.metres(), "metres"
        if not 1 < ratio < float("inf"):
            raise UsageError("The ratio of far to near must be above 1", ratio, f"Usual is {RATIO:g}.")
        inverse = self.inverse_depth.astype(np.float64)
        low, high = shown_range(inverse)
        nearness = (inverse - low) / (high - low) if high > low else np.where(np.isnan(inverse), np.nan, 1.0)
        distances: Float32 = (1 / (1 / ratio + (1 - 1 / ratio) * np.clip(nearness, 0, 1))).astype(np.float32)
        return distances, f"nearest = 1, farthest = {ratio:g} (assumed)"

    def calibrated(
        self,
        points: Mapping[tuple[float, float], float] | KnownPoints | Calibration,
        far: float | None = None,
    ) -> Depth:
        """Return the same map with a calibration, so that `metres` knows them.

        Parameters
        ----------
        points : mapping, KnownPoints or Calibration
            Metres along the optical axis by (x, y): column and row of a pixel, from (0, 0) at the top left. Or a
            calibration that is known already.
        far : float, optional
            Metres of the farthest that the picture shows; with it one point will do.

        Raises
        ------
        UsageError
            When the map is metric already, a point lies outside the picture or in the sky, or the points contradict
            the map or each other; see `KnownPoints.calibrate`.
        """
        if self.kind == METRIC:
            raise UsageError("This map is in metres already", self.name or self.model, "Use it as it is.")
        from .calibration import Calibration

        if not isinstance(points, Calibration):
            from .known_points import KnownPoints

            known = points if isinstance(points, KnownPoints) else KnownPoints.of(points, far)
            try:
                points = known.calibrate(self.inverse_depth)
            except UsageError as error:
                raise UsageError(error.what, error.where or self.name, error.remedy) from error
        return replace(self, calibration=points)

    def with_camera(
        self, camera: Camera | None = None, *, fov: float | None = None, focal: float | None = None
    ) -> Depth:
        """Return the same map with another camera; metres that depend on the focal length change with it.

        Parameters
        ----------
        camera : Camera
            Intrinsics in pixels of this map.
        fov : float
            Instead: degrees across the width.
        focal : float
            Instead: focal length in millimetres in 35 mm terms.

        Raises
        ------
        UsageError
            When not exactly one of these is given, or it is out of range.
        """
        if sum(given is not None for given in (camera, fov, focal)) != 1:
            raise UsageError("Give one of camera, fov and focal")
        if fov is not None:
            camera = Camera.from_fov(fov, self.width, self.height)
        elif focal is not None:
            camera = Camera.from_focal(focal, self.width, self.height)
        return self._of(camera)

    def _of(self, camera: Camera | None) -> Depth:
        """Return the map that the model would have given for this camera."""
        seen = replace(self, camera=camera)
        if not self.per_focal:
            return seen
        longer = np.float32(seen.intrinsics.focal / self.intrinsics.focal)
        return replace(seen, values=self.values * longer)

    def with_picture(self, picture: Picture) -> Depth:
        """Return the same map with the picture that colours points, meshes and stereo pairs.

        Raises
        ------
        ImageError, UsageError
            When it cannot be read, or is of another size.
        """
        from .images import read_photo

        photo = read_photo(picture)
        return replace(self._of(self.camera or photo.camera), pixels=photo.pixels, name=photo.name)

    def points(self, ratio: float = RATIO) -> PointCloud:
        """Return the points that the picture shows, N of them, as ``xyz``, ``colours`` and ``units``.

        x is right, y up and z towards the viewer; the camera stands at the origin. Pixels without a finite depth
        give no point. See `distances` for ``ratio``.
        """
        from .geometry import PointCloud, points

        distances, units = self.distances(ratio)
        seen = np.isfinite(distances)
        return PointCloud(
            points(distances, self.intrinsics)[seen],
            None if self.pixels is None else self.rgb[seen],
            units,
        )

    def mesh(self, ratio: float = RATIO) -> Mesh:
        """Return the surface that the picture shows: ``vertices``, ``faces``, ``uv`` in the picture, and ``units``.

        Axes are those of `points`. The surface is cut where one object hides another, and edges that a network blurs
        are made steps; so vertices there differ from `points`. There are at most 1000 along the longer side. See
        `distances` for ``ratio``.
        """
        from .geometry import mesh

        distances, units = self.distances(ratio)
        return mesh(distances, self.intrinsics, units)

    def normals(self, ratio: float = RATIO) -> Float32:
        """Return which way each pixel's surface faces: unit vectors, float32 (H, W, 3), NaN where unknown.

        Axes are those of `points`; (0, 0, 1) faces the viewer. They are those of the model, where it gave some. Else
        they are those of the depth: ripples of a few pixels are smoothed, corners are not. See `distances` for
        ``ratio``.
        """
        from .geometry import normals

        if self.model_normals is not None:
            return np.array(self.model_normals)
        distances = self.distances(ratio)[0]
        return normals(distances, self.intrinsics, max(distances.shape) // 150)

    def stereo(self, eyes: float = EYES) -> Stereo:
        """Return what a ``left`` and a ``right`` eye see, sRGB uint8 (H, W, 3) each.

        ``eyes`` is how far the nearest is shifted against the farthest, in percent of the width.

        Raises
        ------
        UsageError
            When this depth came without its picture, or ``eyes`` is outside `EYES_LIMITS`.
        """
        from .geometry import stereo

        least, most = EYES_LIMITS
        if not least <= eyes <= most:
            raise UsageError(
                f"The shift between the eyes lies between {least:g} and {most:g} % of the width",
                eyes,
                f"Usual is {EYES:g}.",
            )
        return stereo(self.rgb, self.inverse_depth, eyes)

    def colour(
        self, colours: str = DEFAULT_MAP, limits: tuple[float, float] | None = None
    ) -> NDArray[np.uint8]:
        """Return inverse depth in colours, sRGB uint8 (H, W, 3).

        ``limits`` are the inverse depths that the colours span, by default those of `shown_range`.

        Raises
        ------
        UsageError
            When no colour map has that name.
        """
        return coloured(self.inverse_depth, colours, limits)

    def save(
        self,
        path: str | os.PathLike[str],
        outputs: str | Sequence[str] | None = None,
        options: Options | None = None,
    ) -> list[Path]:
        """Write one file or several; see `depthmap.outputs.save`."""
        from .outputs import save

        return save(self, path, outputs, options)

    @property
    def meaning(self) -> str:
        """What the values are, in a line: the kind, the unit, what it rests on, and which end is near."""
        unit, nearest = " in metres" if self.kind == METRIC else "", self._nearest
        of = " for an assumed camera" if self.per_focal and self.intrinsics.is_assumed else ""
        return f"{self.kind}{unit}{of}, {nearest} = nearest"

    @property
    def _nearest(self) -> str:
        return "largest value" if self.kind == RELATIVE_INVERSE else "smallest value"

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Depth:
        """Read an NPZ file that `save` wrote: the same `Depth` again.

        Raises
        ------
        UnrecognisedFile
            When it is no such file, or is damaged.
        FileError
            When it cannot be read.
        """
        from .outputs.npz import load

        return load(path)

    def facts(self) -> dict[str, Any]:
        """Return what the numbers mean, as builtins: what every file of it says, and ``depthmap inspect`` prints.

        ``minimum`` and ``maximum`` are those of the finite values, None when there is none. ``per_focal`` says that
        metres are those for the focal length of ``camera``, and proportional to it.
        """
        low, high = value_range(self.masked)
        return {
            "software": f"depthmap {__version__}",
            "kind": self.kind,
            "nearest": self._nearest,
            "units": "metres" if self.kind == METRIC else "none",
            "per_focal": self.per_focal,
            "minimum": low if low == low else None,
            "maximum": high if high == high else None,
            "calibration": self.calibration and self.calibration.as_dict(),
            "camera": self.intrinsics.as_dict(),
            "model": self.model,
            "sha256": self.sha256,
            "engine": self.engine,
            "source": self.source,
            "picture": self.picture._asdict(),
        }


def _depth_map(values: Any) -> Float32:
    """Return a map as contiguous float32 (H, W), native; what is so already stays itself.

    Raises
    ------
    UsageError
        When it is not two-dimensional, empty, or not of numbers.
    """
    array = np.asarray(values)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "fiu":
        what = f"A depth map is (H, W) of numbers, not {array.shape} of {array.dtype}"
        raise UsageError(what, remedy="Take the maps of a batch one by one.")
    with np.errstate(over="ignore"):
        contiguous: Float32 = np.ascontiguousarray(array, dtype=np.float32)
    return contiguous
