"""The pictures and depths on their way into a batch."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scenes import scene
from training.config import CONFIGS, LARGE, SMALL, Stage

from depthmap.catalog import EMBEDDED
from depthmap.input_sizes import network_size
from training import data


def test_sources_are_read_with_all_16_bits(folder: Path) -> None:
    sources = data.read_sources(folder)
    assert [(s.name, len(s)) for s in sources] == [("hall", 3), ("street", 5)]
    assert sources[1].inverse_depths[0].dtype == np.uint16
    assert np.array_equal(sources[1].inverse_depths[0][1:], scene(0)[1][1:])


def test_another_folder_adds_to_the_sources_there_are(folder: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    shutil.copytree(folder / "street", more / "street")
    shutil.copytree(folder / "street", more / "unknown")
    assert [(s.name, len(s)) for s in data.read_sources(folder, more)] == [("hall", 3), ("street", 10)]


def test_a_folder_without_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no source"):
        data.read_sources(tmp_path)


def test_a_depth_of_another_size_is_refused(folder: Path) -> None:
    Image.new("I;16", (10, 10)).save(folder / "hall" / "inverse_depth" / "00001.png")
    with pytest.raises(ValueError, match="hall/00001"):
        data.read_sources(folder)


@given(
    size=st.tuples(st.integers(32, 400), st.integers(32, 400)),
    shape=st.sampled_from([*SMALL, *LARGE]),
    narrowest=st.floats(0.3, 1),
    seed=st.integers(0, 1000),
)
def test_a_crop_lies_in_the_picture_and_is_not_narrower_than_asked(
    size: tuple[int, int], shape: tuple[int, int], narrowest: float, seed: int
) -> None:
    left, upper, right, lower = data.random_crop(size, shape, narrowest, np.random.default_rng(seed))
    widest = min(size[0], size[1] * shape[1] / shape[0] * np.exp(-0.2))  # the aspect varies by this much
    assert right - left >= narrowest * widest - 1e-6
    assert 0 <= left < right <= size[0] + 1e-6
    assert 0 <= upper < lower <= size[1] + 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_picture_and_depth_stay_on_each_other(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(data, "recolour", lambda picture, rng: picture)
    monkeypatch.setattr(data, "DISTURBANCES", ())
    picture, depth = data.sample(*scene(seed), (64, 96), 0.55, np.random.default_rng(seed))
    assert picture.shape == (64, 96, 3)
    assert depth.shape == (64, 96)
    assert np.abs(picture[..., 0] - depth / 257.0).max() < 6


@pytest.mark.parametrize("seed", range(10))
def test_looks_change_and_depth_does_not(seed: int) -> None:
    """Invalid stays 0, sky stays 1, and no value is made that was not there."""
    picture, depth = scene(seed)
    depth[:20] = 0
    depth[20:50] = 1
    _, sampled = data.sample(picture, depth, (64, 96), 0.55, np.random.default_rng(seed))
    assert set(np.unique(sampled)) <= set(np.unique(depth))


SHARES = {"hall": 2, "street": 2}


def test_each_source_gives_its_share_of_a_batch_and_goes_round(folder: Path) -> None:
    sampler = data.Sampler(data.read_sources(folder), {"hall": 2, "street": 3}, seed=3)
    for source in sampler.sources:
        share = sampler.shares[source.name]
        drawn = [i for step in range(len(source)) for i in sampler._chosen(source, step)]
        assert sorted(drawn) == sorted([*range(len(source))] * share)
    assert len(sampler.batch(0, Stage(1, SMALL)).pictures) == 5


@pytest.mark.parametrize("shares", [{"hall": 2}, {"hall": 2, "street": 2, "attic": 1}])
def test_shares_of_other_sources_than_there_are_are_refused(folder: Path, shares: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="same names"):
        data.Sampler(data.read_sources(folder), shares, seed=3)


def test_a_batch_depends_on_seed_and_step_alone(folder: Path) -> None:
    sources = data.read_sources(folder)
    first = data.Sampler(sources, SHARES, seed=3).batch(17, Stage(1, SMALL))
    again = data.Sampler(sources, SHARES, seed=3).batch(17, Stage(1, SMALL))
    other = data.Sampler(sources, SHARES, seed=3).batch(18, Stage(1, {first.masks.shape[1:]: 1.0}))  # type: ignore[dict-item]  # torch.Size is a tuple
    assert torch.equal(first.pictures, again.pictures)
    assert torch.equal(first.inverse_depths, again.inverse_depths)
    assert not torch.equal(first.pictures, other.pictures)


def test_a_batch_is_normalised_and_masked(folder: Path) -> None:
    batch = data.Sampler(data.read_sources(folder), SHARES, seed=1).batch(0, Stage(1, {(64, 96): 1.0}))
    assert batch.pictures.shape == (4, 3, 64, 96)
    assert batch.pictures.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch.masks, batch.inverse_depths > 0)
    white, black = np.full((1, 2, 2, 3), 255, np.uint8), np.zeros((1, 2, 2, 3), np.uint8)
    assert data.normalised(white).max() == pytest.approx((1 - EMBEDDED.mean[0]) / EMBEDDED.std[0])
    assert data.normalised(black).min() == pytest.approx(-EMBEDDED.mean[0] / EMBEDDED.std[0])


def test_every_shape_fits_the_network() -> None:
    shapes = {shape for config in CONFIGS.values() for stage in config.stages for shape in stage.shapes}
    assert all(side % 32 == 0 for shape in shapes for side in shape)


def test_the_last_stages_shapes_have_as_many_pixels_as_the_network_sees_or_up_to_a_quarter_more() -> None:
    for config in CONFIGS.values():
        for shape in config.stages[-1].shapes:
            seen = network_size(shape[1], shape[0], EMBEDDED)
            assert 1 <= math.prod(shape) / math.prod(seen) <= 1.25


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_made_ahead_are_those_of_their_steps(folder: Path, workers: int) -> None:
    sampler = data.Sampler(data.read_sources(folder), SHARES, seed=3)
    stages = [Stage(3, {(64, 96): 1.0})] * 3 + [Stage(6, {(32, 64): 1.0})] * 6
    ahead = list(sampler.ahead(5, stages, workers))
    assert len(ahead) == len(stages)
    for place, batch in enumerate(ahead):
        assert torch.equal(batch.pictures, sampler.batch(5 + place, stages[place]).pictures)
