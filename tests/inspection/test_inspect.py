"""inspect() says what a file is: by its facts, by the habits of other programs, or why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from depthmap import Depth
from depthmap.errors import DepthmapError, FileError, UnrecognisedFile
from depthmap.inspection import inspect
from depthmap.inspection.content import READERS
from depthmap.outputs import OUTPUTS

RAMP = np.linspace(0, 1, 200, dtype=np.float32).reshape(10, 20)
DEPTH = Depth(
    RAMP + 1, model="DPT_Large", sha256="ab" * 32, name="photo.jpg", pixels=np.zeros((10, 20, 3), np.uint8)
)


def midas_pfm(path: Path) -> None:
    """Write as write_pfm of MiDaS does."""
    path.write_bytes(b"Pf\n20 10\n-1.000000\n" + (RAMP * 3000)[::-1].tobytes())


def anything_beside(path: Path) -> None:
    """Write as run.py of Depth Anything V2 does without --pred-only: photo, 50 white columns, depth."""
    photo = np.full((10, 20, 3), 90, np.uint8)
    Image.fromarray(np.concatenate([photo, np.full((10, 50, 3), 255, np.uint8), photo // 2], 1)).save(path)


def grey(path: Path) -> None:
    Image.fromarray(np.repeat((RAMP * 255).astype(np.uint8)[..., None], 3, 2)).save(path)


def png16(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(np.rint(values).astype(np.uint16)).save(path)


def saved(**arrays: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.savez_compressed(path, **arrays)


@pytest.mark.parametrize(
    ("name", "write", "program", "kind", "nearest"),
    [
        ("a-dpt_large_384.pfm", midas_pfm, "MiDaS", "relative inverse depth", "largest"),
        ("a.png", png16(RAMP * 65535), "MiDaS", "relative inverse depth", "largest"),
        ("a.png", png16((1 + RAMP * 9) * 256), "ZoeDepth", "metres × 256", "smallest"),
        ("a_pred.png", png16(RAMP * 65535), "Marigold", "relative depth", "smallest"),
        ("a_pred.npy", lambda path: np.save(path, RAMP), "Marigold", "relative depth", "smallest"),
        (
            "a_raw_depth_meter.npy",
            lambda path: np.save(path, RAMP * 9),
            "Depth Anything V2",
            "metric",
            "smallest",
        ),
        ("a.npz", saved(depth=RAMP), "Depth Pro", "metric depth", "smallest"),
        (
            "a.npz",
            saved(depth=RAMP, conf=RAMP, extrinsics=RAMP, intrinsics=RAMP),
            "Depth Anything 3",
            "depth",
            "smallest",
        ),
        ("a.png", anything_beside, "Depth Anything", "relative inverse depth", "largest"),
        ("a.png", grey, "Depth Anything, 8-bit", "relative inverse depth", "largest"),
    ],
)
def test_files_of_other_programs_are_told(
    name: str, write: Callable[[Path], None], program: str, kind: str, nearest: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    inspection = inspect(tmp_path / name)
    assert inspection.facts is None
    assert inspection.seems is not None
    assert program in inspection.seems.program
    assert kind in inspection.seems.kind
    assert nearest in inspection.seems.nearest


def test_what_nothing_tells_is_not_guessed(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)).save(
        tmp_path / "photo.png"
    )
    np.save(tmp_path / "a.npy", RAMP * 5)
    for name in ("photo.png", "a.npy"):
        assert inspect(tmp_path / name).seems is None


def test_facts_beside_a_file_count_while_they_are_of_its_size(tmp_path: Path) -> None:
    path = DEPTH.save(tmp_path / "a.npy")[0]
    assert inspect(path).facts is not None
    np.save(path, RAMP[:5])
    assert inspect(path).facts is None


def test_facts_of_others_are_not_taken_for_ours(tmp_path: Path) -> None:
    path = DEPTH.save(tmp_path / "a.npy")[0]
    for text in ("[]", "{}", '{"software": "depthmap"}', "{", '{"a":' * 5000, '{"software": 3, "kind": "x"}'):
        (tmp_path / "a.npy.json").write_text(text)
        assert inspect(path).facts is None


@pytest.mark.parametrize("data", [b"", b"hello", b"\x7fELF", b"\xff\xd8\xff\xe0"])
def test_other_files_are_refused_with_what_is_known(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UnrecognisedFile, match="PNG, TIFF"):
        inspect(tmp_path / "a")


def test_a_missing_file_and_a_directory_are_explained(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileError, match="cannot be read"):
            inspect(path)


def answer(path: Path) -> str:
    """Return what is said of a file: its format, or what to do about the error."""
    try:
        return inspect(path).content.format
    except DepthmapError as error:
        return error.remedy


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_cut_file_gives_an_error_or_what_is_left(name: str, tmp_path: Path) -> None:
    data = DEPTH.save(tmp_path / "a", [name, "png16"])[0].read_bytes()
    for size in {*range(0, min(len(data), 400), 7), len(data) // 2, len(data) - 1}:
        (tmp_path / "cut").write_bytes(data[:size])
        assert answer(tmp_path / "cut")


@given(st.sampled_from([magic for magic, _ in READERS]), st.binary(max_size=300))
def test_any_bytes_give_an_answer_or_an_error_that_explains(
    tmp_path_factory: pytest.TempPathFactory, magic: bytes, rest: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "a"
    path.write_bytes(magic + rest)
    assert answer(path)


def test_an_npy_with_a_pickle_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(UnrecognisedFile):
        inspect(tmp_path / "a.npy")
