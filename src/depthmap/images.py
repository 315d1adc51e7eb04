"""Reading pictures: from files, URLs, bytes, streams, PIL images, arrays and tensors, within bounds.

`read` gives RGB, upright, as ``uint8`` in [0, 255] or ``float32`` in [0, 1]. Sizes are checked before
anything is decoded, so that a small file that claims to be huge costs nothing.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import exif
from .camera import Camera
from .errors import ImageError
from .fetching import is_url, shown, stand_in, was_url
from .pixels import Pixels, check_size, from_array, is_tensor, tensor_array
from .signatures import HEAD, MODELS, PDF, PICTURE, VIDEO, kind_of

MAX_PIXELS = 200_000_000
"""Pixels of a picture, width × height, that `read` accepts unless told otherwise."""
MAX_BYTES = 512 * 2**20
"""Bytes of an encoded picture that `read` accepts unless told otherwise."""

Encoded: TypeAlias = str | PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
Picture: TypeAlias = Encoded | Image.Image | NDArray[Any] | Any
"""What `read` accepts; ``Any`` stands for a torch tensor, as torch is not imported here."""

# Only decoders of plain pictures: Pillow has others that start programs (EPS) or read other files.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
    | {".ppm", ".pgm", ".pnm", ".jp2", ".j2k", ".avif", ".heic", ".heif", ".hif"}
)
"""File name endings, in lower case, by which `find_images` knows a picture."""

_KINDS = "JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, JPEG 2000, AVIF and HEIC"
# What to do with files that hold pictures, but are none.
_MAKE_PICTURES = {
    VIDEO: "Run 'depthmap video {} -o depth.mp4'.",
    PDF: "Make pictures of its pages, 'pdftoppm -png {} page', then run 'depthmap predict page*.png'.",
}
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_BITS, _PLANES = 258, 284  # TIFF's BitsPerSample and PlanarConfiguration
# EXIF orientation → (swap the axes, flip up-down, flip left-right), in that order.
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@dataclass(frozen=True)
class Photo:
    """A picture as `read_photo` gives it.

    ``pixels`` is what `read` returns; ``name`` the name of its file without the folder, empty when it had none;
    ``camera`` what its EXIF data say of the lens, or None.
    """

    pixels: Pixels
    name: str = ""
    camera: Camera | None = None


def read(
    image: Picture,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    allow_private: bool = False,
) -> Pixels:
    """Read a picture as upright RGB.

    Parameters
    ----------
    image
        A path; an http or https URL, as str; encoded bytes; a binary file object, read from its current position;
        a PIL image of any mode; a NumPy array ``(H, W)`` or ``(H, W, 1 | 2 | 3 | 4)`` of bool, uint8 in [0, 255],
        uint16 in [0, 65535] or float in [0, 1]; a torch tensor, which may also be ``(C, H, W)`` or
        ``(1, C, H, W)``. One channel is grey, two are grey with alpha. From an animation you get the first frame,
        from a PIL image the current one.
    max_pixels, max_bytes
        Limits of width × height, and of the encoded picture. Pillow also refuses TIFF, WebP and GIF files of more
        than twice ``PIL.Image.MAX_IMAGE_PIXELS``.
    allow_private
        Let URLs lead to private, loopback and other addresses that are not on the public Internet. See
        `depthmap.fetching.fetcher.fetch`, which also gives the time limits for URLs.

    Returns
    -------
    NDArray of shape (H, W, 3), contiguous, sharing no memory with ``image``
        ``uint8`` in [0, 255], or ``float32`` in [0, 1] for float and 16-bit pictures, which keep their precision
        (except 16-bit colour files: Pillow decodes them to 8 bits). Transparent pixels are laid over white. The
        EXIF orientation of files, bytes, streams and PIL images is applied; colour profiles are not.

    Raises
    ------
    ImageError
        If there is no picture, or if it is damaged, too large, or has values out of range.
    """
    return read_photo(image, max_pixels=max_pixels, max_bytes=max_bytes, allow_private=allow_private).pixels


def read_photo(
    image: Picture | Photo,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    allow_private: bool = False,
) -> Photo:
    """Read a picture with its name and its camera; see `read`. A `Photo` is returned as it is."""
    if isinstance(image, Photo):
        return image
    if is_url(image):
        from .fetching.fetcher import fetch

        data = fetch(image, max_bytes, allow_private=allow_private)
        return replace(_read_bytes(data, shown(image), max_pixels, max_bytes), name=stand_in(image).name)
    if isinstance(image, (str, PathLike)):
        photo = _read_path(image, max_pixels, max_bytes)
        return replace(photo, name=Path(image).name)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _read_bytes(image, "a picture in memory", max_pixels, max_bytes)
    if isinstance(image, Image.Image):
        return _from_pil(image, f"PIL image of mode {image.mode}", max_pixels)
    if isinstance(image, np.ndarray):
        return Photo(from_array(image, f"NumPy array {image.shape}, {image.dtype}", max_pixels))
    if is_tensor(image):
        return _from_tensor(image, max_pixels)
    if hasattr(image, "read"):
        where = str(getattr(image, "name", "a stream"))
        return _read_bytes(drain(image, where, max_bytes), where, max_pixels, max_bytes)
    raise ImageError(
        f"A picture cannot be read from {type(image).__name__}",
        remedy="Give a path, bytes, a binary file, a PIL image, a NumPy array or a torch tensor.",
    )


def is_known(head: bytes) -> bool:
    """Tell whether a file that begins so, 16 bytes or more, is of a kind of picture that `read` takes."""
    return any(accept(head) is True for accept, _ in _decoders()) or _is_heic(head)


def size_of(data: bytes | bytearray | memoryview, where: str = "a picture in memory") -> tuple[int, int]:
    """Return the width and height of an encoded picture as its header states them; nothing is decoded.

    Raises
    ------
    ImageError
        When it has no header that can be read.
    """
    try:
        with _open(io.BytesIO(data), where) as image:
            return image.width, image.height
    except ImageError:
        raise
    except Exception as error:  # as in _decode
        raise _damaged(error, where) from error


def _is_heic(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS


def _from_tensor(tensor: Any, max_pixels: int) -> Photo:
    where = f"torch tensor {tuple(tensor.shape)}, {tensor.dtype}"
    return Photo(from_array(tensor_array(tensor, where), where, max_pixels))


def _read_path(path: str | PathLike[str], max_pixels: int, max_bytes: int) -> Photo:
    where = os.fspath(path)
    try:
        if Path(where).is_dir():
            raise ImageError("This is a directory, not a picture", where, "Give a file in it.")
        with Path(where).open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):  # a pipe or a device: it can neither be measured nor rewound
                return _read_bytes(drain(stream, where, max_bytes), where, max_pixels, max_bytes)
            _check_bytes(status.st_size, where, max_bytes)
            return _decode(stream, where, max_pixels)
    except FileNotFoundError as error:
        remedy = "Give a URL as str, not as Path." if was_url(where) else "Check the path."
        raise ImageError("There is no such picture", where, remedy) from error
    except PermissionError as error:
        raise ImageError(
            "You have no permission to read the picture", where, "Change its permissions."
        ) from error
    except (OSError, ValueError) as error:
        raise ImageError(f"The picture cannot be opened: {error}", where, "Check the path.") from error


def photo_of(data: bytes, where: str, name: str) -> Photo:
    """Return the picture that bytes encode, with the name of its file; ``where`` is for errors. See `read`."""
    return replace(_read_bytes(data, where, MAX_PIXELS, MAX_BYTES), name=name)


def _read_bytes(data: bytes | bytearray | memoryview, where: str, max_pixels: int, max_bytes: int) -> Photo:
    _check_bytes(memoryview(data).nbytes, where, max_bytes)
    return _decode(io.BytesIO(data), where, max_pixels)


def drain(stream: IO[bytes], where: str, max_bytes: int) -> bytes:
    """Read the rest of a stream, but at most one byte more than the bound."""
    data = io.BytesIO()
    try:
        while (room := max_bytes + 1 - data.tell()) > 0 and (part := stream.read(min(2**20, room))):
            data.write(part)
    except (OSError, ValueError, TypeError) as error:
        remedy = "Give a file that is open for reading in binary mode ('rb')."
        raise ImageError(f"The stream cannot be read: {error}", where, remedy) from error
    return data.getvalue()


def _check_bytes(size: int, where: str, max_bytes: int) -> None:
    if size == 0:
        raise ImageError("The picture is empty", where, "Copy it again; rewind a stream with seek(0) first.")
    if size > max_bytes:
        what = f"The picture is larger than the limit of {max_bytes} bytes"
        raise ImageError(what, where, "Save it smaller, or raise max_bytes.")


def _decode(stream: IO[bytes], where: str, max_pixels: int) -> Photo:
    try:
        with _open(stream, where) as image:
            return _from_pil(image, where, max_pixels)
    except ImageError:
        raise
    except Exception as error:  # on damaged files Pillow's decoders raise almost anything
        raise _damaged(error, where) from error


def _open(stream: IO[bytes], where: str) -> Image.Image:
    """Parse the header of a picture; pixels stay undecoded.

    ``Image.open`` is not used because its bound on the size is global to the process, and it warns below it.
    """
    prefix = stream.read(16)
    failure: Exception | None = None
    for accept, factory in _decoders():
        if accept(prefix) is not True:  # a str says that this build of Pillow lacks the decoder
            continue
        stream.seek(0)
        try:
            return factory(stream, "")
        except Exception as error:  # as in _decode; another decoder may know better ("mif1" is AVIF or HEIC)
            failure = error
    if _is_heic(prefix):
        stream.seek(0)
        return _open_heic(stream, where)
    if failure is not None:
        raise failure
    raise _no_picture(stream, where)


def _no_picture(stream: IO[bytes], where: str) -> ImageError:
    """Return the error for a file that no decoder takes, which says what it seems to be."""
    stream.seek(0)
    kind = kind_of(stream.read(HEAD))
    if kind in MODELS:
        remedy = f"Run 'depthmap models import --input {where} --name NAME', then use it with --model NAME."
        return ImageError(f"This is {kind}, not a picture", where, remedy)
    if kind in _MAKE_PICTURES:
        return ImageError(f"This is {kind}, not a picture", where, _MAKE_PICTURES[kind].format(where))
    said = "not a picture" if kind in ("", PICTURE) else f"{kind}, not a picture"
    return ImageError(f"This is {said} of a known kind", where, f"Known kinds are {_KINDS}.")


def _decoders() -> list[tuple[Callable[[bytes], bool | str], Callable[[IO[bytes], str], Image.Image]]]:
    Image.init()
    registered = [Image.OPEN[name] for name in FORMATS if name in Image.OPEN]
    return [(accept, factory) for factory, accept in registered if accept is not None]


def _open_heic(stream: IO[bytes], where: str) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        remedy = "Run: pip install depthmap[heic], or save it as JPEG."
        raise ImageError("HEIC pictures need pillow-heif", where, remedy) from error
    # Not registered with Pillow, which would be for the whole process.
    image: Image.Image = HeifImageFile(stream, "")  # type: ignore[no-untyped-call]  # it is untyped
    return image


def _damaged(error: Exception, where: str) -> ImageError:
    if isinstance(error, MemoryError):
        return ImageError("There is too little memory for the picture", where, "Save it smaller.")
    if isinstance(error, Image.DecompressionBombError):
        return ImageError("The picture has too many pixels for Pillow", where, "Save it smaller.")
    if "unknown pixel mode" in str(error):
        remedy = "Save it with 8 or 16 bits per colour, as PNG for example."
        return ImageError("The picture's kind of pixels is not supported", where, remedy)
    what = f"The picture is damaged or cut short: {str(error) or type(error).__name__}"
    return ImageError(what, where, "Copy it or save it again.")


def _from_pil(image: Image.Image, where: str, max_pixels: int) -> Photo:
    check_size(image.width, image.height, where, max_pixels)
    try:
        _check_planes(image, where)
        image.load()
        array = _pil_array(image, where)
    except ImageError:
        raise
    except Exception as error:  # as in _decode: a PIL image may have been opened and not yet decoded
        raise _damaged(error, where) from error
    # Asked after load(): some decoders turn the picture themselves and then withdraw the tag.
    pixels = from_array(_upright(array, exif.orientation(image)), where, max_pixels)
    return Photo(pixels, camera=exif.camera(image, pixels.shape[1], pixels.shape[0]))


def _check_planes(image: Image.Image, where: str) -> None:
    """Refuse what Pillow decodes wrongly without an error: 16-bit colours, plane after plane, uncompressed."""
    tags = getattr(image, "tag_v2", {})
    deep = max(tags.get(_BITS) or (8,)) > 8 and len(tags[_BITS]) > 1
    if deep and tags.get(_PLANES) == 2 and any(tile[0] == "raw" for tile in image.tile):  # type: ignore[attr-defined]  # files have it
        what = "16-bit TIFF pictures whose colours lie in separate planes are not supported"
        raise ImageError(what, where, "Save it with interleaved colours (planar configuration 1), or as PNG.")


def _pil_array(image: Image.Image, where: str) -> NDArray[Any]:
    """Return the pixels without Pillow's conversions from 16 bits, which clip."""
    if image.mode.startswith("I;16") or image.mode == "F":
        return np.asarray(image)
    if image.mode == "I":  # 32 bits in memory; what files hold in it is 16-bit grey
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 65535:
            raise ImageError("Integer pixels lie outside 0 to 65535", where, "Scale them to 16 bits.")
        return grey.astype(np.uint16)
    if image.mode in ("La", "RGBa"):
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if image.has_transparency_data:
        return np.asarray(image.convert("RGBA"))
    if image.mode in ("L", "RGB"):
        return np.asarray(image)
    try:
        return np.asarray(image.convert("RGB"))
    except ValueError as error:
        remedy = "Save it as RGB."
        raise ImageError(f"Colours of mode {image.mode} are not supported", where, remedy) from error


