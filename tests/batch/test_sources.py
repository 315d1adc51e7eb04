"""Sources stream: folders, patterns, lists, archives, tables, stores."""

from __future__ import annotations

import io
import itertools
import os
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from depthmap.batch import on_ray, udf
from depthmap.batch.sources import Item, items, open_sources
from depthmap.errors import MissingExtra, UsageError
from support import PHOTO

JPEG = PHOTO.read_bytes()


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def tar(path: Path, mode: str = "w", **members: bytes) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # any of its modes
        for name, data in members.items():
            member = tarfile.TarInfo(name.replace("__", "/") + ".jpg")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def found(*names: str | Path, lists: Iterable[str] = (), **options: object) -> list[Item]:
    return list(items(open_sources(names, lists, **options)))  # type: ignore[arg-type]  # those of the function


def paths(*names: str | Path, lists: Iterable[str] = (), **options: object) -> list[str]:
    return sorted(item.path for item in found(*names, lists=lists, **options) if not item.error)


def test_a_folder_gives_its_pictures_and_those_below_only_if_asked(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.PNG", "c.txt", ".d.jpg", "sub/e.jpg", ".hidden/f.jpg")
    assert paths(tmp_path) == ["a.jpg", "b.PNG"]
    assert paths(tmp_path, recursive=True) == ["a.jpg", "b.PNG", "sub/e.jpg"]


def test_a_folder_is_not_listed_before_its_first_picture_comes(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{number}.jpg" for number in range(50)))
    stream = items(open_sources([tmp_path]))
    first = next(stream)
    for path in tmp_path.iterdir():
        if path.name != first.path:
            path.unlink()
    touch(tmp_path, "later/x.jpg")
    assert len(list(stream)) <= 49


def test_earlier_outputs_in_or_below_a_folder_are_no_pictures(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "a.jpg",
        "a_depth.png",
        "a.jpg_depth.png",
        "b_depth.png",
        "out/a.jpg_colour.png",
        "sub/c.jpg",
    )
    assert paths(tmp_path, recursive=True, out=tmp_path / "out") == ["a.jpg", "b_depth.png", "sub/c.jpg"]


def test_a_folder_that_cannot_be_read_is_an_error_and_the_others_go_on(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg")
    both = found(tmp_path / "a", tmp_path / "nosuch*")
    assert [item.path for item in both if not item.error] == ["a/x.jpg"]
    assert [str(item.error) for item in both if item.error and "No picture matches" in str(item.error)]


def test_patterns_match_as_in_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "p/a1.jpg", "p/b1.jpg", "p/a2.txt", "p/q/a3.jpg", "p/q/r/a4.jpg", "p/.a5.jpg", "[x].jpg")
    monkeypatch.chdir(tmp_path)
    assert paths("p/a*.jpg") == ["a1.jpg"]
    assert paths(tmp_path / "p" / "?1.jpg") == ["a1.jpg", "b1.jpg"]
    assert paths("p/**/a*.jpg") == ["a1.jpg", "q/a3.jpg", "q/r/a4.jpg"]
    assert paths("*/q/a*.jpg") == ["p/q/a3.jpg"]
    assert paths("[x].jpg") == ["[x].jpg"]
    with pytest.raises(UsageError, match="only once"):
        open_sources(["p/**/q/**/a.jpg"])


def test_lists_hold_lines_or_names_that_end_with_nul(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_bytes(b"a.jpg\r\n\n./b c.jpg\nhttps://example.org/d.jpg")
    (tmp_path / "nul.txt").write_bytes(b"a.jpg\0new\nline.jpg\0")
    assert paths(lists=[str(tmp_path / "lines.txt")]) == ["a.jpg", "b c.jpg", "https://example.org/d.jpg"]
    assert paths(lists=[str(tmp_path / "nul.txt")]) == ["a.jpg", "new\nline.jpg"]


def test_a_list_from_a_pipe_is_used_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(read))
    os.write(write, b"a.jpg\nb.jpg\nhalf")
    stream = items(open_sources((), ["-"]))
    assert [item.path for item in itertools.islice(stream, 2)] == ["a.jpg", "b.jpg"]
    os.close(write)
    assert [item.path for item in stream] == ["half"]
    sys.stdin.close()


def test_a_list_that_is_none_or_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * 200_000)
    errors = [str(item.error) for item in found(lists=[str(tmp_path / "data"), str(tmp_path / "nosuch")])]
    assert "no list of names" in errors[0]
    assert "cannot be read" in errors[1]


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.xz"])
def test_an_archive_gives_its_pictures_with_their_bytes(tmp_path: Path, ending: str) -> None:
    mode = {"tar": "w"}.get(ending[1:], f"w:{ending.rpartition('.')[2]}")
    archive = tar(tmp_path / f"shard{ending}", mode, one=b"1" * 700, sub__two=b"22")
    loaded = [item.loaded() for item in items(open_sources([archive]))]
    assert [(item.path, item.data) for item in loaded] == [("one.jpg", b"1" * 700), ("sub/two.jpg", b"22")]
    assert len({item.tag for item in loaded}) == 2


def test_archives_that_a_pattern_or_a_list_names_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tar(tmp_path / "a.tar", x=b"1")
    tar(tmp_path / "b.tar", x=b"2")
    assert paths(tmp_path / "*.tar") == ["a/x.jpg", "b/x.jpg"]
    monkeypatch.chdir(tmp_path)
    Path("list").write_text("a.tar\nb.tar\n")
    assert paths(lists=["list"]) == ["a/x.jpg", "b/x.jpg"]


@pytest.mark.parametrize("length", [3000, 4000])
def test_an_archive_that_is_cut_short_gives_what_it_has_and_an_error(tmp_path: Path, length: int) -> None:
    archive = tar(tmp_path / "shard.tar", one=b"1" * 2000, two=b"2" * 2000)
    archive.write_bytes(archive.read_bytes()[:length])
    loaded = [item.loaded() for item in items(open_sources([archive]))]
    assert loaded[0].data == b"1" * 2000
    assert "cut short" in str(loaded[-1].error)


def test_paths_of_several_sources_begin_with_what_the_source_is_called(tmp_path: Path) -> None:
    touch(tmp_path, "a/p/x.jpg", "b/p/x.jpg", "y.jpg")
    named = [tmp_path / "a" / "p", tmp_path / "b" / "p", tmp_path / "y.jpg"]
    assert paths(*named) == ["p-2/x.jpg", "p/x.jpg", f"pictures/{tmp_path / 'y.jpg'}"]


@pytest.mark.extra
def test_tables_give_bytes_or_what_lies_at_their_paths(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    touch(tmp_path, "a.jpg")
    table = {
        "id": [1, 2],
        "image": [{"bytes": b"one", "path": "x.jpg"}, {"bytes": b"two", "path": None}],
        "path": [str(tmp_path / "a.jpg"), "https://example.org/b.jpg?c=1"],
    }
    parquet.write_table(arrow.table(table), tmp_path / "t.parquet")
    by_bytes = found(tmp_path / "t.parquet")
    assert [(item.path, item.data) for item in by_bytes] == [("00000000", b"one"), ("00000001", b"two")]
    by_path = found(tmp_path / "t.parquet", column="path")
    assert [item.path for item in by_path] == ["00000000_a.jpg", "00000001_b.jpg"]
    assert by_path[0].place == str(tmp_path / "a.jpg")
    (wrong,) = found(tmp_path / "t.parquet", column="nosuch")
    assert "id, image, path" in str(wrong.error)


def test_what_a_source_needs_is_named_when_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from depthmap.extras import Extra

    monkeypatch.setattr(Extra, "is_installed", lambda extra: False)
    touch(tmp_path, "t.parquet")
    with pytest.raises(MissingExtra, match=r"depthmap\[parquet\]"):
        open_sources([tmp_path / "t.parquet"])
    with pytest.raises(MissingExtra, match=r"depthmap\[remote\]"):
        open_sources(["s3://bucket/photos"])


def test_what_tables_of_ray_and_spark_need_is_named_when_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("ray", "pyspark", "pandas"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"depthmap\[ray\]"):
        on_ray(None)  # type: ignore[arg-type]  # it is not looked at
    with pytest.raises(MissingExtra, match=r"depthmap\[spark\]"):
        udf()


@pytest.mark.extra
def test_stores_are_walked_and_their_archives_opened(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.jpg", "in/sub/b.jpg", "in/c.txt")
    tar(tmp_path / "in" / "s.tar", x=b"1")
    url = (tmp_path / "in").as_uri()
    assert paths(url) == ["a.jpg", "s/x.jpg"]
    assert paths(url, recursive=True) == ["a.jpg", "s/x.jpg", "sub/b.jpg"]
    assert paths(f"{url}/*.jpg") == ["a.jpg"]
    assert paths(f"{url}/s.tar") == ["s/x.jpg"]
    (item,) = found(f"{url}/a.jpg")
    assert item.tag
    (missing,) = found(f"{url}/nosuch.jpg")
    assert "cannot be read" in str(missing.error)


@pytest.mark.extra
def test_stores_on_the_network_are_refused_offline_and_chained_urls_always(tmp_path: Path) -> None:
    (offline,) = found("s3://bucket/photos")
    assert "DEPTHMAP_OFFLINE" in str(offline.error)
    (chained,) = found("file:///x::https://127.0.0.1/secret")
    assert "chained" in str(chained.error)
