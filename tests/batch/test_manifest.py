"""The manifest: what it remembers, for whom, and that a kill does not hurt it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from depthmap.batch.manifest import Known, Manifest
from depthmap.errors import CacheBusy, ExportError

SETTINGS = {"model": "1", "outputs": ["npy"]}


def test_it_remembers_pictures_of_the_same_settings_only(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "manifest.sqlite"
    manifest = Manifest(file, SETTINGS)
    manifest.note("a/\udcff.jpg", "tag", b"\1" * 32)
    assert manifest.known("a/\udcff.jpg") == Known("tag", b"\1" * 32)
    manifest.close()
    again = Manifest(file, dict(reversed(SETTINGS.items())))
    assert again.known("a/\udcff.jpg")
    assert again.known("b.jpg") is None
    again.note("a/\udcff.jpg", "new", b"\2" * 32)
    assert again.known("a/\udcff.jpg") == Known("new", b"\2" * 32)
    again.close()
    other = Manifest(file, {**SETTINGS, "model": "2"})
    assert other.known("a/\udcff.jpg") is None
    other.close()


def test_two_runs_cannot_have_it_at_once(tmp_path: Path) -> None:
    first = Manifest(tmp_path / "m", SETTINGS)
    with pytest.raises(CacheBusy, match="--shard"):
        Manifest(tmp_path / "m", SETTINGS)
    first.close()
    Manifest(tmp_path / "m", SETTINGS).close()


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(
        b"something else, and long enough to be read as a header of a hundred bytes" * 9
    )
    with pytest.raises(ExportError, match="manifest"):
        Manifest(tmp_path / "m", SETTINGS)


def test_manifests_of_other_shards_are_asked_too(tmp_path: Path) -> None:
    other = Manifest(tmp_path / "manifest-1-of-2.sqlite", SETTINGS)
    other.note("a.jpg", "t", b"1" * 32)
    other.close()
    mine = Manifest(tmp_path / "manifest.sqlite", SETTINGS, sorted(tmp_path.glob("*.sqlite")))
    assert mine.known("a.jpg") == Known("t", b"1" * 32)
    mine.close()


_WRITER = """
import sys
from pathlib import Path
from depthmap.batch import manifest
manifest._PERIOD = 0.0
one = manifest.Manifest(Path(sys.argv[1]), {})
for number in range(1_000_000):
    one.note(f"{number}.jpg", "t", bytes(32))
    print(number, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_writer_that_is_killed_leaves_every_committed_row(tmp_path: Path) -> None:
    file = tmp_path / "m"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(file)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    noted = [int(process.stdout.readline()) for _ in range(40)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    manifest = Manifest(file, {})
    assert all(manifest.known(f"{number}.jpg") for number in noted)
    manifest.close()


def test_its_memory_does_not_grow_with_its_rows(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "m", SETTINGS)

    def fill(start: int, end: int) -> int:
        for number in range(start, end):
            manifest.note(f"some/folder/{number}.jpg", "1:2:3:4", bytes(32))
            assert manifest.known(f"some/folder/{number // 2}.jpg")
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = fill(0, 5_000)
    assert fill(5_000, 40_000) - before < 16_000  # kB; what it would take to hold the rows is more
    manifest.close()
