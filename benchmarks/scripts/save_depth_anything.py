"""Save a model of the shape of depth-anything/Depth-Anything-V2-Small-hf, with random numbers, as its page has it.

python save_depth_anything.py FOLDER
"""

from __future__ import annotations

import sys


def main(folder: str) -> None:
    """Make the folder."""
    import torch
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        DPTImageProcessorPil,
    )

    torch.manual_seed(0)
    encoder = Dinov2Config(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        image_size=518,
        patch_size=14,
        out_indices=[3, 6, 9, 12],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    network = DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=encoder,
            neck_hidden_sizes=[48, 96, 192, 384],
            fusion_hidden_size=64,
            reassemble_hidden_size=384,
        )
    )
    network.save_pretrained(folder)
    DPTImageProcessorPil(
        size={"height": 518, "width": 518},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        resample=3,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
