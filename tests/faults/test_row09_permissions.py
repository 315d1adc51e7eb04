"""Caches that may not be written or read: what is whole loads; all else is an error that names the file."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .forking import Outcome
from .ledger import Ledger
from .places import Place
from .scenarios import SCENARIOS, SMALL, Check, Scenario
from .shim import OPERATIONS

NOBODY = 65534
ARGUMENTS: dict[str, dict[str, Any]] = {
    "load": {"name": "small"},
    "examine": {},
    "download": {"name": "small"},
    "import_file": {"source": "{b}", "name": "mine"},
    "repair": {"name": "small"},
    "optimize": {},
    "evict": {"max_bytes": 0},
    "delete": {"name": "small"},
    "pin": {"name": "small"},
}
WRITING = [name for name in ARGUMENTS if name not in ("load", "examine")]
"""What needs a cache that can be written, if there is anything to do."""
as_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can become another user"
)
each_writing = pytest.mark.parametrize("operation", WRITING)


def arguments(place: Place, operation: str) -> dict[str, Any]:
    given = ARGUMENTS[operation]
    return {k: v.format(b=place.b) if isinstance(v, str) else v for k, v in given.items()}


def clear_or_done(outcome: Outcome, *classes: str) -> None:
    """The operation is done, or an error of ours says where and what to do."""
    if outcome.end == "done":
        return
    assert outcome.end == "failed", outcome.told()
    assert outcome.error["ours"], outcome.told()
    assert outcome.error["where"], outcome.told()
    assert outcome.error["remedy"], outcome.told()
    assert not classes or outcome.error["class"] in classes, outcome.told()


def loads(place: Place, **how: Any) -> None:
    """A whole model loads, and is the one that it was."""
    assert place.fingerprints[place.run("load", mirror="", name="small", **how).done()] == "A"


def unharmed(place: Place) -> None:
    """The cache is as before."""
    unchanged = Scenario("", "cached", "load", {"name": "small"}, SMALL, SMALL)
    Check(place, unchanged).finished()


@pytest.fixture(params=["file system", "owner"])
def read_only(request: pytest.FixtureRequest, place: Place) -> dict[str, Any]:
    """A whole model in a cache that may not be written; return how children must run for that."""
    place.reset("cached")
    if request.param == "file system":
        return {"orders": place.orders("fail", 1, error=errno.EROFS, operations=OPERATIONS)}
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    return {"user": NOBODY}


@each_writing
def test_a_read_only_cache(operation: str, read_only: dict[str, Any], place: Place, ledger: Ledger) -> None:
    with ledger.injection(9, f"{operation} in a read-only cache"):
        outcome = place.run(operation, **arguments(place, operation), **read_only)
        clear_or_done(outcome, "CacheNotWritable")
        if operation != "optimize":  # it reports, and there was nothing to remove
            assert outcome.end == "failed" or operation in ("download", "repair"), outcome.told()
        unharmed(place)


def test_a_read_only_cache_is_read(read_only: dict[str, Any], place: Place, ledger: Ledger) -> None:
    with ledger.injection(9, "load from a read-only cache"):
        loads(place, **read_only)
    place.out.chmod(0o777)
    if "user" in read_only:
        with ledger.injection(9, "export from a read-only cache"):
            target = str(place.out / "x.h5")
            place.run("export", name="small", target=target, format="h5", **read_only).done()
    with ledger.injection(9, "verify in a read-only cache"):
        assert not place.run("examine", **read_only).done()["wrong"]


def test_a_disk_mounted_read_only(place: Place, ledger: Ledger) -> None:
    place.reset("cached")
    mounts = [
        ["mount", "--bind", place.run_root, place.run_root],
        ["mount", "-o", "remount,bind,ro", place.run_root],
    ]
    for command in mounts:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        with ledger.injection(9, "load from a disk mounted read-only"):
            loads(place)
        for operation in WRITING:
            with ledger.injection(9, f"{operation} on a disk mounted read-only"):
                clear_or_done(place.run(operation, **arguments(place, operation)), "CacheNotWritable")
        with ledger.injection(9, "export to a disk mounted read-only"):
            target = str(place.out / "x.pt")
            outcome = place.run("export", name="small", target=target, format="pt")
            assert outcome.end == "failed", outcome.told()
            clear_or_done(outcome, "ExportError")
    finally:
        subprocess.run(["umount", str(place.run_root)], check=True)
    unharmed(place)


@as_root
@pytest.mark.sampled(8)
@pytest.mark.parametrize("operation", ["load", *WRITING])
@pytest.mark.parametrize(
    "names",
    [
        ("midas_small.pt",),
        ("midas_small.h5",),
        ("midas_small.pkl",),
        ("midas_small.pt", "midas_small.h5"),
        (".locks",),
        (".locks/small.lock",),
        (".partial",),
        (".used",),
        (".",),
    ],
    ids=" ".join,
)
def test_files_that_may_not_be_opened(
    names: tuple[str, ...], operation: str, place: Place, ledger: Ledger
) -> None:
    with ledger.injection(9, f"{operation}, {names} closed to all"):
        _own(place, "cached")
        (place.cache / ".used").mkdir(exist_ok=True)
        for name in names:
            os.chown(place.cache / name, 0, 0)
            (place.cache / name).chmod(0)
        outcome = place.run(operation, user=NOBODY, **arguments(place, operation))
        clear_or_done(outcome)
        if operation == "load" and names != (".",) and len(names) == 1:
            outcome.done()  # a whole file is left
        if operation == "load" and outcome.end == "done":
            assert place.fingerprints[outcome.value] == "A"


def _own(place: Place, state: str) -> None:
    """Bring ``run`` into a state, all of whose files are copies that belong to nobody."""
    place.reset(state)
    for path in [place.run_root, *place.run_root.rglob("*")]:
        if path.is_file():
            copy = path.read_bytes()
            path.unlink()
            path.write_bytes(copy)
        os.chown(path, NOBODY, NOBODY)


@as_root
@pytest.mark.sampled(4)
@pytest.mark.parametrize("umask", [0o777, 0o700, 0o277, 0o077, 0o000], ids=oct)
@pytest.mark.parametrize("name", ["download", "import", "export"])
def test_an_odd_umask(umask: int, name: str, place: Place, ledger: Ledger) -> None:
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
    with ledger.injection(9, f"{name} with umask {umask:o}"):
        _own(place, scenario.state)
        clear_or_done(scenario.run(place, user=NOBODY, umask=umask))
        clear_or_done(place.run("load", mirror="", name="small", user=NOBODY, umask=umask))
        for path in [place.run_root, *place.run_root.rglob("*")]:
            path.chmod(0o755)
        Check(place, scenario).sound()
        Check(place, scenario).again(user=NOBODY)


def _file(path: Path) -> None:
    path.write_text("not a directory")


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


KINDS = ("file", "dangling link", "loop", "pipe")
PARTS = (".locks", ".locks/small.lock", ".partial", ".used", ".damaged")
FILES = ("midas_small.pt", "midas_small.h5", "midas_small.pkl")


@pytest.mark.sampled(5)
@pytest.mark.parametrize("operation", ["load", *WRITING])
@pytest.mark.parametrize("make", [_file, _dangling, _loop, _pipe], ids=KINDS)
def test_a_cache_directory_that_is_none(
    make: Callable[[Path], None], operation: str, place: Place, ledger: Ledger
) -> None:
    with ledger.injection(9, f"{operation}, the cache directory is a {make.__name__[1:]}"):
        place.reset()
        make(place.cache)
        clear_or_done(place.run(operation, seconds=20, **arguments(place, operation)))
        assert place.cache.is_symlink() or not place.cache.is_dir(), "it was replaced"


@pytest.mark.sampled(10)
@pytest.mark.parametrize("operation", ["load", "download", "examine"])
@pytest.mark.parametrize("make", [_file, _dangling, _loop, _pipe, Path.mkdir], ids=[*KINDS, "directory"])
@pytest.mark.parametrize("name", [*PARTS, *FILES])
def test_a_part_of_the_cache_that_is_something_else(
    name: str, make: Callable[[Path], None], operation: str, place: Place, ledger: Ledger
) -> None:
    with ledger.injection(9, f"{operation}, {name} is a {make.__name__.strip('_')}"):
        place.reset("cached")
        path = place.cache / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        make(path)
        outcome = place.run(operation, seconds=20, **arguments(place, operation))
        clear_or_done(outcome)
        if operation == "load":  # a whole file is left in each case
            assert place.fingerprints[outcome.done()] == "A"
        if name in PARTS:
            assert path.exists() or path.is_symlink(), "it was removed"
