"""The published models, as data: a module for each publisher, an entry for each model.

`MODELS` is the order of the list. It goes on with the models that earlier versions had, because scripts read its
beginning: further ones come after them.
"""

from __future__ import annotations

from . import depth_anything, depth_anything_3, depth_pro, midas, midas31, moge, tiny

_LATER = (depth_anything, depth_anything_3, moge, midas31, depth_pro)
GROUPS = {
    **midas.GROUPS,
    **tiny.GROUPS,
    **{name: text for later in _LATER for name, text in later.GROUPS.items()},
}
"""What is said of each family of models, in the order of the list."""
MODELS = (*midas.MODELS, *tiny.MODELS, *(model for later in _LATER for model in later.MODELS))
BY_ACCURACY = (
    "DepthAnythingV1_Large",
    "DepthAnythingV1_Base",
    "DepthAnythingV2_Small",
    "DepthAnythingV1_Small",
    "DPT_BEiT_L_512",
    "DPT_BEiT_L_384",
    "DPT_SwinV2_L_384",
    "DPT_SwinV2_B_384",
    "DPT_Large",
    "DPT_Hybrid",
    "DPT_BEiT_B_384",
    "DPT_SwinV2_T_256",
    "MiDaS",
    "DPT_LeViT_224",
    "MiDaS_small",
)
"""Which model is taken where none is named: the first of these that is cached.

Depth Anything's come before MiDaS's by what both publish. Of NYU's and KITTI's pixels, which neither saw in training,
V1's Small has 97.2 % and 93.6 % within 25 % of the truth, DPT_Large 91.7 % and 91.5 %. V2's Small has about V1's
figures, by its paper, and finer detail.
MiDaS's own are in the order of its table of accuracy. `catalog.by_accuracy` leaves out what is never taken so.
"""
RECOMMENDED = "DepthAnythingV2_Small"
"""The one to begin with: more accurate than DPT_Large, quicker, a fourteenth of the download, free for any use."""
