"""Deterministic full-size checkpoints for the modern depth networks, in the layout of the official state dicts.

Same idea as synthetic_checkpoint.py: the names, shapes and dtypes are the official ones (keys/MODEL.txt), each value
is a function of its tensor's name (and shape) alone, so a file made here stands in for a download of that layout:

    python synthetic_modern.py DepthAnythingV2_Small depth_anything_v2_vits.pth

What the official networks give for these values is in the ``*.npz`` files beside this script (README.md).
The scales are chosen so that every part of a network shows in its output: position embeddings, class token, layer
scale, attention (not flat), skip connections and the last layer's sign. A zero or a
constant there would hide a mistake.
"""

import math
import sys
import zlib
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def layout(model):
    """Yield (name, shape, dtype) in the order of the official state dict of ``model``."""
    for line in (HERE / "keys" / f"{model}.txt").read_text().splitlines():
        name, rest = line.split(" ", 1)
        shape, dtype = rest.rsplit(" ", 1)
        yield name, tuple(int(n) for n in shape.strip("()").split(",") if n.strip()), dtype


TRANSPOSED = (
    "resize_layers.0.weight",
    "resize_layers.1.weight",  # stored (in, out, k, k); stride = kernel
    "resamplers.0.0.weight",
    "resamplers.1.0.weight",
    "resamplers.2.0.weight",
    "act_postprocess1.4.weight",
    "act_postprocess2.4.weight",
    "stem_transpose.0.c.weight",
    "stem_transpose.2.c.weight",
    "deconv.weight",
    "upsample_lowres.weight",
    "upsample0.1.weight",
    "upsample1.1.weight",
    "upsample2.1.weight",
    "upsample_latent0.1.weight",
    "upsample_latent0.2.weight",
    "upsample_latent0.3.weight",
    "upsample_latent1.1.weight",
    "upsample_latent1.2.weight",
)
LARGER = (("attn.qkv.weight", 1.2), (".c.weight", 1.3))  # attention that is not flat; LeViT's convolutions
POSITIVE = ("scratch.output_conv2.2.weight", "scratch.output_conv.4.weight")  # keeps a last ReLU open
CONSTANT = {
    "image_mean": (0.485, 0.456, 0.406),
    "image_std": (0.229, 0.224, 0.225),
}  # buffers of fixed content
SCALED = {"points_head.output_blocks.4.weight": 0.3, "fov.head.4.weight": 5}
SHIFTED = {
    "mask_head.output_blocks.4.bias": 0.5,
    "model.cam_dec.fc_fov.0.bias": 1.0,
    "scratch.output_conv.4.bias": 0.05,
    "fov.head.4.bias": 45.0,
}  # Depth Pro: degrees
# MoGe: the first two channels carry (u, v) through to (x, y), so that the recovery of focal length and shift is
# well posed
DIAGONAL = {
    "neck.input_blocks.4.weight": 8,
    "points_head.input_blocks.4.weight": 1,
    "points_head.output_blocks.4.weight": 0.25,
}


def beit_index(shape):
    """relative_position_index of BEiT: rows of a table of (2S-1)^2 + 3 entries, the last three the class token's."""
    side = math.isqrt(shape[0] - 1)
    y, x = np.divmod(np.arange(side * side), side)
    table = (2 * side - 1) ** 2
    index = np.empty(shape, np.int64)
    index[1:, 1:] = (y[:, None] - y + side - 1) * (2 * side - 1) + (x[:, None] - x + side - 1)
    index[0, :], index[:, 0], index[0, 0] = table, table + 1, table + 2
    return index


def levit_index(shape):
    """attention_bias_idxs of LeViT: |dy| * S + |dx| from each query (every second position if fewer) to each key."""
    side = math.isqrt(shape[1])
    step = 1 if shape[0] == shape[1] else 2
    y, x = np.divmod(np.arange(side * side), side)
    keep = (y % step == 0) & (x % step == 0)
    return np.abs(y[keep][:, None] - y) * side + np.abs(x[keep][:, None] - x)


