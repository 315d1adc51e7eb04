"""The published models, as data: a module for each publisher, an entry for each model.

`MODELS` is the order of the list. It goes on with the models that earlier versions had, because scripts read its
beginning: further ones come after them.
"""

from __future__ import annotations

from . import depth_anything, midas, moge, tiny

GROUPS = {**midas.GROUPS, **tiny.GROUPS, **depth_anything.GROUPS, **moge.GROUPS}
"""What is said of each family of models, in the order of the list."""
MODELS = (*midas.MODELS, *tiny.MODELS, *depth_anything.MODELS, *moge.MODELS)
BY_ACCURACY = (
    "DepthAnythingV1_Large",
    "DepthAnythingV1_Base",
    "DepthAnythingV2_Small",
    "DepthAnythingV1_Small",
    "DPT_Large",
    "DPT_Hybrid",
    "MiDaS",
    "MiDaS_small",
)
"""Which model is taken where none is named: the first of these that is cached.

Depth Anything's come before MiDaS's by what both publish. Of NYU's and KITTI's pixels, which neither saw in training,
V1's Small has 97.2 % and 93.6 % within 25 % of the truth, DPT_Large 91.7 % and 91.5 %. V2's Small has about V1's
figures, by its paper, and finer detail. `catalog.by_accuracy` leaves out what is never taken so.
"""
RECOMMENDED = "DepthAnythingV2_Small"
"""The one to begin with: more accurate than DPT_Large, quicker, a fourteenth of the download, free for any use."""
