"""Pages are brought in beside, before they are needed; what goes wrong there is nobody's concern."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from depthmap.formats import readahead
from depthmap.formats.opening import open_regular
from depthmap.formats.readahead import read_ahead
from support import python

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
SIZE = (20 << 20) + 123
"""More than two windows, and no whole number of pages."""


@pytest.fixture(autouse=True)
def small_windows_and_no_thread_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(readahead, "_WINDOW", 8 << 20)
    OTHERS[:] = threading.enumerate()
    yield
    finish()


@pytest.fixture
def cold(tmp_path: Path) -> Path:
    """A file none of which is in the page cache."""
    path = tmp_path / "model"
    write_cold(path)
    if share_cached(path):
        pytest.skip("this file system has no page cache of its own")
    return path


def write_cold(path: Path) -> None:
    """Write a file, over one that is there, and have none of it in the page cache."""
    with path.open("wb") as file:
        file.write(os.urandom(SIZE))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


OTHERS: list[threading.Thread] = []
"""Those that were there before a test, of other tests: they may wait a minute for a mapping."""


def reading() -> list[threading.Thread]:
    """Return the threads that read ahead for this test."""
    return [
        thread for thread in threading.enumerate() if thread.name == "read-ahead" and thread not in OTHERS
    ]


def finish() -> None:
    """Wait for the threads that read ahead."""
    for thread in reading():
        thread.join(30)
        assert not thread.is_alive()


def share_cached(path: Path) -> float:
    """Return which share of a file's pages is in the page cache."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapping:
        pages = -(-len(mapping) // mmap.PAGESIZE)
        seen = (ctypes.c_ubyte * pages)()
        address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
        assert ctypes.CDLL(None).mincore(ctypes.c_void_p(address), ctypes.c_size_t(len(mapping)), seen) == 0
        return sum(page & 1 for page in seen) / pages


def mapped(path: Path) -> mmap.mmap:
    """Map a file as `map_tensors` does."""
    with open_regular(path) as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        readahead.mapped(os.fstat(file.fileno()), mapping)
    return mapping


def bytes_in_page_table(path: Path) -> int:
    """Return how much of the mappings of a file this process would touch without a fault."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    return sum(
        1024 * int(next(line for line in lines if line.startswith("Rss:")).split()[1])
        for line in lines
        if line.endswith(str(path))
    )


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(1000):
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_a_cold_file_is_brought_into_the_page_cache(cold: Path) -> None:
    read_ahead(cold)
    assert eventually(lambda: share_cached(cold) == 1)


def test_a_later_file_with_the_inode_of_one_whose_mapping_never_came_is_brought_in_too(cold: Path) -> None:
    read_ahead(cold, populate=True)
    assert eventually(lambda: share_cached(cold) == 1)
    earlier, mapping = cold.stat(), mmap.mmap(-1, SIZE)
    write_cold(cold)
    assert cold.stat().st_ino == earlier.st_ino
    assert share_cached(cold) == 0
    read_ahead(cold)
    assert eventually(lambda: share_cached(cold) == 1)
    readahead.mapped(earlier, mapping)
    finish()


def test_what_is_in_the_page_cache_is_not_asked_for_again(
    cold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    bring = readahead._bring
    monkeypatch.setattr(
        readahead, "_bring", lambda window, *rest: asked.append(len(window)) or bring(window, *rest)
    )
    read_ahead(cold)
    finish()
    assert asked == [SIZE]
    asked.clear()
    read_ahead(cold)
    finish()
    assert asked == []


def test_the_mapping_has_all_its_pages_when_that_was_asked_for_and_else_none(cold: Path) -> None:
    read_ahead(cold)
    untouched = mapped(cold)
    finish()
    assert bytes_in_page_table(cold) == 0
    read_ahead(cold, populate=True)
    mapping = mapped(cold)
    finish()
    assert bytes_in_page_table(cold) >= SIZE
    assert mapping[:] == untouched[:] == cold.read_bytes()


def test_the_mapping_is_kept_for_the_window_at_hand_alone(
    cold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows: list[int] = []
    let_go = threading.Event()

    def madvise(mapping: mmap.mmap, start: int, length: int) -> int:
        windows.append(start)
        let_go.wait(30)
        return 0

    monkeypatch.setattr(readahead, "_cache", lambda path: None)
    monkeypatch.setattr(readahead, "_madvise", madvise)
    read_ahead(cold, populate=True)
    mapping = mapped(cold)
    gone = weakref.ref(mapping)
    assert eventually(lambda: windows == [0])
    del mapping
    let_go.set()
    finish()
    assert windows == [0]
    assert gone() is None
    assert bytes_in_page_table(cold) == 0


def test_a_mapping_that_was_closed_is_left_alone(cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = threading.Event()
    monkeypatch.setattr(readahead, "_cache", lambda path: closed.wait(30))
    read_ahead(cold, populate=True)
    mapping = mapped(cold)
    mapping.close()
    closed.set()
    finish()


def test_a_file_cut_short_under_its_mapping_ends_the_thread_not_the_process(cold: Path) -> None:
    mapping = mapped(cold)
    os.truncate(cold, 4096)
    read_ahead(cold, populate=True)
    with cold.open("rb") as file:
        readahead.mapped(os.fstat(file.fileno()), mapping)
    finish()
    assert mapping[:4096] == cold.read_bytes()


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [(readahead, "_POPULATE_READ", 9999), (sys, "platform", "darwin")],
)
def test_systems_that_cannot_populate_are_told_that_the_pages_will_be_needed(
    place: object, name: str, value: object, cold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, name, value)
    read_ahead(cold, populate=True)
    mapping = mapped(cold)
    assert eventually(lambda: share_cached(cold) == 1)
    finish()
    assert bytes_in_page_table(cold) == 0
    assert mapping[:] == cold.read_bytes()


@pytest.mark.parametrize("lacking", ["RWF_NOWAIT", "preadv"])
def test_where_it_cannot_be_told_what_is_cached_all_is_brought_in(
    lacking: str, cold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, lacking)
    read_ahead(cold)
    finish()
    assert share_cached(cold) == 1


def test_a_system_without_madvise_is_left_in_peace(cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readahead, "mmap", SimpleNamespace(mmap=object))
    read_ahead(cold)
    assert not reading()


def test_where_no_thread_can_begin_it_is_done_without(cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError))
        read_ahead(cold)
    read_ahead(cold)
    assert eventually(lambda: share_cached(cold) == 1)


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "fifo"):
        read_ahead(path)
    (tmp_path / "empty").touch()
    read_ahead(tmp_path / "empty")
    finish()


def test_a_process_ends_while_it_waits_and_a_child_begins_anew(cold: Path) -> None:
    code = f"""
import os, sys, threading
from pathlib import Path
from depthmap.formats import readahead
path = Path({str(cold)!r})
readahead.read_ahead(path, populate=True)  # for a mapping that never comes
assert "torch" not in sys.modules and "numpy" not in sys.modules
if os.fork() == 0:
    readahead.read_ahead(path, populate=True)
    names = [thread.name for thread in threading.enumerate()]
    os._exit(names.count("read-ahead") - 1)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    done = python(code)
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr


def test_twice_asked_is_read_once(cold: Path) -> None:
    read_ahead(cold, populate=True)
    read_ahead(cold, populate=True)
    assert len(reading()) == 1
    mapped(cold)
