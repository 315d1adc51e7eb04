"""Depth Pro from its published file to metres, by every engine: gigabytes, and minutes for each picture."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from depthmap import DepthEstimator, ModelCache, formats
from depthmap.depth import METRIC
from depthmap.engines import ENGINES, PLAIN
from depthmap.engines.parity import TOLERANCE
from depthmap.store import digest_file
from networks import modern
from support import save_checkpoint

NETWORK = "depth_pro"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Path]:
    """A stand-in for the published file, in half precision."""
    path = tmp_path / "depth_pro.pt"
    layout = modern.synthetic.layout(NETWORK)
    save_checkpoint({name: modern.synthetic.tensor(name, *kind) for name, *kind in layout}, path)
    yield path
    shutil.rmtree(tmp_path)  # pytest would keep it, and the cache in it


def test_the_file_is_kept_in_half_precision_and_gives_the_official_metres_with_every_engine(
    published: Path,
) -> None:
    cache = ModelCache()
    assert cache.import_file(published, "mine").network == NETWORK
    pt, h5 = (cache.cache_dir / f"midas_mine.{format}" for format in ("pt", "h5"))
    assert digest_file(pt).sha256 == digest_file(published).sha256
    assert {info.dtype for info in formats.scan(h5).tensors.values()} == {"float16"}
    published.unlink()
    assert cache.compile("mine")["errors"].keys() >= ENGINES.keys()
    golden, focal = (next(modern.goldens(NETWORK, kind)) for kind in ("depth", "focallength"))
    pictures = [modern.picture(golden)]
    for name in ENGINES:
        estimator = DepthEstimator("mine", device="cpu", engine=name, optimize=False)
        assert estimator.engine == name
        # one at a time, which is what the graph takes
        for depth in estimator.depths(pictures * 2 if name == PLAIN.name else pictures):
            assert depth.kind == METRIC
            assert modern.relative_error(depth.values[::8, ::8], golden.array) < TOLERANCE
            assert depth.camera is not None
            assert depth.camera.fx == pytest.approx(float(focal.array), rel=TOLERANCE)
        del estimator
