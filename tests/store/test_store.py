"""The store keeps what it publishes, and says when it cannot."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from depthmap.catalog import CATALOG
from depthmap.errors import (
    CacheBusy,
    CacheNotWritable,
    InsufficientDiskSpace,
    ModelFileCorrupted,
    UnsafeFile,
)
from depthmap.store import Manifest, Store
from depthmap.store.commit import require_space, writing
from support import rot

SPEC = CATALOG["midas_small"]
SLUG = SPEC.slug


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", timeout=2)


def add(store: Store, content: bytes = b"weights", format: str = "pt") -> Path:
    with store.lock(SLUG), store.staging(SLUG, format) as staged:
        staged.write_bytes(content)
        store.add(store.known(SLUG) or Manifest(SPEC), SLUG, format, staged)
    return store.path(SLUG, format)


def test_what_was_added_is_there_recorded_and_stamped(store: Store) -> None:
    path = add(store)
    assert path.read_bytes() == b"weights"
    assert store.is_stamped(SLUG, "pt")
    assert store.verify(SLUG, "pt") == []
    assert store.files() == {SLUG: {"pt": path, "pkl": store.path(SLUG, "pkl")}}
    manifest = store.manifest(SLUG)
    assert manifest
    assert manifest.spec == SPEC
    assert not store.partial()


def test_a_changed_file_is_no_longer_stamped_and_its_damage_is_placed(store: Store) -> None:
    path = add(store, bytes(3 << 20))
    with path.open("r+b") as file:
        file.seek((2 << 20) + 7)
        file.write(b"x")
    assert not store.is_stamped(SLUG, "pt")
    assert store.verify(SLUG, "pt") == [2]
    assert not store.is_stamped(SLUG, "pt")


def test_damage_under_an_unchanged_stamp_is_found_by_verify(store: Store) -> None:
    path = add(store, bytes(2 << 20))
    with rot(path), path.open("r+b") as file:
        file.write(b"x")
    assert store.is_stamped(SLUG, "pt")
    assert store.verify(SLUG, "pt") == [0]


def test_a_change_is_seen_though_the_file_s_time_is_set_back(store: Store) -> None:
    path = add(store, bytes(2 << 20))
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"x")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not store.is_stamped(SLUG, "pt")


def test_a_touched_file_is_verified_once_and_stamped_again(store: Store) -> None:
    path = add(store)
    os.utime(path, ns=(0, 0))
    assert not store.is_stamped(SLUG, "pt")
    assert store.verify(SLUG, "pt") == []
    assert store.is_stamped(SLUG, "pt")


def test_a_truncated_file_is_corrupted(store: Store) -> None:
    path = add(store, b"12345")
    path.write_bytes(b"123")
    with pytest.raises(ModelFileCorrupted, match="it has 3 bytes instead of 5"):
        store.verify(SLUG, "pt")


def test_a_damaged_manifest_is_an_error_and_never_in_the_way(store: Store) -> None:
    add(store)
    store.path(SLUG, "pkl").write_bytes(b"\x80\x04}.")
    with pytest.raises(ModelFileCorrupted):
        store.manifest(SLUG)
    assert store.known(SLUG) is None
    store.path(SLUG, "pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(UnsafeFile):
        store.manifest(SLUG)


def test_a_manifest_of_a_newer_schema_is_read_as_far_as_it_is_known(store: Store) -> None:
    import pickle

    add(store)
    data = pickle.loads(store.path(SLUG, "pkl").read_bytes())
    data |= {"schema": 99, "of_the_future": [1]}
    data["spec"]["of_the_future"] = 2
    store.path(SLUG, "pkl").write_bytes(pickle.dumps(data))
    assert store.is_stamped(SLUG, "pt")


def test_replacing_a_file_leaves_those_who_have_it_open_theirs(store: Store) -> None:
    path = add(store, b"old" * 10_000)
    with path.open("rb") as reader:
        add(store, b"new")
        assert reader.read() == b"old" * 10_000
    assert path.read_bytes() == b"new"


def test_a_writer_that_fails_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.lock(SLUG), store.staging(SLUG, "pt") as staged:
            staged.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.files() == {}
    assert store.partial() == []


def test_a_writer_that_was_killed_leaves_a_partial_file_that_is_known_as_such(store: Store) -> None:
    code = f"""
