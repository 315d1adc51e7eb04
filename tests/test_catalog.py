from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from depthmap.catalog import CATALOG, EMBEDDED, ModelSpec, find, require, with_file
from depthmap.errors import UnknownModel, UsageError


def test_models_are_found_in_any_case_of_letters() -> None:
    assert require("dpt_LARGE").name == "DPT_Large"
    assert find("nope") is None
    with pytest.raises(UnknownModel, match="DPT_Hybrid"):
        require("nope")


def test_published_checkpoints_have_a_size_a_digest_and_a_licence() -> None:
    for spec in CATALOG.values():
        assert len(spec.sha256) == 64
        assert spec.bytes > 0
        assert spec.licence.startswith("MIT")


def test_a_spec_survives_json() -> None:
    for spec in CATALOG.values():
        assert ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_catalogue_file_changes_and_adds_models(tmp_path: Path) -> None:
    own = asdict(EMBEDDED) | {
        "name": "Own",
        "embedded": "",
        "path": "own.pt",
        "base": "https://models.example/",
    }
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"models": [{"name": "midas", "sha256": "0" * 64}, own]}))
    catalog = with_file(path)
    assert catalog["midas"].sha256 == "0" * 64
    assert catalog["midas"].bytes == CATALOG["midas"].bytes
    assert catalog["own"].url == "https://models.example/own.pt"
    assert CATALOG["midas"].sha256 != "0" * 64


WRONG = [
    "[{}]",
    '[{"name": "x"}]',
    '[{"name": "midas", "input_size": 1}]',
    '[{"name": "midas", "mean": [1]}]',
    "3",
]


@pytest.mark.parametrize("text", ["", "[]", *(f'{{"models": {entries}}}' for entries in WRONG)])
def test_a_catalogue_file_that_says_something_else_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(UsageError):
        with_file(tmp_path / "c.json")


def test_the_embedded_model_fits_its_bounds() -> None:
    import depthmap

    path = Path(depthmap.__file__).parent / "embedded" / EMBEDDED.embedded
    assert path.stat().st_size == EMBEDDED.bytes <= 10_000_000
    assert EMBEDDED.parameters <= 5_000_000
