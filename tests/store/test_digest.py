from __future__ import annotations

import hashlib
import tempfile
from itertools import pairwise
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given, settings

from depthmap.store.digest import LEAF, Hasher, damaged_leaves, digest_file

SIZES = st.one_of(st.sampled_from([0, 1, LEAF - 1, LEAF, LEAF + 1, 3 * LEAF]), st.integers(0, 3 * LEAF))


@settings(max_examples=25, deadline=None)
@given(size=SIZES, cuts=st.lists(st.integers(0, 3 * LEAF), max_size=5), seed=st.integers(0, 255))
def test_a_stream_in_any_pieces_has_the_digest_of_the_file(size: int, cuts: list[int], seed: int) -> None:
    data = (bytes([seed]) + hashlib.sha256(bytes([seed])).digest()) * (size // 33 + 1)
    data = data[:size]
    hasher = Hasher()
    places = sorted({0, size, *(cut for cut in cuts if cut < size)})
    for start, end in pairwise(places):
        hasher.update(data[start:end])
    digest = hasher.digest()
    leaves = [hashlib.sha256(data[i : i + LEAF]).digest() for i in range(0, size, LEAF)]
    assert (digest.size, digest.sha256, digest.leaves) == (
        size,
        hashlib.sha256(data).hexdigest(),
        b"".join(leaves),
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x"
        path.write_bytes(data)
        assert digest_file(path) == digest


def test_damage_is_found_in_its_leaf(tmp_path: Path) -> None:
    data = bytearray(40 * LEAF + 5)
    (tmp_path / "x").write_bytes(data)
    digest = digest_file(tmp_path / "x")
    for position in (0, LEAF - 1, 17 * LEAF, 40 * LEAF + 4):
        data[position] ^= 1
    (tmp_path / "x").write_bytes(data)
    assert damaged_leaves(tmp_path / "x", digest.leaves, digest.size) == [0, 17, 40]
