"""What checkpoints hold, as data, is what the networks say; and whose a file is, is told without torch as with it."""

from __future__ import annotations

from collections.abc import Mapping

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from tools import names

from depthmap import checkpoints, networks
from depthmap.errors import DepthmapError, UnrecognisedFile
from depthmap.formats.tensors import ITEM_SIZES
from support import GOLDENS, python

from .reference import PUBLISHED

Tensors = dict[str, tuple[str, tuple[int, ...]]]


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_the_data_are_made_from_the_network(network: str) -> None:
    text = (checkpoints.FOLDER / f"{checkpoints.layout_of(network)}.json").read_text(encoding="utf-8")
    assert text == names.text_of(network), "run 'python -m tools.names'"


def test_there_are_data_of_every_network_and_they_are_small() -> None:
    assert checkpoints.NETWORKS == networks.NETWORKS
    files = list(checkpoints.FOLDER.glob("*.json"))
    assert {path.stem for path in files} == set(map(checkpoints.layout_of, networks.NETWORKS))
    assert max(path.stat().st_size for path in files) < 80_000


@pytest.mark.parametrize("network", PUBLISHED)
def test_the_data_are_the_published_files(network: str) -> None:
    published: Tensors = {}
    for line in (GOLDENS / "keys" / f"{PUBLISHED[network]}.txt").read_text().splitlines():
        name, shape, dtype = line.replace(" (", "|").replace(") ", "|").split("|")
        published[name] = (dtype, tuple(int(n) for n in shape.split(",") if n.strip()))
    assert checkpoints.recognise({name: shape for name, (_, shape) in published.items()}) == network
    checkpoints.require_fit(network, published)
    read = {name: tensor for name, tensor in published.items() if not checkpoints.unused(name, network)}
    assert list(read.items()) == list(checkpoints.expected(network).tensors.items())
    assert len(read) < len(published)


@st.composite
def altered(draw: st.DrawFn, own: Mapping[str, tuple[str, tuple[int, ...]]]) -> Tensors:
    """A network's tensors, some of them altered, left out, or joined by others."""
    tensors = dict(own)
    for name in draw(st.lists(st.sampled_from(list(own)), max_size=4, unique=True)):
        dtype, shape = own[name]
        change = draw(st.sampled_from(["left out", "renamed", "reshaped", "other dtype"]))
        if change == "other dtype":
            tensors[name] = (draw(st.sampled_from([t for t in ITEM_SIZES if hasattr(torch, t)])), shape)
        elif change == "reshaped":
            tensors[name] = (dtype, draw(st.sampled_from([(), (*shape, 1), shape[1:]])))
        else:
            del tensors[name]
            if change == "renamed":
                tensors[f"module.{name}"] = (dtype, shape)
    more = st.sampled_from(
        ["pretrained.model.head.weight", "pretrained.model.norm.x", "scratch.refinenet4.resConfUnit1.y", "z"]
    )
    return tensors | dict.fromkeys(draw(st.lists(more, max_size=2)), ("float32", (3,)))


def said(error: DepthmapError | None) -> tuple[str, ...]:
    return ("it fits",) if error is None else (type(error).__name__, str(error), error.remedy)


ALIKE = {"depth_anything": 4, "da3_m": 2}
"""How many networks have the same tensors, by how their names begin."""


def test_networks_that_share_a_list_of_tensors_are_alike() -> None:
    assert set(checkpoints.distinct()) < set(networks.NETWORKS)
    for network in networks.NETWORKS:
        same = checkpoints.alike(network)
        assert network in same
        assert same[0] in checkpoints.distinct()
        assert len(same) == next((n for start, n in ALIKE.items() if network.startswith(start)), 1)


@pytest.mark.slow
@pytest.mark.parametrize("network", checkpoints.distinct())
def test_what_fits_is_told_in_the_words_in_which_a_network_is_filled(network: str) -> None:
    module = networks.build(network)
    seen = set()

    @settings(max_examples=40)
    @given(tensors=altered(checkpoints.expected(network).tensors))
    def same(tensors: Tensors) -> None:
        meta = {
            name: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
            for name, (dtype, shape) in tensors.items()
        }
        verdicts: list[DepthmapError | None] = [None, None]
        try:
            networks.fill(module, meta)
        except UnrecognisedFile as error:
            verdicts[0] = error
        try:
            checkpoints.require_fit(network, tensors)
        except UnrecognisedFile as error:
            verdicts[1] = error
        assert said(verdicts[0]) == said(verdicts[1])
        seen.add(verdicts[0] is None)

    same()
    assert seen == {True, False}


@pytest.mark.parametrize("dtype", [name for name in ITEM_SIZES if hasattr(torch, name)])
def test_which_numbers_are_floating_is_as_torch_has_it(dtype: str) -> None:
    assert checkpoints.is_float(dtype) == getattr(torch, dtype).is_floating_point


def test_whose_a_file_is_takes_neither_torch_nor_numpy() -> None:
    done = python("""
import sys
sys.modules["torch"] = sys.modules["numpy"] = None
from depthmap import checkpoints
from depthmap.checkpoints import places
for network in checkpoints.distinct():
    own = checkpoints.expected(network)
    checkpoints.require_fit(network, own.tensors)
    (place,) = places.find({f"net.{name}": shape for name, shape in own.shapes.items()})
    print(place.network, place.prefix, checkpoints.recognise(own.shapes))
""")
    assert done.stdout.split("\n")[:-1] == [f"{n} net. {n}" for n in checkpoints.distinct()], done.stderr
