"""What a file is by its first bytes: files as writers write them, and beginnings of those that none here writes."""

from __future__ import annotations

import bz2
import collections
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save as safetensors_save

from depthmap.signatures import HEAD, MODELS, kind_of
from support import PHOTO

STATE = collections.OrderedDict(weight=torch.ones(3))


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def hdf5(file: io.BytesIO) -> None:
    with h5py.File(file, "w") as opened:
        opened["weight"] = np.ones(3)


def zipped(name: str) -> bytes:
    def write(file: io.BytesIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, "text")

    return written(write)


def tarred(file: io.BytesIO) -> None:
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.add(PHOTO, "photo.jpg")


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF"]
)
def test_pictures_of_every_kind_that_is_read_are_pictures(kind: str) -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()
    data = written(lambda file: Image.open(PHOTO).resize((64, 48)).save(file, kind))
    assert kind_of(data[:HEAD]) == "a picture"


@pytest.mark.parametrize(
    ("kind", "data"),
    {
        "a checkpoint": [
            written(lambda file: torch.save(STATE, file)),
            written(lambda file: torch.save(STATE, file, _use_new_zipfile_serialization=False)),
            safetensors_save(dict(STATE)),
        ],
        "an HDF5 file": [written(hdf5)],
        "a pickle": [pickle.dumps({"a": 1}, protocol) for protocol in (2, 3, 4, 5)],
        "a file of NumPy arrays": [written(lambda file: np.savez(file, a=np.ones(3)))],
        "a NumPy array": [written(lambda file: np.save(file, np.ones(3)))],
        "a document": [zipped("[Content_Types].xml"), zipped("mimetype")],
        "an archive": [
            zipped("weights/model.pt"),
            written(tarred),
            gzip.compress(b"text"),
            bz2.compress(b"text"),
            lzma.compress(b"text"),
        ],
        "a PDF": [written(lambda file: Image.open(PHOTO).save(file, "PDF"))],
        # Of these only beginnings, as their specifications have them.
        "a video": [
            b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41",
            b"\0\0\0\x14ftypqt  \0\0\x02\0qt  ",
            b"\0\0\x07\xb5moov\0\0\0lmvhd",
            b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm",
            b"RIFF\x10\x20\x30\0AVI LIST",
            b"G" + bytes(187) + b"G" + bytes(187) + b"G" + bytes(100),
            b"OggS\0\x02" + bytes(22) + b"\x80theora",
        ],
        "a sound recording": [
            b"ID3\x04\0\0",
            b"RIFF\x10\x20\x30\0WAVEfmt ",
            b"OggS\0\x02" + bytes(22) + b"\x01vorbis",
        ],
        "a web page": [
            b"<!DOCTYPE html><html>",
            b"\n<html lang=en>",
            b'<?xml version="1.0"?>\n<!doctype HTML>',
        ],
        "a drawing (SVG)": [b'<svg xmlns="http://www.w3.org/2000/svg">'],
        "a Git LFS pointer": [b"version https://git-lfs.github.com/spec/v1\noid sha256:00"],
        "": [b"", b"P", b"text", b"\0" * 600, b"\xff"],
    }.items(),
)
def test_files_are_known_by_what_they_begin_with(kind: str, data: list[bytes]) -> None:
    assert [kind_of(one[:HEAD]) for one in data] == [kind] * len(data)


def test_a_published_checkpoint_of_any_name_is_a_checkpoint(tmp_path: Path) -> None:
    for name in ("a", "dpt_large_384", "x" * 200):
        path = tmp_path / f"{name}.pt"
        torch.save(STATE, path)
        assert kind_of(path.read_bytes()[:HEAD]) in MODELS


@given(st.binary(max_size=600))
def test_any_bytes_are_of_some_kind_or_none(head: bytes) -> None:
    assert isinstance(kind_of(head), str)
