"""Checkpoints for the networks: full size, synthetic, and one at a time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from depthmap import networks

from .reference import MIDAS, PUBLISHED, Reference


def _tensor(synthetic: ModuleType, network: str, name: str, shape: tuple[int, ...], dtype: str) -> Tensor:
    if networks.unused(name, network):
        return torch.full(shape, torch.nan)
    return torch.from_numpy(np.ascontiguousarray(synthetic.tensor(name, shape, dtype)).reshape(shape))


_LONG = (
    "test_the_way_from_picture_to_map_is_the_official_one[dpt_large]",
    "test_export_gives_the_same_function[dpt_large]",
    "test_threads_share_a_network[dpt_large]",
)
"""What the default run tests of DPT_Hybrid alone, which is made of the same parts."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long."""
    for item in items:
        if item.name in _LONG:
            item.add_marker("slow")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The inputs here are too small to gain from threads, and on a busy machine lose much by them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


EACH = [pytest.param(network, marks=pytest.mark.slow if network == "dpt_large" else ()) for network in MIDAS]
"""DPT_Hybrid has the same parts as DPT_Large, and is quicker."""


@pytest.fixture(scope="session", params=EACH)
def reference(request: pytest.FixtureRequest, synthetic: ModuleType) -> Iterator[Reference]:
    """Each network in turn; pytest orders the tests so that only one checkpoint is in memory."""
    network = request.param
    module = networks.build(network)
    if network in PUBLISHED:
        layout = list(synthetic.layout(PUBLISHED[network]))
    else:
        layout = [(name, tuple(t.shape), str(t.dtype)) for name, t in module.state_dict().items()]
    state = {name: _tensor(synthetic, network, name, shape, dtype) for name, shape, dtype in layout}
    networks.fill(module, state)
    yield Reference(network, {name: shape for name, shape, _ in layout}, state, module, synthetic)
    state.clear()
    gc.collect()
