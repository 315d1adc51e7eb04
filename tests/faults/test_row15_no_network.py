"""Everything is cached, the network is gone: not one socket is made, by any command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from depthmap.cache import ModelCache
from support import PHOTO, flip

from .ledger import Ledger

# An audit hook sees every socket that Python makes, whoever asks for it; there is no way around it.
AUDITED = """
import sys
def hook(event, args):
    if event.startswith("socket."):
        sys.stderr.write(f"SOCKET {event} {args}\\n")
sys.addaudithook(hook)
from depthmap.cli import main
sys.exit(main(sys.argv[1:]))
"""
COMMANDS = {
    "models list": ["models", "list"],
    "models info": ["models", "info", "--detailed"],
    "models du": ["models", "du"],
    "download": ["models", "download", "--model", "mine"],
    "verify": ["models", "verify"],
    "repair": ["models", "repair"],
    "optimize": ["models", "optimize"],
    "export": ["models", "export", "--model", "mine", "--output", "out.h5"],
    "pin": ["models", "pin", "mine"],
    "evict": ["models", "evict", "--max-size", "1TB"],
    "adopt": ["models", "adopt"],
    "predict": ["predict", str(PHOTO), "--model", "mine", "-o", "depth"],
    "predict with the best": ["predict", str(PHOTO), "-o", "depth"],
    "predict with the embedded": ["predict", str(PHOTO), "-o", "depth", "--model", "Depthmap_Tiny"],
    "doctor": ["doctor", "--no-predict"],
}
QUICK = ("models list", "download", "predict")


@pytest.fixture
def cached(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModelCache:
    """A model in the cache, and settings that would let it be downloaded."""
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "0")
    monkeypatch.setenv("DEPTHMAP_MIRRORS", "http://127.0.0.1:9/")
    monkeypatch.chdir(tmp_path)
    cache = ModelCache()
    cache.import_file(tiny_checkpoint, "mine")
    return cache


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AUDITED, *arguments], capture_output=True, text=True, timeout=120
    )


def test_no_command_makes_a_socket(cached: ModelCache, ledger: Ledger, full: bool) -> None:
    for name, arguments in COMMANDS.items():
        if full or name in QUICK:
            with ledger.injection(15, name):
                done = run(*arguments)
                assert done.returncode == 0, done.stderr
                assert "SOCKET" not in done.stderr, done.stderr


def test_the_hook_sees_a_socket_when_there_is_one(cached: ModelCache, ledger: Ledger) -> None:
    with ledger.injection(15, "a model that is not there"):
        done = run("models", "download", "--model", "DPT_Large")
        assert done.returncode == 1
        assert "SOCKET socket.connect" in done.stderr


@pytest.mark.parametrize("variable", [True, False], ids=["DEPTHMAP_OFFLINE", "--offline"])
def test_offline_forbids_every_socket_and_says_what_can_be_done(
    cached: ModelCache, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, variable: bool
) -> None:
    if variable:
        monkeypatch.setenv("DEPTHMAP_OFFLINE", "1")
    given = [] if variable else ["--offline"]
    for arguments in (["models", "download", "--model", "DPT_Large"], ["predict", str(PHOTO), "-m", "MiDaS"]):
        with ledger.injection(15, f"offline: {arguments[0]}"):
            done = run(*arguments, *given)
            assert done.returncode == 1
            assert "SOCKET" not in done.stderr
            assert "DEPTHMAP_OFFLINE" in done.stderr
            assert "import" in done.stderr


def test_damage_is_mended_from_the_sibling_without_a_socket(cached: ModelCache, ledger: Ledger) -> None:
    with ledger.injection(15, "repair"):
        flip(cached.cache_dir / "midas_mine.pt", 700_000)
        done = run("models", "repair")
        assert done.returncode == 0, done.stderr
        assert "mended" in done.stdout
        assert "SOCKET" not in done.stderr
