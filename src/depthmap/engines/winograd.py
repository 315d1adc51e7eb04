"""Convolutions of 3 × 3 by Winograd's minimal filtering F(4 × 4, 3 × 3), in a graph of OpenVINO.

Lavin and Gray, "Fast Algorithms for Convolutional Networks", CVPR 2016: tiles of 4 × 4 outputs, each from 6 × 6 inputs,
take a quarter of the multiplications; matrices B, G, A as there (section 4.3, for the points 0, ±1, ±2, ∞). The
transforms read and write the features several times, so it pays only where there are many channels.

OpenVINO has it on ARM, not on x86. It is written here in its own operations: the transform of the input is a
convolution of each channel by itself, the products and the transform back are products of matrices.
"""

from __future__ import annotations

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

_TILE = 4
_SIDE = _TILE + 2
_AREA = _SIDE**2
_B = np.array(
    [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
     [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
)  # fmt: skip
_G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_A = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
_MIN_INPUTS, _MIN_OUTPUTS = 256, 128
_SIDES = (32, 160)
"""Sides of pictures. What is whole tiles at both is so at all: of patches of 14 pixels they have 2 and 11."""


def rewrite(model: openvino.Model) -> None:
    """Replace, in place, the convolutions that are quicker so."""
    whole = _whole_tiles(model)
    for node in model.get_ordered_ops():
        if node.get_friendly_name() in whole and _is_suitable(node):
            _replace(node)


def _whole_tiles(model: openvino.Model) -> set[str]:
    """Return the names of the convolutions whose outputs are whole tiles, whatever the size of the picture."""
    height = list(model.input(0).get_partial_shape())[2]
    fixed = [height.get_length()] if height.is_static else []
    return set.intersection(*(_whole_tiles_at(side, model.clone()) for side in fixed or _SIDES))


def _whole_tiles_at(side: int, model: openvino.Model) -> set[str]:
    """Return as much for a square picture; any other inputs are a number each."""
    picture, *others = model.inputs
    model.reshape({picture: [1, 3, side, side]} | {other: [1] for other in others})
    return {
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Convolution"
        and not any(length % _TILE for length in node.get_output_shape(0)[2:])
    }


def _is_suitable(convolution: openvino.Node) -> bool:
    weights = convolution.input_value(1).get_node()
    attributes = convolution.get_attributes()
    if weights.get_type_name() != "Constant" or weights.get_element_type() != openvino.Type.f32:
        return False
    outputs, inputs, *kernel = weights.get_output_shape(0)
    return (
        kernel == [3, 3]
        and inputs >= _MIN_INPUTS
        and outputs >= _MIN_OUTPUTS
        and all(attributes[key] == [1, 1] for key in ("strides", "dilations", "pads_begin", "pads_end"))
    )


def _replace(convolution: openvino.Node) -> None:
    features, weights = convolution.input_value(0), convolution.input_value(1).get_node().data
    replacement = _convolved(features, weights).output(0)
    for target in convolution.output(0).get_target_inputs():
        target.replace_source_output(replacement)


def _convolved(features: openvino.Output, weights: NDArray[np.float32]) -> openvino.Node:
    """Return the convolution of (N, C, H, W), H and W multiples of 4, with (O, C, 3, 3), padded by one."""
    outputs, inputs = weights.shape[:2]
    planes = ops.reshape(features, [-1, 1, 0, 0], special_zero=True)
    tiles = ops.convolution(planes, _to_tiles(), [_TILE] * 2, [1, 1], [1, 1], [1, 1])
    grid = _sides(tiles)  # H / 4, W / 4
    flat = ops.reshape(tiles, [0, 0, -1], special_zero=True)
    count = ops.slice(ops.shape_of(flat), [2], [3], [1])
    by_picture = ops.reshape(flat, _joined([-1, inputs, _AREA], count), special_zero=False)
    factors = ops.transpose(by_picture, [2, 0, 1, 3])  # (36, N, C, tiles)
    products = ops.matmul(_transformed(weights), factors, False, False)  # (36, N, O, tiles)
    pixels = ops.matmul(_from_tiles(), ops.reshape(products, [_AREA, -1], special_zero=False), False, False)
    apart = ops.reshape(pixels, _joined([_TILE, _TILE, -1], grid), special_zero=False)
    whole = ops.transpose(apart, [2, 3, 0, 4, 1])  # (N O, H / 4, 4, W / 4, 4)
    return ops.reshape(whole, _joined([-1, outputs], _sides(features)), special_zero=False)


def _sides(features: openvino.Output | openvino.Node) -> openvino.Node:
    """Return height and width."""
    return ops.slice(ops.shape_of(features), [2], [4], [1])


def _joined(*parts: list[int] | openvino.Node) -> openvino.Node:
    """Return a shape of which some sides are known."""
    known = [ops.constant(np.array(part, np.int64)) if isinstance(part, list) else part for part in parts]
    return ops.concat(known, 0)


def _transformed(weights: NDArray[np.float32]) -> openvino.Node:
    """Return G g Gᵀ of each kernel, (36, 1, O, C)."""
    products = np.kron(_G, _G).astype(np.float32) @ weights.reshape(-1, 9).T
    # A constant: of an array the operation would make one by way of a list.
    return ops.constant(products.reshape(_AREA, 1, *weights.shape[:2]))


def _to_tiles() -> NDArray[np.float32]:
    """Return Bᵀ d B as a convolution of one channel to 36."""
    return np.kron(_B, _B).reshape(-1, 1, _SIDE, _SIDE).astype(np.float32)


def _from_tiles() -> NDArray[np.float32]:
    """Return Aᵀ m A as a matrix from the 36 products of a tile to its 16 pixels."""
    return np.kron(_A, _A).astype(np.float32)
