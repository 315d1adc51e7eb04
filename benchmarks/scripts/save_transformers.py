"""Save a model of Intel/dpt-large's shape, with random numbers, as its page on Hugging Face has it.

python save_transformers.py FOLDER
"""

from __future__ import annotations

import sys

LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "backbone_out_indices": [5, 11, 17, 23],
    "neck_hidden_sizes": [256, 512, 1024, 1024],
}
"""Where Intel/dpt-large differs from the defaults of `DPTConfig`."""


def main(folder: str) -> None:
    """Make the folder."""
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

    DPTForDepthEstimation(DPTConfig(**LARGE)).save_pretrained(folder)
    size = {"height": 384, "width": 384}
    DPTImageProcessorPil(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
