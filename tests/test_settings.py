from __future__ import annotations

import os
from pathlib import Path

import pytest

from depthmap.errors import UsageError
from depthmap.settings import VARIABLES, Settings, from_environment
from support import python

DOCS = Path(__file__).parents[1] / "docs" / "settings.md"


def test_nothing_set_gives_the_defaults() -> None:
    assert from_environment({}) == Settings(Path.home() / ".cache" / "depthmap" / "models")


def test_the_cache_is_where_xdg_cache_home_says_unless_there_is_one_at_home(tmp_path: Path) -> None:
    home, moved = tmp_path / "home" / ".cache" / "depthmap" / "models", tmp_path / "moved"
    told = {"XDG_CACHE_HOME": str(moved)}
    assert from_environment(told).cache_dir == moved / "depthmap" / "models"
    assert (
        from_environment({"XDG_CACHE_HOME": "moved"}).cache_dir == home
    )  # relative: the specification says no
    assert from_environment({"XDG_CACHE_HOME": ""}).cache_dir == home
    assert from_environment(told | {"DEPTHMAP_CACHE_DIR": str(tmp_path / "c")}).cache_dir == tmp_path / "c"
    home.mkdir(parents=True)
    assert from_environment(told).cache_dir == home


def test_a_command_puts_models_below_xdg_cache_home(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEPTHMAP_CACHE_DIR")
    arguments = ["models", "import", str(tiny_checkpoint), "--name", "mine", "--format", "pt"]
    done = python(f"from depthmap.cli import main; main({arguments})", XDG_CACHE_HOME=str(tmp_path / "moved"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "moved" / "depthmap" / "models" / "midas_mine.pt").is_file()
    assert not (tmp_path / "home" / ".cache" / "depthmap").exists()


def test_every_variable_is_read(tmp_path: Path) -> None:
    values = {
        "DEPTHMAP_CACHE_DIR": os.pathsep.join([str(tmp_path), "/b"]),
        "DEPTHMAP_DISABLE_CACHE": "1",
        "DEPTHMAP_VERIFY": "always",
        "DEPTHMAP_MODEL": "MiDaS",
        "DEPTHMAP_MIRRORS": "http://a/x, file:///b/ s3://bucket",
        "DEPTHMAP_OFFLINE": "yes",
        "DEPTHMAP_ALLOW_UNVERIFIED": "1",
        "DEPTHMAP_TIMEOUT": "2.5",
        "DEPTHMAP_RETRIES": "7",
        "DEPTHMAP_CACHE_MAX_SIZE": "1.5GiB",
        "DEPTHMAP_LOAD": "read",
        "DEPTHMAP_TOKEN": "0123456789abcdef",
        "DEPTHMAP_CATALOG": str(tmp_path / "c.json"),
        "DEPTHMAP_ACCEPT": "DepthAnythingV2_Base, CC-BY-NC-4.0",
        "DEPTHMAP_EXPORT_DIR": str(tmp_path / "out"),
        "DEPTHMAP_MEMORY": "8GB",
        "DEPTHMAP_KEEP_ALIVE": "-1",
        "DEPTHMAP_QUEUE": "8",
        "DEPTHMAP_MAX_UPLOAD": "16MiB",
    }
    assert set(values) == set(VARIABLES)
    assert from_environment(values) == Settings(
        cache_dir=tmp_path,
        more_dirs=(Path("/b"),),
        disable_cache=True,
        verify="always",
        model="MiDaS",
        mirrors=("http://a/x/", "file:///b/", "s3://bucket/"),
        offline=True,
        allow_unverified=True,
        timeout=2.5,
        retries=7,
        max_size=3 << 29,
        load="read",
        token="0123456789abcdef",
        catalog=tmp_path / "c.json",
        accept=("depthanythingv2_base", "cc-by-nc-4.0"),
        export_dir=tmp_path / "out",
        memory=8 * 10**9,
        keep_alive=-1,
        queue=8,
        max_upload=16 << 20,
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEPTHMAP_DISABLE_CACHE", "perhaps"),
        ("DEPTHMAP_VERIFY", "never"),
        ("DEPTHMAP_MIRRORS", "models.example.org/x"),
        ("DEPTHMAP_CACHE_DIR", os.pathsep),
        ("DEPTHMAP_CACHE_MAX_SIZE", "lots"),
        ("DEPTHMAP_RETRIES", "-1"),
        ("DEPTHMAP_LOAD", "guess"),
        ("DEPTHMAP_TIMEOUT", "0"),
        ("DEPTHMAP_TIMEOUT", "soon"),
        ("DEPTHMAP_KEEP_ALIVE", "-2"),
        ("DEPTHMAP_KEEP_ALIVE", "nan"),
        ("DEPTHMAP_QUEUE", "many"),
        ("DEPTHMAP_MAX_UPLOAD", "-1"),
    ],
)
def test_a_value_that_cannot_be_is_an_error_that_names_the_variable(variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=variable):
        from_environment({variable: value})


def test_every_variable_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in VARIABLES if f"`{name}`" not in text] == []
