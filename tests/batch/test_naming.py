"""Names of outputs where no list is at hand: they never collide, and all systems take them."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthmap.batch.naming import folds_names, in_shard, stem
from depthmap.outputs import OUTPUTS


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("photo.jpg", "photo.jpg"),
        ("a b/ü.jpg", "a b/ü.jpg"),
        ("/data/a.jpg", "root/data/a.jpg"),
        ("C:/data/a.jpg", "drive-C/data/a.jpg"),
    ],
)
def test_a_path_that_can_be_a_name_is_one(path: str, name: str) -> None:
    assert stem(path) == name


@pytest.mark.parametrize(
    "path",
    [
        "../a.jpg",
        "a/../b.jpg",
        "a//b.jpg",
        "root/a.jpg",
        "drive-C/a.jpg",
        "//a.jpg",
        "a:b.jpg",
        "a.jpg ",
        "x" * 300,
        "https://h/a.jpg?b",
        "\n",
        "",
        "a.jpg-0123456789abcdef",
        "a_depth.png/b.jpg",
    ],
)
def test_any_other_is_changed_and_gets_a_piece_of_its_digest(path: str) -> None:
    name = stem(path)
    assert re.search(r"-[0-9a-f]{16}$", name)
    assert all(0 < len(part.encode()) < 200 and part not in (".", "..") for part in name.split("/"))


_PATHS = st.one_of(
    st.text(string.ascii_letters[:2] + "A./\\:_ -%\0", max_size=8),
    st.builds(
        lambda stem, output: stem + output.suffix, st.sampled_from("ab"), st.sampled_from([*OUTPUTS.values()])
    ),
)


@given(st.sets(_PATHS, max_size=20), st.booleans())
def test_no_two_paths_ever_share_a_file_nor_is_one_a_folder_of_another(paths: set[str], folds: bool) -> None:
    names = [stem(path, folds=folds) for path in paths]
    files = [name + output.suffix for name in names for output in OUTPUTS.values()]
    seen = [file.casefold() for file in files] if folds else files
    assert len(set(seen)) == len(seen)
    folders = {str(parent) for file in files for parent in Path(file).parents}
    assert not folders & set(files)
    assert not any(file.startswith(("/", ".")) or ".." in file.split("/") for file in files)


def test_shards_share_out_all_pictures_evenly() -> None:
    paths = [f"folder/{number}.jpg" for number in range(3000)]
    parts = [sum(in_shard(path, (shard, 3)) for path in paths) for shard in (1, 2, 3)]
    assert sum(parts) == 3000
    assert min(parts) > 900
    assert all(sum(in_shard(path, (shard, 3)) for shard in (1, 2, 3)) == 1 for path in paths)


def test_a_folder_on_this_system_is_asked_for_how_it_takes_capitals(tmp_path: Path) -> None:
    folder = tmp_path / "Letters"
    folder.mkdir()
    assert folds_names(folder) == (tmp_path / "lETTERS").exists()
    assert folds_names(folder / "not" / "there") == folds_names(folder)
