"""The networks are the official ones: same tensors, same function."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from depthmap import networks
from depthmap.catalog import CATALOG
from depthmap.transforms import prepare, restore

from .reference import PUBLISHED, Reference

TOLERANCE = 1e-4


def relative_error(ours: torch.Tensor | np.ndarray, reference: torch.Tensor | np.ndarray) -> float:
    ours, reference = np.asarray(ours), np.asarray(reference)
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


def goldens(reference: Reference, kind: str) -> Iterator[tuple[int, int, int, np.ndarray]]:
    """Yield height, width, seed and expected array of the two outputs of that kind."""
    if reference.network not in PUBLISHED:
        pytest.skip("our own network: there is no official one")
    found = [
        (re.fullmatch(kind + r"_(\d+)x(\d+)_seed(\d+)", name), a) for name, a in reference.goldens().items()
    ]
    chosen = [(match, array) for match, array in found if match]
    assert len(chosen) == 2
    for match, array in chosen:
        height, width, seed = map(int, match.groups())
        yield height, width, seed, array


def test_outputs_are_those_of_the_official_network(reference: Reference) -> None:
    for height, width, seed, expected in goldens(reference, "net"):
        ours = reference.run(reference.input(height, width, seed))
        assert ours.shape == (1, height, width)
        assert ours.dtype == torch.float32
        assert relative_error(ours[0, ::4, ::4], expected) < TOLERANCE


def test_the_way_from_picture_to_map_is_the_official_one(reference: Reference) -> None:
    height, width, seed, expected = next(goldens(reference, "depth"))
    spec = CATALOG[PUBLISHED[reference.network].lower()]
    x = prepare(reference.synthetic.image(height, width, seed), spec)
    depth = restore(reference.run(torch.from_numpy(x)[None])[0].numpy(), height, width)
    assert depth.shape == (height, width)
    assert depth.dtype == np.float32
    assert relative_error(depth[::8, ::8], expected) < TOLERANCE


def test_tensor_names_shapes_and_order_are_the_published_ones(reference: Reference) -> None:
    ours = [(name, tuple(t.shape)) for name, t in reference.module.state_dict().items()]
    published = [(n, s) for n, s in reference.layout.items() if not networks.unused(n, reference.network)]
    assert ours == published


def test_weights_are_the_checkpoints_own_memory(reference: Reference) -> None:
    for name, tensor in reference.module.state_dict().items():
        assert tensor.data_ptr() == reference.state[name].data_ptr(), name


def test_unused_tensors_are_known_and_never_read(reference: Reference) -> None:
    nan = {name for name, t in reference.state.items() if t.is_floating_point() and t.isnan().any()}
    assert nan == {name for name in reference.layout if networks.unused(name, reference.network)}
    assert bool(nan) == (reference.network in PUBLISHED)
    assert reference.run(reference.input(64, 96)).isfinite().all()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 160), (96, 64)])
def test_every_multiple_of_32_gives_a_map_of_its_size(reference: Reference, height: int, width: int) -> None:
    depth = reference.run(reference.input(height, width))
    assert depth.shape == (1, height, width)
    assert depth.dtype == torch.float32
    assert depth.isfinite().all()
    assert (depth >= 0).all()
    assert depth.max() > 0


def test_a_batch_gives_what_its_pictures_give_one_by_one(reference: Reference) -> None:
    batch = torch.cat([reference.input(64, 96, seed) for seed in range(2)])
    singles = torch.cat([reference.run(picture[None]) for picture in batch])
    assert relative_error(reference.run(batch), singles) < TOLERANCE
    assert relative_error(singles[0], singles[1]) > TOLERANCE


def test_threads_share_a_network(reference: Reference) -> None:
    inputs = [reference.input(32 * (1 + i % 3), 32 * (3 - i % 3), seed=i) for i in range(6)]
    serial = [reference.run(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(reference.run, inputs))
    for one, other in zip(serial, threaded, strict=True):
        assert relative_error(other, one) < TOLERANCE


@pytest.mark.slow  # the graphs in the package are tested otherwise
def test_export_gives_the_same_function(reference: Reference) -> None:
    example = reference.input(32, 64)
    with torch.no_grad():
        exported = torch.export.export(reference.module, (example,)).module()(example)
    assert relative_error(exported, reference.run(example)) < TOLERANCE


@pytest.mark.slow
def test_export_can_leave_the_sizes_and_the_batch_open(reference: Reference) -> None:
    sides = {
        0: torch.export.Dim("n", max=16),
        2: 32 * torch.export.Dim("h", max=64),
        3: 32 * torch.export.Dim("w", max=64),
    }
    example = torch.cat([reference.input(64, 96, seed) for seed in range(2)])
    with torch.no_grad():
        program = torch.export.export(reference.module, (example,), dynamic_shapes={"x": sides})
        other = reference.input(96, 128)
        exported = program.module()(other)
    assert relative_error(exported, reference.run(other)) < TOLERANCE


def test_attention_is_the_fused_one_and_equals_its_definition(
    reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not reference.network.startswith("dpt"):
        pytest.skip("a convolutional network")
    x = reference.input(64, 64)
    fused = reference.run(x)
    calls = []

    def by_definition(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        calls.append(q.shape)
        return ((q @ k.mT) / q.shape[-1] ** 0.5).softmax(-1) @ v

    monkeypatch.setattr(F, "scaled_dot_product_attention", by_definition)
    assert relative_error(reference.run(x), fused) < TOLERANCE
    assert len(calls) == len(reference.module.pretrained.model.blocks)
