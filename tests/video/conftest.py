"""What films of depth are made with in the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depthmap.estimator import DepthEstimator
from depthmap.video import Summary, make, open_film, plan

Make = Callable[..., Summary]


@pytest.fixture(scope="session")
def small() -> DepthEstimator:
    """The embedded network on small pictures, which takes milliseconds."""
    return DepthEstimator("Depthmap_Tiny", "cpu", size=64, pictures=1000)


@pytest.fixture
def making(small: DepthEstimator) -> Make:
    """Make films of depth of a file, given where to and which."""

    def call(source: Path, out: Path, *names: str, **how: Any) -> Summary:
        with open_film(source) as film:
            return make(film, source, plan(source.stem, out, names), small, **how)

    return call
