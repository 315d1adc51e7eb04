"""Convolutions with many channels are computed otherwise, on any picture, with the same result."""

from __future__ import annotations

from collections import Counter

import numpy as np
import openvino
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openvino import opset13 as ops

from depthmap.engines import winograd

RNG = np.random.default_rng(0)
WIDE = (256, 256)


def weights(outputs: int, inputs: int, side: int = 3) -> np.ndarray:
    scale = (inputs * side * side) ** 0.5
    return (RNG.standard_normal((outputs, inputs, side, side)) / scale).astype(np.float32)


def model(
    outputs: int, inputs: int, scale: int = 8, side: int = 3, stride: int = 1, pad: int = 1
) -> openvino.Model:
    """Return the convolution in question, of features at 1 / scale of a picture."""
    picture = ops.parameter([-1, 3, -1, -1], openvino.Type.f32)
    lifted = ops.convolution(picture, weights(inputs, 3, scale), [scale] * 2, [0, 0], [0, 0], [1, 1])
    features = ops.relu(lifted)
    kernel = ops.constant(weights(outputs, inputs, side))
    out = ops.convolution(features, kernel, [stride] * 2, [pad] * 2, [pad] * 2, [1, 1])
    return openvino.Model([ops.relu(out)], [picture])


def rewritten(plain: openvino.Model) -> openvino.Model:
    other = plain.clone()
    winograd.rewrite(other)
    return other


def kinds(graph: openvino.Model) -> Counter[str]:
    return Counter(node.get_type_name() for node in graph.get_ops())


def run(graph: openvino.Model, batch: np.ndarray) -> np.ndarray:
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    return np.array(openvino.Core().compile_model(graph, "CPU", config)([batch])[0])


@settings(max_examples=10)
@given(
    count=st.integers(1, 3),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    channels=st.sampled_from([128, 256]),
)
def test_the_result_is_that_of_the_convolution_whatever_the_size_and_the_number_of_pictures(
    count: int, height: int, width: int, channels: int
) -> None:
    plain = model(channels, 256)
    other = rewritten(plain)
    assert kinds(other)["MatMul"] == 2
    batch = RNG.standard_normal((count, 3, 32 * height, 32 * width), dtype=np.float32)
    expected, found = run(plain, batch), run(other, batch)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(model(*WIDE, scale=16), id="features of which the tiles may be no whole number"),
        pytest.param(model(*WIDE, scale=7), id="features of which patches of 14 pixels have two"),
        pytest.param(model(64, 256), id="few outputs"),
        pytest.param(model(256, 128), id="few inputs"),
        pytest.param(model(*WIDE, stride=2), id="a stride"),
        pytest.param(model(*WIDE, side=1, pad=0), id="one pixel"),
        pytest.param(model(*WIDE, pad=2), id="another border"),
    ],
)
def test_other_convolutions_stay_as_they_are(graph: openvino.Model) -> None:
    assert kinds(rewritten(graph)) == kinds(graph)


def test_a_network_that_takes_a_number_beside_the_picture_is_rewritten_too() -> None:
    plain = model(*WIDE)
    number = ops.parameter([-1], openvino.Type.f32)
    product = ops.multiply(plain.outputs[0], ops.reshape(number, [-1, 1, 1, 1], special_zero=False))
    with_number = openvino.Model([product], [*plain.get_parameters(), number])
    assert kinds(rewritten(with_number))["MatMul"] == 2
