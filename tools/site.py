"""Lay out the pages of the documentation site for `zensical build`, in build/pages; see `make docs`.

::

    python -m tools.site

The pages are those of docs/ and of the repository's root, which are written to be read on a forge. What differs on the
site: links to files that are no pages of it lead to the forge, and ``<!-- api: NAME -->`` becomes the reference of that
name, made from its docstring.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = ROOT / "build" / "pages"
FORGE = "https://github.com/depthmap/depthmap/blob/main"
OF_THE_ROOT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Pages of the repository's root, and what they are on the site."""
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")
API = re.compile(r"^<!-- api: (\S+)( members)? -->$", re.MULTILINE)
MEMBERS = "\n    options:\n      show_root_heading: false\n      show_root_toc_entry: false"
"""For a module that has its own heading on the page."""
STYLE = """\
/* the copy button takes commands without their prompts, and without what they print */
[data-md-copying] .gp, [data-md-copying] .go { display: none; }
"""


def main() -> None:
    """Write build/pages anew."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(DOCS / "images", PAGES / "images")
    (PAGES / "site.css").write_text(STYLE, encoding="utf-8")
    sources = [*DOCS.rglob("*.md"), *(ROOT / name for name in OF_THE_ROOT)]
    for source in sources:
        name = source.relative_to(ROOT).as_posix()
        page = PAGES / place(name)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(laid_out(source.read_text(encoding="utf-8"), name), encoding="utf-8")


def place(name: str) -> str:
    """Return where a file of the repository is on the site."""
    return OF_THE_ROOT.get(name, name.removeprefix("docs/"))


def laid_out(text: str, name: str) -> str:
    """Return the text of a page, ``name`` in the repository, as it is on the site."""
    linked = LINK.sub(lambda m: m[1] + target_of(m[2], name) + m[3], text)
    return API.sub(lambda m: f"::: {m[1]}{MEMBERS if m[2] else ''}\n", linked)


def target_of(link: str, name: str) -> str:
    """Return where a relative link of a page leads on the site: to another page, else to the forge.

    What is neither stays as it is, so that a strict build complains of it.
    """
    target = os.path.normpath(PurePosixPath(name).parent / link).replace(os.sep, "/")
    if not (ROOT / target).exists():
        return link
    if target in OF_THE_ROOT or target.startswith("docs/"):
        return os.path.relpath(place(target), PurePosixPath(place(name)).parent).replace(os.sep, "/")
    return f"{FORGE}/{target}"


if __name__ == "__main__":
    main()
