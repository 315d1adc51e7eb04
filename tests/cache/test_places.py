"""Several cache directories: the system's, which may not be written, and the user's before or after it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from cache.conftest import Variant, small
from cli.conftest import Done
from depthmap import formats, loader
from depthmap.cache import ModelCache
from depthmap.cache.check import check
from depthmap.cli import main
from depthmap.errors import CacheNotWritable, UnknownModel
from support import flip, sha256

NOBODY = 65534
Seen = dict[str, tuple[int, ...]]


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory that other users may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="depthmap-places-") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


@pytest.fixture
def system(ground: Path, variant: Variant, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's cache: Small, as .pt and .h5, and a model of its own, installed. A mirror has Small, too."""
    published = ground / "mirror" / "v1" / "small.pt"
    published.parent.mkdir(parents=True)
    shutil.copy(variant("small"), published)
    (ground / "catalog.json").write_text(json.dumps({"models": [small(published)]}))
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(ground / "catalog.json"))
    monkeypatch.setenv("DEPTHMAP_MIRRORS", (ground / "mirror").as_uri())
    monkeypatch.setenv("DEPTHMAP_CACHE_DIR", str(ground / "system"))
    cache = ModelCache()
    cache.download("small")
    cache.import_file(variant("installed"), "installed", ["pt"])
    monkeypatch.setenv("DEPTHMAP_CACHE_DIR", os.pathsep.join([str(ground / "system"), str(ground / "user")]))
    return ground / "system"


