from __future__ import annotations

from pathlib import Path

import pytest

from depthmap.errors import UsageError
from depthmap.settings import VARIABLES, Settings, from_environment

DOCS = Path(__file__).parents[1] / "docs" / "settings.md"


def test_nothing_set_gives_the_defaults() -> None:
    assert from_environment({}) == Settings(Path.home() / ".cache" / "depthmap" / "models")


def test_every_variable_is_read(tmp_path: Path) -> None:
    values = {
        "DEPTHMAP_CACHE_DIR": str(tmp_path),
        "DEPTHMAP_DISABLE_CACHE": "1",
        "DEPTHMAP_VERIFY": "always",
        "DEPTHMAP_MODEL": "MiDaS",
        "DEPTHMAP_MIRRORS": "http://a/x, file:///b/",
        "DEPTHMAP_OFFLINE": "yes",
        "DEPTHMAP_TIMEOUT": "2.5",
        "DEPTHMAP_CATALOG": str(tmp_path / "c.json"),
        "DEPTHMAP_EXPORT_DIR": str(tmp_path / "out"),
    }
    assert set(values) == set(VARIABLES)
    mirrors = ("http://a/x/", "file:///b/")
    files = (tmp_path / "c.json", tmp_path / "out")
    expected = Settings(tmp_path, True, "always", "MiDaS", mirrors, True, 2.5, *files)
    assert from_environment(values) == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEPTHMAP_DISABLE_CACHE", "perhaps"),
        ("DEPTHMAP_VERIFY", "never"),
        ("DEPTHMAP_MIRRORS", "ftp://x"),
        ("DEPTHMAP_TIMEOUT", "0"),
        ("DEPTHMAP_TIMEOUT", "soon"),
    ],
)
def test_a_value_that_cannot_be_is_an_error_that_names_the_variable(variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=variable):
        from_environment({variable: value})


def test_every_variable_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in VARIABLES if f"`{name}`" not in text] == []
