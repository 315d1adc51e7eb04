from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest

from depthmap.catalog import (
    CATALOG,
    EMBEDDED,
    GROUPS,
    RECOMMENDED,
    ModelSpec,
    by_accuracy,
    find,
    require,
    with_file,
)
from depthmap.errors import UnknownModel, UsageError
from depthmap.licences import LICENCES
from depthmap.published import BY_ACCURACY


def test_models_are_found_in_any_case_of_letters() -> None:
    assert require("dpt_LARGE").name == "DPT_Large"
    assert find("nope") is None
    with pytest.raises(UnknownModel, match="DPT_Hybrid"):
        require("nope")
    with pytest.raises(UnknownModel, match=r"Did you mean DepthAnythingV2_Base.*--all") as error:
        require("depthanything_v2_base")
    assert "DepthAnythingV1_Base" not in error.value.remedy.partition("Known models")[2]


SIZE_UNKNOWN = {"DepthAnythingV1_Small", "DepthAnythingV1_Base", "DA3_Base", "DPT_SwinV2_L_384"}
BOTH_UNKNOWN = {
    "DA3_Mono_Large",
    "DPT_BEiT_B_384",
    "DPT_SwinV2_B_384",
    "DPT_SwinV2_T_256",
    "DPT_LeViT_224",
}
"""Models of which nobody has published the size of the file, and of which neither the size nor the digest."""
OPEN = {"MIT", "Apache-2.0"}
"""Licences that let anybody use the weights for anything."""
EARLIER = ["DPT_Large", "DPT_Hybrid", "MiDaS", "MiDaS_small", "Depthmap_Tiny"]
"""The models of the versions that had no others, in their order."""


@pytest.mark.parametrize("spec", CATALOG.values(), ids=lambda spec: spec.name)
def test_every_model_says_what_it_is(spec: ModelSpec) -> None:
    assert len(spec.sha256) == (0 if spec.name in BOTH_UNKNOWN else 64)
    assert (spec.bytes == 0) == (spec.name in SIZE_UNKNOWN | BOTH_UNKNOWN)
    assert spec.url or spec.embedded
    assert spec.parameters > 0
    assert spec.about
    assert spec.group in GROUPS
    assert bool(spec.accuracy) == bool(spec.accuracy_source)
    assert ModelSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize("spec", CATALOG.values(), ids=lambda spec: spec.name)
def test_whatever_licence_is_not_open_is_to_be_accepted_and_of_fine_tuned_weights_the_stricter(
    spec: ModelSpec,
) -> None:
    assert (spec.licence_name in OPEN) == (not spec.terms)
    tuned_from_closed = spec.group.startswith("Depth Anything V2") and not spec.name.endswith("Small")
    assert bool(spec.terms) == (tuned_from_closed or spec.group == "Depth Pro")
    assert not spec.terms or spec.terms in LICENCES


def test_the_list_begins_with_the_models_that_it_always_had() -> None:
    assert [spec.name for spec in CATALOG.values()][: len(EARLIER)] == EARLIER


def test_the_groups_are_one_after_another() -> None:
    groups = [spec.group for spec in CATALOG.values()]
    assert list(dict.fromkeys(groups)) == list(GROUPS)
    assert sum(one != other for one, other in pairwise(groups)) == len(GROUPS) - 1


def test_the_short_list_has_what_it_always_had_and_one_or_two_of_each_other_group_that_has_a_free_one() -> (
    None
):
    short = [spec for spec in CATALOG.values() if spec.short]
    assert [spec.name for spec in short][: len(EARLIER)] == EARLIER
    later = Counter(spec.group for spec in short[len(EARLIER) :])
    free = {spec.group for spec in CATALOG.values() if not spec.terms}
    assert set(later) == free - {CATALOG[n.lower()].group for n in EARLIER}
    assert set(later.values()) <= {1, 2}
    assert not any(spec.terms for spec in short)


def test_the_default_is_never_a_model_of_another_kind_or_with_a_licence_to_accept() -> None:
    order = list(by_accuracy(CATALOG))
    assert {spec.kind for spec in order} == {"relative inverse depth"}
    assert not any(spec.terms or spec.embedded for spec in order)
    assert {spec.name for spec in order} == set(BY_ACCURACY)
    assert require(RECOMMENDED) in order


def test_of_midas_the_default_is_the_most_accurate_by_what_is_published() -> None:
    midas = [spec for spec in by_accuracy(CATALOG) if spec.group == "MiDaS"]
    assert [spec.name for spec in midas] == EARLIER[:4]
    assert [_shares(spec) for spec in midas] == sorted(map(_shares, midas), reverse=True)


def test_a_model_of_depth_anything_goes_before_midas_where_its_published_figures_are_better() -> None:
    small, large = require("DepthAnythingV1_Small"), require("DPT_Large")
    assert all(one > other for one, other in zip(_shares(small), _shares(large), strict=True))


def _shares(spec: ModelSpec) -> list[float]:
    """Return the published shares of pixels within 25 %, in percent."""
    return [float(number) for number in re.findall(r"([\d.]+) %", spec.accuracy)]


def test_models_of_a_catalogue_file_come_last_where_none_is_named(tmp_path: Path) -> None:
    own = asdict(EMBEDDED) | {"name": "Own", "embedded": "", "path": "own.pt"}
    (tmp_path / "c.json").write_text(json.dumps({"models": [own, own | {"name": "Closed", "terms": "Ours"}]}))
    order = [spec.name for spec in by_accuracy(with_file(tmp_path / "c.json"))]
    assert order == [*BY_ACCURACY, "Own"]


def test_what_files_say_of_a_model_is_what_earlier_versions_said() -> None:
    """An equal model is an equal .h5, on machines of either version."""
    said = require("DPT_Large").as_metadata()["spec"]
    assert list(said) == [
        "name", "network", "input_size", "resize", "mean", "std", "path", "bytes", "sha256",
        "parameters", "licence", "about", "embedded", "hub_names", "hf_repo", "base",
    ]  # fmt: skip


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


def test_the_page_of_models_has_what_the_catalogue_has() -> None:
    from tools.models import PAGE, page

    current = PAGE.read_text(encoding="utf-8")
    assert page(current) == current, "run: python -m tools.models"
