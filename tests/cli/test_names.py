"""Names that strangers chose: escaped on a terminal, as they are in a pipe, ended with NUL if asked for."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import depthmap.cli
from cli.terminals import on_terminal
from depthmap.cli.output import printable, safe
from support import PHOTO

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs such names and a pseudo-terminal")
EVIL = "a\x1b]0;owned\x07\nb\u202e\x7f\x9b31m"
SHOWN = r"a\x1b]0;owned\x07\nb\u202e\x7f\x9b31m"


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo and a damaged one, both of evil names, in a directory of the current one."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    with Image.open(PHOTO) as photo:
        photo.resize((96, 64)).save(f"photos/{EVIL}.jpg")
    Path(f"photos/bad{EVIL}.jpg").write_bytes(b"no picture")
    return Path("photos")


def piped(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "depthmap", *args], capture_output=True, text=True, timeout=120
    )


def evil_in(text: str) -> list[str]:
    """Return the commands of evil names that a text holds; what depthmap itself sends is none."""
    return [part for part in ("\x1b]0;", "\x07", "\u202e", "\x7f", "\x9b") if part in text]


def one_line(seen: str) -> str:
    """Undo the wrapping of messages."""
    return "".join(seen.split())


@pytest.mark.parametrize(
    "args",
    [
        ["predict", f"photos/{EVIL}.jpg"],
        ["predict", "photos", "-o", "out"],
        ["batch", "photos", "-o", "out"],
        ["batch", "photos", "-o", "out", "--print0"],
        ["batch", "photos", "-o", "out", "--json"],
        ["predict", f"photos/bad{EVIL}.jpg", "-v"],
        ["predict", f"nosuch{EVIL}"],
        ["predict", f"ftp://host/{EVIL}"],
        ["predict", f"https://host/{EVIL}"],
        ["predict", "photos", "--model", EVIL],
        ["predict", "photos", "--output", EVIL],
        ["predict", "photos", "--device", EVIL],
        ["predict", f"photos/{EVIL}.jpg", "-o", f"out/{EVIL}.npy"],
        ["models", "import", f"{EVIL}.pt", "-n", "x"],
        ["models", "list", "--cache-dir", EVIL],
        ["models", "info", "--cache-dir", EVIL],
        ["doctor", "--no-predict", "--cache-dir", EVIL],
        [EVIL],
    ],
    ids=lambda args: " ".join(args).encode("unicode_escape").decode(),
)
def test_nothing_that_is_said_commands_a_terminal(photos: Path, args: list[str]) -> None:
    _, seen = on_terminal(args, 400)
    assert evil_in(seen) == []
    assert "owned" in one_line(seen)


def test_on_a_terminal_a_name_is_one_line_and_in_a_pipe_it_is_the_name(photos: Path) -> None:
    args = ["predict", f"photos/{EVIL}.jpg", "-f", "npy"]
    status, seen = on_terminal(args, 400)
    assert status == 0
    assert f"{SHOWN}_depth.npy" in seen.splitlines()
    assert piped(*args).stdout == f"{EVIL}_depth.npy\n"
    assert EVIL in piped("predict", f"photos/bad{EVIL}.jpg").stderr


@pytest.mark.parametrize("option", ["--print0", "-0"])
@pytest.mark.parametrize("command", ["predict", "batch"])
def test_names_may_end_with_nul(photos: Path, command: str, option: str) -> None:
    done = piped(command, "photos", "-o", "out", "-f", "npy,pfm", option)
    assert done.stdout == f"out/{EVIL}_depth.npy\0out/{EVIL}_depth.pfm\0"
    assert all(Path(name).is_file() for name in done.stdout.split("\0")[:-1])


def test_json_is_the_same_document_on_a_terminal(photos: Path) -> None:
    _, seen = on_terminal(["predict", f"nosuch{EVIL}", "--json"], 400)
    document = json.loads(seen[seen.index("{") :])
    assert document["where"] == f"nosuch{EVIL}"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text(st.characters(codec=None)))
def test_what_a_terminal_gets_commands_nothing_and_is_otherwise_the_text(text: str) -> None:
    shown = safe(text, Terminal())
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert safe(text, io.StringIO()) == text
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


def test_bytes_that_are_no_text_are_shown_as_bytes() -> None:
    assert printable(os.fsdecode(b"a\xffb")) == r"a\xffb"


def test_all_that_is_printed_comes_from_where_it_is_escaped() -> None:
    """The page of commands, and click's own help, hold nothing of strangers'."""
    printing = set()
    for path in Path(depthmap.cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print",
                "click.echo",
                "sys.stdout.write",
            ):
                printing.add(path.name)
    assert printing == {"session.py", "reference.py", "root.py"}