def _upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    swap, up_down, left_right = _TURNS.get(orientation, (False, False, False))
    if swap:
        array = array.swapaxes(0, 1)
    return array[:: -1 if up_down else 1, :: -1 if left_right else 1]


def find_images(paths: Iterable[str | PathLike[str]], recursive: bool = False) -> list[Path]:
    """Expand directories to the pictures in them.

    A file that you name stays in the list whatever its name. In a directory, only files with an ending of
    `SUFFIXES` count, and hidden files do not. The order is that of ``paths``, and natural within a directory
    ("2.jpg" before "10.jpg"). No file comes twice. Links to directories below the given ones are not followed.

    Raises
    ------
    ImageError
        When a path does not exist, is a URL, or a directory cannot be read.
    """
    found: dict[Path, None] = {}
    named = [paths] if isinstance(paths, (str, PathLike)) else list(paths)
    if url := next(filter(is_url, named), None):
        raise ImageError("A URL is neither a file nor a directory", shown(url), "Give it to read().")
    for path in map(Path, named):
        if path.is_dir():
            found.update(dict.fromkeys(_pictures_in(path, recursive)))
        elif path.exists():
            found[path] = None
        else:
            raise ImageError("There is no such picture or directory", path, "Check the path.")
    return list(found)


def _pictures_in(directory: Path, recursive: bool) -> list[Path]:
    found: list[Path] = []
    for folder, folders, names in os.walk(directory, onerror=_refuse):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        files = (Path(folder, name) for name in names if not name.startswith("."))
        found += [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file()]
    return sorted(found, key=natural_order)


def _refuse(error: OSError) -> None:
    what = f"The directory cannot be read: {error.strerror}"
    raise ImageError(what, error.filename or "", "Change its permissions.") from error


def natural_order(path: Path) -> tuple[list[list[str | int]], str]:
    """Return a key by which numbers in names count as numbers."""
    parts = [re.split(r"([0-9]+)", part.casefold()) for part in path.parts]
    return [[int(p) if i % 2 else p for i, p in enumerate(part)] for part in parts], str(path)