def forbid_writing(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.fixture
def as_user(system: Path, ground: Path) -> Iterator[Callable[[], Path]]:
    """Return what closes the system's cache and goes on as a user who may not write it; it returns the user's cache.

    Root may write anywhere, and becomes somebody else until the test ends.
    """
    user = ground / "user"
    user.mkdir()
    is_root = os.geteuid() == 0

    def become() -> Path:
        forbid_writing(system)
        if is_root:
            os.chown(user, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, 0)
        return user

    yield become
    if is_root:
        os.setresuid(0, 0, 0)
    for path in (system, *system.rglob("*")):
        path.chmod(0o755)


def seen(directory: Path) -> Seen:
    """Return what there is to see of each file and folder, its bytes too; reading may change no more than atime."""
    found: Seen = {}
    for path in (directory, *sorted(directory.rglob("*"))):
        s = path.stat()
        digest = int(sha256(path), 16) if path.is_file() else 0
        found[str(path)] = (s.st_mode, s.st_ino, s.st_nlink, s.st_size, s.st_mtime_ns, s.st_ctime_ns, digest)
    return found


def command(capsys: pytest.CaptureFixture[str], *args: object) -> Done:
    capsys.readouterr()
    status = main([str(arg) for arg in args])
    return Done(status, *capsys.readouterr())


def test_what_the_system_has_is_listed_loaded_and_exported_and_nothing_of_it_changes(
    system: Path, ground: Path, as_user: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    user = as_user()
    before = seen(system)
    cache = ModelCache()
    assert cache.cache_dir == user
    assert [row["slug"] for row in cache.models("pt")] == ["small", "installed"]
    assert set(cache.info()["models"]) == {"small", "installed"}
    assert "installed" in command(capsys, "models", "list", "--format", "pt").out
    for name in ("small", "installed"):
        loaded = loader.load(name, cache)
        assert (loaded.source, loaded.path.parent) == ("pt", system)
        del loaded
    assert all(entry["ok"] for entry in cache.verify())
    target = user / "exported.h5"
    assert command(capsys, "models", "export", "-m", "installed", "-o", target).status == 0
    tensors, original = formats.load(target), formats.load(system / "midas_installed.pt")
    assert all(torch.equal(tensors[name], original[name]) for name in original)
    assert cache.download("small") == {f: system / f"midas_small.{f}" for f in ("pt", "h5")}
    assert not list(user.glob("midas_*"))
    assert seen(system) == before


@pytest.mark.parametrize("order", ["system first", "user first"])
def test_what_is_downloaded_or_imported_goes_to_the_first_that_can_be_written(
    system: Path,
    ground: Path,
    variant: Variant,
    as_user: Callable[[], Path],
    order: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for path in system.glob("midas_small.*"):
        path.unlink()
    shutil.copy(variant("mine"), ground / "mine.pt")
    directories = [system, ground / "user", ground / "never"]
    if order == "user first":
        directories[:2] = reversed(directories[:2])
    monkeypatch.setenv("DEPTHMAP_CACHE_DIR", os.pathsep.join(map(str, directories)))
    user = as_user()
    before = seen(system)
    cache = ModelCache()
    assert cache.download("small", ["pt"])["pt"].parent == user
    cache.import_file(ground / "mine.pt", "mine", ["pt"])
    assert {row["slug"] for row in cache.models("pt")} == {"small", "installed", "mine"}
    assert {loader.load(name, cache).path.parent for name in ("small", "mine")} == {user}
    assert seen(system) == before
    assert not (ground / "never").exists()


def test_a_damaged_file_of_the_system_does_not_hide_a_whole_one_of_the_user(
    system: Path,
    as_user: Callable[[], Path],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for path in (system / "midas_small.pt", system / "midas_small.h5"):
        flip(path, 3 << 20)
    user = as_user()
    before = seen(system)
    cache = ModelCache()
    paths = cache.download("small")
    assert set(paths.values()) == {user / "midas_small.pt", user / "midas_small.h5"}
    monkeypatch.delenv("DEPTHMAP_MIRRORS")  # from now on what is there must do
    cache = ModelCache()
    assert cache.download("small") == paths
    loaded = loader.load("small", cache)
    assert (loaded.source, loaded.path) == ("pt", user / "midas_small.pt")
    assert str(system / "midas_small.pt") in caplog.text
    assert "could not be moved" in caplog.text
    exported = cache.export("small", user / "exported.pt")
    assert sha256(exported) == sha256(user / "midas_small.pt")
    assert seen(system) == before


def test_repair_puts_a_whole_copy_of_a_damaged_file_of_the_system_where_it_can_be_written(
    system: Path, ground: Path, as_user: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    right = sha256(system / "midas_small.pt")
    flip(system / "midas_small.pt", 3 << 20)
    user = as_user()
    before = seen(system)
    done = command(capsys, "models", "repair", "small", "--json")
    assert done.status == 0, done.err
    action = {"model": "small", "format": "pt", "action": "mended", "leaves": 0, "bytes_fetched": 0}
    assert done.document["files"] == [action]  # from the .h5, which nobody may write either
    assert sha256(user / "midas_small.pt") == right
    assert ModelCache().download("small")["pt"] == user / "midas_small.pt"
    assert seen(system) == before


def test_removing_touches_only_what_can_be_written(
    system: Path, ground: Path, variant: Variant, as_user: Callable[[], Path]
) -> None:
    shutil.copy(variant("mine"), ground / "mine.pt")
    user = as_user()
    before = seen(system)
    cache = ModelCache()

    def fill() -> None:
        for name in ("first", "second"):
            cache.import_file(ground / "mine.pt", name, ["pt"])

    fill()
    assert set(cache.usage()["models"]) == {"first", "second"}
    assert cache.delete("first") == [user / "midas_first.pt", user / "midas_first.pkl"]
    assert sorted(cache.evict(0)) == ["second"]
    fill()
    assert {path.parent for path in cache.clear()} == {user}
    assert not list(user.glob("midas_*"))
    assert cache.optimize()["errors"] == []
    assert {row["slug"] for row in cache.models("pt")} == {"small", "installed"}
    assert seen(system) == before


@pytest.mark.parametrize("operation", ["clear", "pin"])
def test_what_cannot_be_removed_or_pinned_is_said_to_be_the_system_s(
    system: Path, as_user: Callable[[], Path], capsys: pytest.CaptureFixture[str], operation: str
) -> None:
    """Nothing is done, and it does not look as if it were."""
    as_user()
    before = seen(system)
    done = command(capsys, "models", operation, "--model", "installed")
    assert done.status in (1, 2), done.err
    assert str(system) in done.err
    assert seen(system) == before


def test_where_none_can_be_written_the_error_names_the_first(
    system: Path, ground: Path, as_user: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHMAP_CACHE_DIR", os.pathsep.join([str(system), str(ground / "no")]))
    (system / "midas_small.pt").unlink()
    (system / "midas_small.h5").unlink()
    as_user()
    with pytest.raises(CacheNotWritable, match="Cache directory not writable") as caught:
        ModelCache().download("small")
    assert str(system) in caught.value.where
    with pytest.raises(UnknownModel):
        ModelCache().spec("nosuch")


@pytest.fixture
def copied(system: Path, as_user: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's .pt as if it had come there by rsync, or with a container's image: its stamp is not the recorded."""
    path = system / "midas_small.pt"
    os.utime(path, (1000, 1000))
    monkeypatch.setenv("HOME", str(as_user()))
    return path


def test_a_file_that_came_into_a_read_only_cache_by_other_means_is_hashed_once_by_each_user(
    copied: Path,
) -> None:
    assert hashed(copied) == copied.stat().st_size
    assert hashed(copied) == 0
    notes = Path.home() / ".cache" / "depthmap" / "verified"
    notes.rename(notes.with_name("elsewhere"))
    assert hashed(copied) == copied.stat().st_size


def test_what_was_found_whole_in_a_read_only_cache_and_then_damaged_is_not_taken(
    copied: Path,
) -> None:
    path = copied
    assert loader.load("small", ModelCache()).path == path
    was_root = os.geteuid() == NOBODY
    if was_root:
        os.setresuid(0, 0, 0)
    path.chmod(0o644)
    flip(path, 1_000_000)
    path.chmod(0o444)
    os.utime(path, (1000, 1000))
    if was_root:
        os.setresuid(NOBODY, NOBODY, 0)
    assert loader.load("small", ModelCache()).path == path.with_suffix(".h5")


def hashed(path: Path) -> int:
    """Load Small in a fresh process's way; return how many bytes of a file were hashed for it."""
    count = 0

    def tick(nbytes: int) -> None:
        nonlocal count
        count += nbytes

    cache = ModelCache()
    for place in cache.shelf.places:
        if place.store.root == path.parent:
            assert check(place, cache.spec("small"), "pt", tick=tick) == path
    return count