import os, signal
from pathlib import Path
from depthmap.store import Store
store = Store(Path({str(store.root)!r}))
with store.lock({SLUG!r}), store.staging({SLUG!r}, "pt") as staged:
    staged.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert [slug for slug, _ in store.partial()] == [SLUG]
    assert store.files() == {}
    add(store)  # and its lock is gone with it


def test_unknown_files_are_not_models(store: Store) -> None:
    add(store)
    for name in ("notes.txt", "midas_.pt", "midas_x.pt.bak", "MIDAS_X.pt"):
        (store.root / name).write_bytes(b"mine")
    (store.root / "midas_folder.pt").mkdir()
    (store.root / "midas_dangling.pt").symlink_to(store.root / "nowhere")
    assert set(store.files()) == {SLUG}


def test_one_writer_at_a_time_over_threads(store: Store) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        with Store(store.root, timeout=30).lock(SLUG):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_the_holder_of_a_lock_may_take_it_again(store: Store) -> None:
    with store.lock(SLUG), store.lock(SLUG, timeout=0.1):
        add(store)
    assert store.is_stamped(SLUG, "pt")


def test_a_lock_that_is_held_elsewhere_is_a_clear_error(store: Store) -> None:
    code = f"""
import sys
from pathlib import Path
from depthmap.store import Store
with Store(Path({str(store.root)!r})).lock({SLUG!r}):
    print("held", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdin
    with process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(CacheBusy, match="another process is writing"), store.lock(SLUG, timeout=0.1):
            pass
        process.stdin.close()
    with store.lock(SLUG, timeout=5):
        pass


def test_a_cache_directory_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    store = Store(tmp_path / "cache")
    assert store.files() == {}
    with pytest.raises(CacheNotWritable, match=r"Cache directory not writable.*DEPTHMAP_CACHE_DIR"):
        add(store)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_cache_that_may_not_be_written_is_a_clear_error_and_can_be_read() -> None:
    with tempfile.TemporaryDirectory() as directory:  # not pytest's, which nobody else may enter
        store = Store(Path(directory) / "cache")
        add(store)
        code = f"""
import concurrent.futures.thread, depthmap.formats.metadata, filelock, os  # what comes later could not be read
from pathlib import Path
from depthmap.errors import CacheNotWritable
from depthmap.store import Store
if os.getuid() == 0:
    os.setuid(65534)  # root may write anywhere
store = Store(Path({str(store.root)!r}))
assert store.is_stamped({SLUG!r}, "pt") and store.verify({SLUG!r}, "pt") == []
try:
    with store.lock("other"):
        pass
except CacheNotWritable as error:
    print(error)
"""
        places = [store.root.parent, store.root, store.root / ".locks"]
        for place in places:
            place.chmod(0o555)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        for place in places:
            place.chmod(0o755)
    assert "Cache directory not writable" in done.stdout, done.stderr


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(store: Store) -> None:
    store.root.mkdir()
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))  # a real write that fails half-way
from pathlib import Path
from depthmap.errors import InsufficientDiskSpace
from depthmap.store import Store
store = Store(Path({str(store.root)!r}))
try:
    with store.lock({SLUG!r}), store.staging({SLUG!r}, "pt") as staged:
        staged.write_bytes(bytes(1 << 20))
except InsufficientDiskSpace as error:
    print(error)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Insufficient disk space" in done.stdout, done.stderr
    assert store.partial() == []


def test_too_little_space_is_found_beforehand(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(InsufficientDiskSpace, match=r"MB are needed, .* MB are free"):
        require_space(tmp_path / "not" / "yet", 10**18)


def test_errors_that_are_not_the_disk_s_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), writing(tmp_path):
        raise BlockingIOError(11, "try again")


def test_setting_aside_moves_and_removing_unlinks(store: Store) -> None:
    path = add(store)
    aside = store.set_aside(SLUG, "pt")
    assert aside
    assert aside.read_bytes() == b"weights"
    assert not path.exists()
    assert store.aside() == [(SLUG, aside)]
    add(store)
    assert {p.name for p in store.remove(SLUG)} == {"midas_midas_small.pt", "midas_midas_small.pkl"}
    assert store.files() == {}


def test_use_is_noted(store: Store) -> None:
    add(store)
    assert store.last_used(SLUG) == 0
    store.touch(SLUG)
    assert abs(store.last_used(SLUG) - time.time()) < 60
