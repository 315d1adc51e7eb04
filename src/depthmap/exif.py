"""What a picture's EXIF data say of how it was taken: which way up, and with which lens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .camera import Camera

if TYPE_CHECKING:
    from PIL import Image

# Tags of EXIF 2.32
_ORIENTATION = 0x0112
_EXIF_IFD = 0x8769
_FOCAL_35MM = 0xA405  # mm; 0 where it is unknown


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 when there is none."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF data must not cost the picture
        return 1


def camera(image: Image.Image, width: int, height: int) -> Camera | None:
    """Return the camera by the focal length in 35 mm terms that a picture's EXIF data give, or None.

    Parameters
    ----------
    image : PIL image
        As it was opened.
    width, height : int
        Of the picture upright, in pixels. A picture that was scaled keeps its field of view; one that was cropped does
        not say so, and its field of view is taken to be too wide.
    """
    try:
        return Camera.from_focal(
            float(image.getexif().get_ifd(_EXIF_IFD)[_FOCAL_35MM]), width, height, "EXIF"
        )
    except Exception:  # as above; most pictures have none
        return None
