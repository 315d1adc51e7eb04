"""The size at which a network sees pictures: speed for detail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import depthmap
from depthmap import DepthEstimator, ModelCache, input_sizes, transforms
from depthmap.catalog import CATALOG, SIZES
from depthmap.engines import ENGINES
from depthmap.engines.parity import TOLERANCE
from depthmap.errors import UsageError
from support import PHOTO

TINY = "Depthmap_Tiny"


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    with Image.open(PHOTO) as photo:
        return np.asarray(photo.resize((320, 214)))


def spy(estimator: DepthEstimator) -> list[tuple[int, ...]]:
    """Return where the shapes of what the network sees are noted; it runs as before."""
    seen: list[tuple[int, ...]] = []
    run = estimator._run

    def noting(batch: np.ndarray) -> np.ndarray:
        seen.append(batch.shape[2:])
        return run(batch)

    estimator._run = noting
    return seen


def difference(ours: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


@pytest.mark.parametrize("engine", ["torch", *ENGINES])
def test_the_network_sees_the_size_asked_for_and_the_map_has_the_picture_s(
    engine: str, picture: np.ndarray
) -> None:
    for size, expected in ((64, (32, 64)), (200, (128, 192)), (500, (352, 512))):
        estimator = DepthEstimator(TINY, device="cpu", engine=engine, size=size)
        seen = spy(estimator)
        depth = estimator.predict(picture)
        assert (estimator.size, seen) == (max(expected), [expected])
        assert depth.shape == picture.shape[:2]
        assert np.isfinite(depth).all()
        assert depth.std() > 0


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_at_every_size_an_engine_gives_what_torch_gives(engine: str, picture: np.ndarray) -> None:
    for size in (32, 160, 640):
        maps = [
            DepthEstimator(TINY, device="cpu", engine=e, size=size).predict(picture)
            for e in ("torch", engine)
        ]
        assert difference(maps[1], maps[0]) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("model", ["MiDaS_small", "MiDaS", "DPT_Hybrid", "DPT_Large"])
def test_every_network_takes_sizes_beside_its_own_with_every_engine(
    model: str, checkpoint: Callable[[str], Path], picture: np.ndarray
) -> None:
    """The embeddings of positions of the transformers are interpolated to them."""
    cache = ModelCache()
    cache.import_file(checkpoint(model), "mine", ("pt",))
    cache.compile("mine")
    for size in (128, 480):
        reference = DepthEstimator("mine", engine="torch", device="cpu", size=size).predict(picture)
        for engine in ENGINES:
            estimator = DepthEstimator("mine", engine=engine, optimize=False, size=size)
            seen = spy(estimator)
            assert difference(estimator.predict(picture), reference) < TOLERANCE
            assert max(seen[0]) == size


RESIZABLE = [spec for spec in CATALOG.values() if not spec.family.fixed]
FIXED = [spec for spec in CATALOG.values() if spec.family.fixed]


@pytest.mark.parametrize("spec", RESIZABLE, ids=lambda spec: spec.name)
@given(width=st.integers(1, 5000), height=st.integers(1, 5000), size=st.integers(*SIZES))
def test_the_longer_side_is_the_nearest_multiple_and_the_aspect_is_kept(
    spec: depthmap.ModelSpec, width: int, height: int, size: int
) -> None:
    sides = input_sizes.network_size(width, height, input_sizes.at_size(spec, size))
    longer = max(sides)
    multiple = spec.family.multiple
    assert longer % multiple == 0
    assert abs(longer - size) <= multiple / 2 or longer + multiple > SIZES[1]
    assert longer == sides[width < height] or width == height
    for side, whole in zip(sides, (width, height), strict=True):
        assert abs(side - whole * longer / max(width, height)) <= multiple
        assert side >= multiple


@pytest.mark.parametrize("spec", FIXED, ids=lambda spec: spec.name)
@given(width=st.integers(1, 5000), height=st.integers(1, 5000), size=st.integers(*SIZES))
def test_a_network_of_one_size_takes_its_own_and_refuses_every_other(
    spec: depthmap.ModelSpec, width: int, height: int, size: int
) -> None:
    own = spec.input_size
    for same in (None, own):
        assert input_sizes.network_size(width, height, input_sizes.at_size(spec, same)) == (own, own)
    if size != own:
        with pytest.raises(UsageError, match=f"{spec.name} sees every picture as a square of {own} pixels"):
            input_sizes.at_size(spec, size)


def test_without_a_size_a_map_is_bit_for_bit_what_the_network_s_own_rule_gives(picture: np.ndarray) -> None:
    estimator = DepthEstimator(TINY)
    by_hand = estimator._run(transforms.prepare(picture, estimator.spec)[None])[0][0]
    assert np.array_equal(estimator.predict(picture), transforms.restore(by_hand, *picture.shape[:2]))
    assert input_sizes.at_size(estimator.spec, None) is estimator.spec


@pytest.mark.parametrize("size", [0, 31, -384, 1537, 10**9, 256.0, True, "256"])
def test_what_is_no_size_is_a_clear_error_before_a_model_is_loaded(size: object) -> None:
    for make in (DepthEstimator, lambda model, size: depthmap.estimate(PHOTO, model, size=size)):
        with pytest.raises(UsageError, match="32 to 1536") as error:
            make("no such model", size=size)
        assert repr(size) in str(error.value)


def test_estimate_takes_sizes_one_after_another_of_one_model(picture: np.ndarray) -> None:
    own, small, again = (depthmap.estimate(picture, TINY, size=size) for size in (None, 64, None))
    assert np.array_equal(own.values, again.values)
    assert not np.array_equal(own.values, small.values)
    estimator = DepthEstimator(TINY, size=64)
    assert np.array_equal(small.values, estimator.predict(picture))
