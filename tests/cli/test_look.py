"""Sizes and tables, as users write and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthmap.cli.output import size_text, table
from depthmap.cli.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("2GB", 2_000_000_000),
        ("500MB", 500_000_000),
        ("500 mb", 500_000_000),
        ("1.5GiB", 1_610_612_736),
        ("10k", 10_000),
        ("1T", 10**12),
        ("1024", 1024),
        ("7B", 7),
        ("0", 0),
    ],
)
def test_sizes_are_read_as_users_write_them(text: str, nbytes: int) -> None:
    assert parse_size(text) == nbytes


@given(st.text(max_size=8))
def test_what_is_no_size_is_refused_and_nothing_else_happens(text: str) -> None:
    said = ""
    try:
        assert parse_size(text) >= 0
    except ValueError as error:
        said = str(error)
    assert not said or "is not a size" in said


@given(st.integers(0, 10**15))
def test_a_size_that_was_printed_is_read_back_nearly(nbytes: int) -> None:
    assert parse_size(size_text(nbytes)) == pytest.approx(nbytes, rel=0.006, abs=0.5)


@given(
    st.lists(
        st.tuples(
            *[st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=n) for n in (64, 10, 200)]
        )
    )
)
def test_a_table_is_at_most_80_wide_and_names_are_whole(rows: list[tuple[str, str, str]]) -> None:
    lines = table(("NAME", "STATUS", "ABOUT"), rows)
    assert all(len(line) <= 80 for line in lines)
    for name, _, _ in rows:
        assert any(line.startswith(name) for line in lines)