def swin_mask(shape):
    """attn_mask of a shifted Swin block (windows, area, area): -100 between tokens that the shift brought together."""
    window, grid = math.isqrt(shape[1]), math.isqrt(shape[0])
    size, shift = window * grid, window // 2
    zone = np.digitize(np.arange(size), [size - window, size - shift])
    zones = (
        (zone[:, None] * 3 + zone).reshape(grid, window, grid, window).swapaxes(1, 2).reshape(shape[0], -1)
    )
    return np.where(zones[:, :, None] == zones[:, None, :], 0, -100).astype(np.float32)


BUFFERS = {"relative_position_index": beit_index, "attention_bias_idxs": levit_index, "attn_mask": swin_mask}


def tensor(name, shape, dtype):
    """The value of one tensor, as a NumPy array: the same on every machine."""
    leaf = name.rsplit(".", 1)[-1]
    if leaf in CONSTANT:
        return np.array(CONSTANT[leaf], np.float32).reshape(shape)
    if leaf in BUFFERS:
        return BUFFERS[leaf](shape)
    if dtype.startswith("int"):
        return np.zeros(shape, np.int64)
    noise = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(
        shape, dtype=np.float32
    )
    if leaf in ("gamma", "gamma_1", "gamma_2"):  # layer scale
        value = 0.5 + 0.25 * noise
    elif leaf == "pos_embed":
        value = 0.3 * noise
    elif leaf in ("cls_token", "mask_token", "camera_token"):
        value = 0.5 * noise
    elif leaf in ("bias", "q_bias", "v_bias", "running_mean"):
        value = 0.05 * noise
    elif leaf == "running_var":
        value = 1 + 0.1 * np.abs(noise)
    elif leaf in ("relative_position_bias_table", "attention_biases"):
        value = 0.5 * noise
    elif leaf == "logit_scale":  # Swin V2: the logarithm of the attention's scale
        value = math.log(10) + 0.2 * noise
    elif len(shape) == 1:  # scale of a normalisation layer
        value = 1 + 0.1 * noise
    else:
        fan_in = shape[0] if name.endswith(TRANSPOSED) or name == "head.1.weight" else math.prod(shape[1:])
        gain = next((gain for end, gain in LARGER if name.endswith(end)), 0.9)
        if name.endswith(POSITIVE) or name == "head.4.weight":
            noise = np.abs(noise)
        value = gain / math.sqrt(fan_in) * noise
    value = value * SCALED.get(name, 1) + SHIFTED.get(name, 0)
    if name in DIAGONAL:
        value[[0, 1], [0, 1]] += DIAGONAL[name]
    return value.astype(dtype)


def image(height, width, seed=0):
    """A deterministic uint8 RGB picture (height, width, 3): the same as in synthetic_checkpoint.py."""
    rng = np.random.Generator(np.random.PCG64(seed))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = y / height, x / width
    picture = np.stack(
        [0.5 + 0.3 * np.sin(6 * x + 2 * y + c) + 0.1 * np.cos(9 * y - c) for c in range(3)], -1
    )
    for _ in range(12):
        cy, cx, r = rng.random(3)
        colour = rng.random(3)
        inside = (y - cy) ** 2 + (x - cx) ** 2 < (0.05 + 0.2 * r) ** 2
        picture[inside] = 0.6 * colour + 0.4 * picture[inside]
    picture += 0.03 * rng.standard_normal(picture.shape)
    return (picture.clip(0, 1) * 255).round().astype(np.uint8)


def network_input(height, width, seed=0):
    """A float32 array (1, 3, height, width), standard normal: the same as in synthetic_checkpoint.py."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.standard_normal((1, 3, height, width), dtype=np.float32)


def state_dict(model):
    """The synthetic state dict of ``model``: name to torch tensor."""
    import torch

    return {
        name: torch.from_numpy(np.ascontiguousarray(tensor(name, shape, dtype)).reshape(shape))
        for name, shape, dtype in layout(model)
    }


def main(model, path):
    import torch

    torch.save(state_dict(model), path)


if __name__ == "__main__":
    main(*sys.argv[1:])
