"""What a file is, by the bytes that it begins with: for errors that say what somebody has given by mistake.

Only a guess at what the user meant. Whoever reads a file decides for itself whether it can, and trusts nothing here.
"""

from __future__ import annotations

import re
from functools import cache

HEAD = 512
"""Bytes from the beginning of a file that :func:`kind_of` looks at."""
PICTURE, VIDEO, SOUND, PDF = "a picture", "a video", "a sound recording", "a PDF"
CHECKPOINT, HDF5, PICKLE, ARCHIVE = "a checkpoint", "an HDF5 file", "a pickle", "an archive"
MODELS = frozenset({CHECKPOINT, HDF5, PICKLE})
"""The kinds of file in which a checkpoint may be."""

_PICTURE_BRANDS = rb"avi[fs]|hei[cmsx]|hev[cmsx]|mi[fa]1|msf1|jxl |crx "
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    # torch writes `NAME/data.pkl` first; its name begins behind 30 bytes.
    (rb"PK\x03\x04.{26}[^/]{1,255}/(?:data\.pkl|\.format_version|byteorder)", CHECKPOINT),
    (rb"PK\x03\x04.{26}[^/]{1,255}\.npy", "a file of NumPy arrays"),
    (rb"PK\x03\x04.{26}(?:\[Content_Types\]\.xml|mimetype|_rels/)", "a document"),
    (rb"PK[\x03\x05]", ARCHIVE),
    (rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\.", CHECKPOINT),  # torch before 1.6
    (rb".{4}\0{4}\{", CHECKPOINT),  # safetensors: the length of its header, then JSON
    (rb"\x80[\x02-\x05]", PICKLE),
    (rb"\x89HDF\r\n\x1a\n", HDF5),
    (rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF.{4}WEBP|II[*+]\0|MM\0[*+]|BM.{4}\0{4}|P[1-7][\s#]", PICTURE),
    (rb"\0\0\0\x0c(?:jP  |JXL )|\xff\x4f\xff\x51|\xff\n|8BPS|v/1\x01", PICTURE),
    (rb".{4}ftyp(?:" + _PICTURE_BRANDS + rb")", PICTURE),
    (rb".{4}ftypM4[AB] |ID3|fLaC|RIFF.{4}WAVE|\xff[\xf2\xf3\xfb]", SOUND),
    (rb".{4}(?:ftyp|moov|mdat|wide|skip|free)", VIDEO),  # MP4, QuickTime, 3GP
    (rb"\x1aE\xdf\xa3|RIFF.{4}AVI |FLV\x01|\x30\x26\xb2\x75\x8e\x66|\0\0\x01[\xb3\xba]", VIDEO),
    (rb"G.{187}G.{187}G", VIDEO),  # MPEG transport stream
    (rb"OggS.{24,200}?(?:theora|video)", VIDEO),
    (rb"OggS", SOUND),
    (rb"%PDF-", PDF),
    (rb"\x1f\x8b|BZh|\xfd7zXZ\0|7z\xbc\xaf\x27\x1c|Rar!\x1a|\x28\xb5\x2f\xfd|.{257}ustar", ARCHIVE),
    (rb"\x93NUMPY", "a NumPy array"),
    (rb"GGUF|GGML|.{4}TFL3", "a model of another program"),
    (rb"\x7fELF|MZ|\xcf\xfa\xed\xfe|#!", "a program"),
    (rb"version https://git-lfs", "a Git LFS pointer"),
    (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*-->\s*)*(?i:<!doctype html|<html|<head)", "a web page"),
    (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*-->\s*)*<svg", "a drawing (SVG)"),
)
"""Patterns for the beginning of a file, the first that matches counts; a dot is any byte."""


@cache
def _compiled() -> list[tuple[re.Pattern[bytes], str]]:
    return [(re.compile(pattern, re.DOTALL), kind) for pattern, kind in _SIGNATURES]


def kind_of(head: bytes) -> str:
    """Return what a file is that begins with ``head``, with its article: "a picture", "a PDF"; "" if unknown.

    ``head`` are the file's first `HEAD` bytes, or fewer, whereupon less is recognised.
    """
    return next((kind for pattern, kind in _compiled() if pattern.match(head[:HEAD])), "")
