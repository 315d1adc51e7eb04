"""Files of other caches are linked where that is safe, else copied whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from depthmap.store.copying import link_or_copy
from support import python, sha256

SIZE = 3_000_001
# A file that may only be read is copied; root may write everything, so it becomes somebody else.
AS_USER = """
import os, resource, sys
from pathlib import Path
from depthmap.errors import DepthmapError
from depthmap.store.copying import link_or_copy
import shutil
if os.getuid() == 0:
    os.setuid(65534)
{before}
try:
    print(link_or_copy(Path({source!r}), Path({target!r})))
except DepthmapError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user may write to."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def source(folder: Path) -> Path:
    path = folder / "source"
    path.write_bytes(os.urandom(SIZE))
    path.chmod(0o444)
    return path


def as_user(source: Path, target: Path, before: str = "") -> str:
    done = python(AS_USER.format(before=before, source=str(source), target=str(target)))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_file_is_linked_and_so_takes_no_room(folder: Path, source: Path) -> None:
    source.chmod(0o644)
    (folder / "name").symlink_to(source)
    assert link_or_copy(folder / "name", folder / "target") == "linked"
    assert (folder / "target").stat().st_ino == source.stat().st_ino
    assert not (folder / "target").is_symlink()


@pytest.mark.parametrize("before", ["", "del os.copy_file_range"])
def test_a_file_that_may_not_be_written_is_copied(folder: Path, source: Path, before: str) -> None:
    target = folder / "target"
    assert as_user(source, target, before) == "copied"
    assert target.stat().st_ino != source.stat().st_ino
    assert sha256(target) == sha256(source)
    assert source.stat().st_mode & 0o777 == 0o444


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_a_file_of_another_disk_is_copied(source: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        target = Path(other) / "target"
        if target.parent.stat().st_dev == source.stat().st_dev:
            pytest.skip("there is no second file system")
        assert link_or_copy(source, target) == "copied"
        assert sha256(target) == sha256(source)


@pytest.mark.parametrize("before", ["", "del os.copy_file_range\n"])
def test_a_copy_that_does_not_fit_leaves_nothing(folder: Path, source: Path, before: str) -> None:
    limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({SIZE // 2}, {SIZE // 2}))"
    assert as_user(source, folder / "target", before + limit) == "InsufficientDiskSpace"
    assert sorted(path.name for path in folder.iterdir()) == ["source"]
