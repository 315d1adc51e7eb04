"""An output is written whole or not at all, and a target that refuses is explained."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from depthmap.depth import Depth
from depthmap.errors import ExportError, InsufficientDiskSpace, UsageError
from depthmap.outputs import OUTPUTS, Npy
from depthmap.outputs.publishing import publish

DEPTH = Depth(np.arange(12, dtype=np.float32).reshape(3, 4), pixels=np.zeros((3, 4, 3), np.uint8))


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.mark.parametrize("name", OUTPUTS)
def test_files_and_streams_hold_the_same_bytes_and_nothing_else_is_left(name, tmp_path):
    path = tmp_path / "out"
    stream = io.BytesIO()
    OUTPUTS[name].write(path, DEPTH)
    OUTPUTS[name].write(stream, DEPTH)
    assert path.read_bytes() == stream.getvalue()
    beside = [tmp_path / "out.json"] if OUTPUTS[name].has_sidecar else []
    assert sorted(tmp_path.iterdir()) == [path, *beside]
    assert not stream.closed


def test_a_failure_in_mid_file_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "out.npy"
    path.write_bytes(b"old")

    def fail(stream):
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="open files cannot be replaced there")
def test_whoever_reads_the_old_file_is_not_disturbed(tmp_path):
    path = tmp_path / "out.npy"
    OUTPUTS["npy"].write(path, DEPTH)
    mapped = np.load(path, mmap_mode="r")
    OUTPUTS["npy"].write(path, Depth(DEPTH.values + 1))
    assert np.array_equal(mapped, DEPTH)
    assert np.array_equal(np.load(path), Depth(DEPTH.values + 1))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_killed_writer_leaves_nothing_that_looks_whole(tmp_path, old):
    path = tmp_path / "out.npy"
    if old:
        path.write_bytes(old)
    code = """
    import os, signal, sys
    from depthmap.outputs.publishing import publish

    def encode(stream):
        stream.write(bytes(100_000))
        stream.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    publish(sys.argv[1], encode)
    """
    assert python(code, path).returncode == -signal.SIGKILL
    assert (path.read_bytes() if path.exists() else None) == old
    left = [file.name for file in tmp_path.iterdir() if file != path]
    assert all(name.startswith(".") and name.endswith(".part") for name in left)


def test_a_file_size_limit_is_too_little_space_and_leaves_nothing(tmp_path):
    pytest.importorskip("resource")
    code = """
    import resource, sys
    import numpy
    from depthmap import Depth
    from depthmap.errors import InsufficientDiskSpace
    from depthmap.outputs import OUTPUTS

    random = numpy.random.default_rng(0)
    pixels = random.integers(0, 256, (300, 300, 3), "u1")
    noise = Depth(random.random((300, 300)) + 1, "metric depth", pixels=pixels)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    for output in OUTPUTS.values():
        try:
            output.write(sys.argv[1], noise)
        except InsufficientDiskSpace as error:
            assert error.remedy, error
        else:
            sys.exit(f"{output.name} did not fail")
    """
    run = python(code, tmp_path / "out")
    assert run.returncode == 0, run.stderr.decode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", OUTPUTS)
def test_a_full_disk_is_too_little_space(name):
    with pytest.raises(InsufficientDiskSpace, match=r"Insufficient disk space.*/dev/full.*Free some"):
        OUTPUTS[name].write("/dev/full", DEPTH)
    with Path("/dev/full").open("wb", buffering=0) as stream, pytest.raises(InsufficientDiskSpace):
        OUTPUTS[name].write(stream, DEPTH)


def refused(target: Path, remedy: str) -> None:
    with pytest.raises(ExportError, match=remedy) as caught:
        OUTPUTS["npy"].write(target, DEPTH)
    assert caught.value.where == str(target)


def test_a_missing_directory_a_file_in_the_path_and_a_directory_are_explained(tmp_path):
    (tmp_path / "file").touch()
    refused(tmp_path / "missing" / "a.npy", "Create the directory first")
    refused(tmp_path / "file" / "a.npy", "part of the path is a file")
    refused(tmp_path, "add a file name")
    refused(tmp_path / ("n" * 300), "shorter name")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failed_file_of_numbers_is_not_left_beside_the_facts_of_the_earlier_one(tmp_path):
    path = tmp_path / "a.npy"
    OUTPUTS["npy"].write(path, DEPTH)
    assert json.loads((tmp_path / "a.npy.json").read_text())["kind"] == DEPTH.kind

    class Failing(Npy):
        def encode(self, stream, depth, options):
            raise OSError(errno.EIO, "it broke")

    with pytest.raises(ExportError):
        Failing().write(path, DEPTH)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_explained(tmp_path):
    tmp_path.chmod(0o500)
    refused(tmp_path / "a.npy", "may write to")


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_files_get_the_mode_that_the_umask_allows(tmp_path):
    code = """
    import os, sys
    import numpy
    from depthmap import Depth
    from depthmap.outputs import OUTPUTS

    os.umask(0o027)
    OUTPUTS["npy"].write(sys.argv[1], Depth(numpy.zeros((2, 2))))
    """
    assert python(code, tmp_path / "a.npy").returncode == 0
    assert (tmp_path / "a.npy").stat().st_mode & 0o777 == 0o640


def test_names_as_long_as_the_file_system_allows_are_written(tmp_path):
    path = tmp_path / ("n" * 251 + ".npz")
    OUTPUTS["npz"].write(path, DEPTH)
    assert np.array_equal(np.load(path)["values"], DEPTH)


def test_a_link_stays_a_link_and_its_file_is_written(tmp_path):
    (tmp_path / "disk").mkdir()
    real, link = tmp_path / "disk" / "real.npy", tmp_path / "link.npy"
    try:
        link.symlink_to(real)
    except OSError:
        pytest.skip("no links here")
    OUTPUTS["npy"].write(link, DEPTH)
    assert link.is_symlink()
    assert np.array_equal(np.load(real), DEPTH)


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
def test_a_device_is_written_to_and_not_replaced(tmp_path):
    OUTPUTS["npy"].write("/dev/null", DEPTH)
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("flags", [[], ["-u"]], ids=["buffered", "unbuffered"])
def test_outputs_go_through_a_pipe_whole(flags):
    code = """
    import sys
    import numpy
    from depthmap import Depth
    from depthmap.outputs import OUTPUTS

    OUTPUTS["npy"].write(sys.stdout.buffer, Depth(numpy.arange(250_000.0).reshape(500, 500)))
    """
    run = subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(code)], capture_output=True, check=True
    )
    assert np.array_equal(np.load(io.BytesIO(run.stdout)), np.arange(250_000.0).reshape(500, 500))


class Dripping(io.RawIOBase):
    """A raw stream that takes seven bytes at a time, as a slow socket may."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        part = bytes(data[:7])
        self.data += part
        return len(part)


def test_streams_that_take_a_part_at_a_time_get_everything():
    stream, whole = Dripping(), io.BytesIO()
    OUTPUTS["png16"].write(stream, DEPTH)
    OUTPUTS["png16"].write(whole, DEPTH)
    assert bytes(stream.data) == whole.getvalue()


def test_a_reader_that_went_away_is_a_broken_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as stream, pytest.raises(BrokenPipeError):
        OUTPUTS["npy"].write(stream, DEPTH)


def test_a_text_stream_is_refused():
    with pytest.raises(UsageError, match=r"sys\.stdout\.buffer"):
        OUTPUTS["npy"].write(io.StringIO(), DEPTH)
