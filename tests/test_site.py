"""The documentation site has every page, and its pages lead where those on a forge lead."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from tools import readme
from tools.site import API, DOCS, FORGE, OF_THE_ROOT, ROOT, laid_out, place

import depthmap

SOURCES = sorted([*(ROOT / name for name in OF_THE_ROOT), *DOCS.rglob("*.md")])
NAMES = [m[1] for page in SOURCES for m in API.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    ("page", "link", "target"),
    [
        ("README.md", "docs/cli.md", "cli.md"),
        ("README.md", "docs/images/coffee_3d.png", "images/coffee_3d.png"),
        ("docs/cli.md", "cache.md#size", "cache.md#size"),
        ("docs/cli.md", "../README.md", "index.md"),
        ("docs/api/errors.md", "../python.md", "../python.md"),
        ("docs/api/errors.md", "../../CHANGELOG.md", "../changelog.md"),
        ("docs/models.md", "../training/README.md#rendering", f"{FORGE}/training/README.md#rendering"),
        ("docs/cli.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("docs/cli.md", "#exit-codes", "#exit-codes"),
    ],
)
def test_a_link_leads_to_a_page_of_the_site_or_else_to_the_forge(page: str, link: str, target: str) -> None:
    assert laid_out(f"See [it]({link}), and go on.", page) == f"See [it]({target}), and go on."


def test_a_broken_link_stays_so_that_a_strict_build_fails() -> None:
    assert laid_out("[it](nowhere.md)", "docs/cli.md") == "[it](nowhere.md)"


def test_the_menu_has_every_page_once() -> None:
    config = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    pages = [place(path.relative_to(ROOT).as_posix()) for path in SOURCES]
    assert sorted(re.findall(r'"([\w/-]+\.md)"', config)) == sorted(pages)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_reference_names_is_there(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert attribute in dir(import_module(module))
    assert f"::: {name}\n" in laid_out(f"<!-- api: {name} -->", "docs/api/depthmap.md")


def test_the_reference_has_every_public_name() -> None:
    public = {f"depthmap.{name}" for name in depthmap.__all__} - {"depthmap.__version__"}
    assert public - {"depthmap.DepthmapError"} <= set(NAMES)
    assert "depthmap.errors" in NAMES, "which has DepthmapError"


def test_the_pictures_of_the_gallery_are_all_shown_and_small() -> None:
    shown = set(
        re.findall(r"\]\((images/gallery_\w+\.jpg)\)", (DOCS / "gallery.md").read_text(encoding="utf-8"))
    )
    there: set[Path] = set((DOCS / "images").glob("gallery_*"))
    assert {path.relative_to(DOCS).as_posix() for path in there} == shown
    assert sum(path.stat().st_size for path in there) < 1_500_000


def test_everything_names_the_same_repository() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (source,) = re.findall(r'^Source = "(.*)"$', project, re.MULTILINE)
    assert source == readme.FORGE
    assert f'repo_url = "{source}"' in (ROOT / "zensical.toml").read_text(encoding="utf-8")
    assert f"{source}/blob/main" == FORGE
    assert f'Changelog = "{source}/' in project
    assert f'Issues = "{source}/' in project
