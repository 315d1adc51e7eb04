"""Every parser of what strangers write ends with what it promises, whatever it is given."""

from __future__ import annotations

from functools import lru_cache

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from .targets import TARGETS

Edit = tuple[str, int, int, bytes]
_EDITS = st.tuples(
    st.sampled_from(("flip", "cut", "insert", "repeat")),
    st.integers(0, 1 << 16),
    st.integers(1, 64),
    st.binary(min_size=1, max_size=9) | st.sampled_from((b"\xff" * 4, b"\0" * 8, b"\x7f" + b"\xff" * 7)),
)
each_target = pytest.mark.parametrize("name", TARGETS)


@lru_cache
def seeds(name: str) -> tuple[bytes, ...]:
    return tuple(TARGETS[name].seeds())


def altered(raw: bytes, edit: Edit) -> bytes:
    """Return bytes with one part of them flipped, cut out, moved apart by others, or repeated elsewhere."""
    kind, place, length, other = edit
    at = place % (len(raw) + 1)
    before, part, after = raw[:at], raw[at : at + length], raw[at + length :]
    return {
        "flip": before + other + raw[at + len(other) :],
        "cut": before + after,
        "insert": before + other + part + after,
        "repeat": after[:length] + before + part + after,
    }[kind]


@each_target
def test_a_valid_input_is_taken(name: str) -> None:
    assert all(TARGETS[name].takes(raw) for raw in seeds(name))


@each_target
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_valid_input_that_was_altered_ends_as_documented(name: str, data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(seeds(name)))
    other = data.draw(st.sampled_from(seeds(name)))
    for edit in data.draw(st.lists(_EDITS, min_size=1, max_size=4)):
        raw = altered(raw, edit)
    if data.draw(st.booleans()):  # spliced: the beginning of one, the end of another
        cut = data.draw(st.integers(0, len(raw)))
        raw = raw[:cut] + other[cut:]
    TARGETS[name].takes(raw)


@each_target
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_arbitrary_bytes_end_as_documented(name: str, data: st.DataObject) -> None:
    start = data.draw(st.sampled_from((b"", *(raw[:9] for raw in seeds(name)))))
    TARGETS[name].takes(start + data.draw(st.binary(max_size=200)))
