"""The names that Hugging Face's transformers gives the tensors of the dense prediction transformers.

``Intel/dpt-large`` and ``Intel/dpt-hybrid-midas`` hold the published weights under them: queries, keys and values
apart, the fusion blocks counted from the coarsest, the class head dropped. The way back is exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from ..errors import UnrecognisedFile
from . import expected_shapes

_BIT = "dpt.embeddings.backbone.bit"
_LEVELS = (1, 2, 3, 4)
_RULES: dict[str, str] = {
    "pretrained.model.cls_token": "dpt.embeddings.cls_token",
    "pretrained.model.pos_embed": "dpt.embeddings.position_embeddings",
    "pretrained.model.patch_embed.backbone.stem.conv.*": f"{_BIT}.embedder.convolution.*",
    "pretrained.model.patch_embed.backbone.stem.norm.*": f"{_BIT}.embedder.norm.*",
    "pretrained.model.patch_embed.backbone.stages.*.blocks.*": f"{_BIT}.encoder.stages.*.layers.*",
    "pretrained.model.blocks.*.norm1.*": "dpt.encoder.layer.*.layernorm_before.*",
    "pretrained.model.blocks.*.attn.qkv.*": "dpt.encoder.layer.*.attention.attention.{part}.*",
    "pretrained.model.blocks.*.attn.proj.*": "dpt.encoder.layer.*.attention.output.dense.*",
    "pretrained.model.blocks.*.norm2.*": "dpt.encoder.layer.*.layernorm_after.*",
    "pretrained.model.blocks.*.mlp.fc1.*": "dpt.encoder.layer.*.intermediate.dense.*",
    "pretrained.model.blocks.*.mlp.fc2.*": "dpt.encoder.layer.*.output.dense.*",
    **{
        f"pretrained.act_postprocess{level}.{ours}.*": f"neck.reassemble_stage.{theirs}.*"
        for level in _LEVELS
        for ours, theirs in {
            "0.project.0": f"readout_projects.{level - 1}.0",
            "3": f"layers.{level - 1}.projection",
            "4": f"layers.{level - 1}.resize",
        }.items()
    },
    **{f"scratch.layer{level}_rn.*": f"neck.convs.{level - 1}.*" for level in _LEVELS},
    **{
        f"scratch.refinenet{level}.{ours}.*": f"neck.fusion_stage.layers.{4 - level}.{theirs}.*"
        for level in _LEVELS
        for ours, theirs in {
            "out_conv": "projection",
            "resConfUnit*.conv*": "residual_layer*.convolution*",
        }.items()
    },
    "scratch.output_conv.*": "head.head.*",
}
"""Our names and theirs; what a ``*`` stands for is kept. ``{part}`` is each of `_PARTS` in turn."""
_PATCHES = {
    "dpt_large": "dpt.embeddings.patch_embeddings.projection.*",
    "dpt_hybrid": "dpt.embeddings.projection.*",
}
"""By network, their name of the projection of patches to tokens."""
_PARTS = ("query", "key", "value")
_UNUSED = ("dpt.layernorm.", "dpt.pooler.", "neck.fusion_stage.layers.0.residual_layer1.")
"""Prefixes of tensors that inference never reads; some files have them."""


class _Shaped(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...


Tensor = TypeVar("Tensor", bound=_Shaped)


def convert(
    state: Mapping[str, Tensor], network: str, join: Callable[[list[Tensor]], Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of ``state`` under the published names.

    Queries, keys and values are joined; the others are not copied.

    Parameters
    ----------
    state : mapping of str to Tensor
        The state dict of transformers' ``DPTForDepthEstimation``.
    network : str
        "dpt_large" or "dpt_hybrid".
    join : callable
        What joins tensors, torch's or others, along their first axis.

    Returns
    -------
    dict
        What `networks.fill` asks for, in the checkpoint's order.

    Raises
    ------
    UnrecognisedFile
        See `sources`.
    """
    origin = sources({name: tuple(tensor.shape) for name, tensor in state.items()}, network)
    return {
        ours: state[theirs[0]] if len(theirs) == 1 else join([state[name] for name in theirs])
        for ours, theirs in origin.items()
    }


def sources(shapes: Mapping[str, tuple[int, ...]], network: str) -> dict[str, tuple[str, ...]]:
    """Return which of the tensors named in ``shapes`` make each tensor that ``network`` reads.

    Raises
    ------
    UnrecognisedFile
        Naming tensors that are missing, of another shape, or of no known use: nothing is invented, and nothing that
        might matter is left out. Also when transformers has no such network.
    """
    if network not in _PATCHES:
        raise UnrecognisedFile(
            "Hugging Face's tools have no such network", network, f"They have {', '.join(_PATCHES)}."
        )
    rules = {**_RULES, "pretrained.model.patch_embed.proj.*": _PATCHES[network]}
    expected = expected_shapes(network)
    origin = {ours: _theirs(ours, rules) for ours in expected}
    used = {name for names in origin.values() for name in names}
    wrong = {
        "missing": sorted(used - set(shapes)),
        "of no known use": [name for name in shapes if name not in used and not name.startswith(_UNUSED)],
        "of another shape": [
            names[0]
            for ours, names in origin.items()
            if used <= set(shapes) and _joined([shapes[name] for name in names]) != expected[ours]
        ],
    }
    if any(wrong.values()):
        said = "; ".join(f"{len(names)} {kind} ({names[0]}, …)" for kind, names in wrong.items() if names)
        raise UnrecognisedFile(
            f"The tensors are not those of Hugging Face's {network}: {said}",
            remedy="Check that the file is the model's own, complete and not fine-tuned to another task.",
        )
    return origin


def _theirs(ours: str, rules: Mapping[str, str]) -> tuple[str, ...]:
    for pattern, name in rules.items():
        if match := re.fullmatch(re.escape(pattern).replace(r"\*", "(.+)"), ours):
            found = name.replace("*", "%s") % match.groups()
            return tuple(found.format(part=part) for part in _PARTS) if "{part}" in found else (found,)
    raise AssertionError(f"no rule for {ours}")


def _joined(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape of tensors joined along their first axis, () where they cannot be."""
    same = len({shape[1:] for shape in shapes}) == 1 and all(shapes)
    return (sum(shape[0] for shape in shapes), *shapes[0][1:]) if same else ()
