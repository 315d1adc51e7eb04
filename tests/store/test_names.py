from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from depthmap.catalog import CATALOG
from depthmap.errors import UsageError
from depthmap.store import names


def test_the_published_models_have_the_file_names_that_users_know() -> None:
    files = [names.file_name(spec.slug, "pt") for spec in CATALOG.values()]
    assert files[:4] == [
        "midas_dpt_large.pt",
        "midas_dpt_hybrid.pt",
        "midas_midas.pt",
        "midas_midas_small.pt",
    ]


@given(st.text(max_size=80))
def test_a_name_is_refused_or_survives_the_way_to_disk_and_back(name: str) -> None:
    try:
        slug = names.slug_of(name)
    except UsageError:
        return
    assert slug == name.lower()
    assert not set(slug) & set('/\\:*?"<>| \0')
    for format in names.FORMATS:
        assert names.parse(names.file_name(slug, format)) == (slug, format)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "a b",
        "x" * 65,
        "naïve",
        "con",
        "NUL.txt",
        "-x",
        ".x",
        "a..b",
        "x.",
    ],
)
def test_names_that_are_no_file_names_everywhere_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not a valid model name"):
        names.slug_of(name)


@given(st.text(max_size=40))
def test_foreign_file_names_are_not_ours(name: str) -> None:
    parsed = names.parse(name)
    assert parsed is None or names.file_name(*parsed) == name
