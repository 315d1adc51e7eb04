"""No path and no name, however it is written, puts a byte outside of the export directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthmap.cache import ModelCache
from depthmap.errors import DepthmapError
from depthmap.settings import Settings
from depthmap.web.exports import ExportDirectory, ExportRefused

from .conftest import MODEL, WebServer, is_failure

EXPORT = f"/api/models/export/{MODEL}"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExportDirectory]:
    """An export directory with links that lead out of it, an outside, and a cache within."""
    top = tmp_path_factory.mktemp("held")
    root, outside = top / "exports", top / "outside"
    for directory in (root / "a", outside, root / "cache"):
        directory.mkdir(parents=True)
    (root / "out").symlink_to(outside)
    (root / "up").symlink_to("..")
    (root / "inner").symlink_to("a")
    (root / "linked.pt").symlink_to(outside / "linked.pt")
    (root / "circle").symlink_to("circle")
    (root / "secret.pt").symlink_to(root / "secret.txt")
    yield ExportDirectory(root, ModelCache(root / "cache"))
    assert not list(outside.iterdir())


PARTS = st.sampled_from(
    [
        "..",
        ".",
        "a",
        "out",
        "up",
        "inner",
        "cache",
        "circle",
        "linked.pt",
        "x.pt",
        "x.h5",
        "",
        "~",
        "…",
        "exports",
        "outside",
    ]
)
WRITTEN = st.one_of(
    st.lists(PARTS, max_size=6).map("/".join),
    st.lists(PARTS, max_size=6).map("\\".join),
    st.lists(PARTS, max_size=6).map(lambda parts: "/" + "/".join(parts)),
    st.text(max_size=40),
    st.text(max_size=40).map(lambda text: f"{text}.pt"),
)


@given(path=WRITTEN, below_root=st.booleans(), suffix=st.sampled_from(["", "/x.pt", ".pt", ".safetensors"]))
def test_a_path_is_placed_inside_or_refused(
    held: ExportDirectory, path: str, below_root: bool, suffix: str
) -> None:
    written = f"{held.root}/{path}{suffix}" if below_root else path + suffix
    try:
        target, format = held.place(written)
    except DepthmapError:
        return
    root = held.root.resolve()
    assert Path(os.path.realpath(target)).is_relative_to(root)
    assert not target.is_relative_to(root / "cache")
    assert target.suffix.lower() == f".{format}"
    assert format in ("pt", "h5", "safetensors", "pkl")


@given(name=st.one_of(WRITTEN, st.text(max_size=80)))
def test_no_name_leads_to_a_file_of_another_place(held: ExportDirectory, name: str) -> None:
    with pytest.raises(DepthmapError):
        held.export(name, "name.pt", "pt")
    assert not (held.root / "name.pt").exists()


@pytest.mark.parametrize(
    "path",
    [
        "../x.pt",
        "a/../../x.pt",
        "out/x.pt",
        "up/x.pt",
        "linked.pt",
        "/x.pt",
        "/tmp/x.pt",
        "../exports-2/x.pt",
        "cache/x.pt",
        "cache/midas_dpt_large.pt",
        "inner/../cache/x.pt",
    ],
)
def test_a_path_out_of_the_directory_or_into_the_cache_is_refused_with_the_remedy(
    held: ExportDirectory, path: str
) -> None:
    with pytest.raises(ExportRefused, match="DEPTHMAP_EXPORT_DIR"):
        held.place(path)


@pytest.mark.parametrize(
    ("path", "format"),
    [
        ("x.txt", "pt"),
        ("x", "pt"),
        ("x.pt", "h5"),
        ("x.pt.sh", ""),
        (".pt", "pt"),
        ("x.py", "py"),
        ("x.pt ", "pt"),
        ("x.pt/", "py"),
        ("secret.pt", "pt"),
        ("x.pt\n", "pt"),
        ("x.txt:y.pt", "pt"),
        ("x\0.pt", "pt"),
        (".", ""),
        ("", ""),
        ("n" * 300 + ".pt", "pt"),
        ("d/" * 3000 + "x.pt", "pt"),
        ("circle/x.pt", ""),
    ],
)
def test_nothing_but_a_model_file_can_be_named(held: ExportDirectory, path: str, format: str) -> None:
    with pytest.raises(DepthmapError) as caught:
        held.export(MODEL, path, format) if path == "circle/x.pt" else held.place(path, format)
    assert caught.value.remedy


def test_paths_inside_are_taken_also_when_absolute_or_through_links(held: ExportDirectory) -> None:
    root = held.root.resolve()
    assert held.place("x.pt") == (root / "x.pt", "pt")
    assert held.place("./a/../a/x.H5") == (root / "a" / "x.H5", "h5")
    assert held.place(str(held.root / "a" / "x.pkl"), "PKL") == (root / "a" / "x.pkl", "pkl")
    assert held.place("inner/x.safetensors") == (root / "a" / "x.safetensors", "safetensors")


@pytest.mark.parametrize("path", ["../x.pt", "/etc/x.pt", "link/x.pt"])
def test_the_api_refuses_paths_outside(server: WebServer, tmp_path: Path, path: str) -> None:
    (tmp_path / "exports" / "link").symlink_to(tmp_path)
    before = sorted(tmp_path.rglob("*.pt"))
    reply = server.client.post(EXPORT, json={"export_path": path, "format": "pt", "overwrite": True})
    assert is_failure(reply, 403, "ExportRefused")
    assert "DEPTHMAP_EXPORT_DIR" in reply.json()["remedy"]
    assert before == sorted(tmp_path.rglob("*.pt"))


def test_without_an_export_directory_it_is_the_working_directory(
    start: Callable[..., WebServer], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    server = start(replace(settings, export_dir=None))
    assert server.client.post(EXPORT, json={"export_path": "x.pt"}).status_code == 200
    assert (tmp_path / "work" / "x.pt").is_file()
    assert server.client.post(EXPORT, json={"export_path": "../x.pt"}).status_code == 403


def test_an_export_directory_that_does_not_exist_is_named(
    start: Callable[..., WebServer], settings: Settings
) -> None:
    server = start(replace(settings, export_dir=settings.cache_dir.parent / "missing"))
    reply = server.client.post(EXPORT, json={"export_path": "x.pt"})
    assert is_failure(reply, 409, "ExportError")
    assert "missing" in reply.json()["message"]
