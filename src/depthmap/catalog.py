"""The models that depthmap knows: data only.

Checkpoint facts (bytes, SHA-256, pre-processing) are those of the public releases of isl-org/MiDaS; see the
table in ``docs/models.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from .errors import UnknownModel, UsageError
from .families import Family, family_of

RELEASES = "https://github.com/isl-org/MiDaS/releases/download/"
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_LITE = ((127 / 255,) * 3, (128 / 255,) * 3)
RESIZES = ("minimal", "upper_bound", "lower_bound", "area", "square")
"""The rules by which a picture gets the size at which a network sees it; see `ModelSpec`."""
SIZES = (32, 1536)
"""The least and the greatest longer side, in pixels, at which a network may be asked to see pictures.

A transformer's memory grows with the fourth power of it: for a square at the greatest, the scores of one attention of
DPT_Large are 5.4 GB, and an engine may hold them twice.
"""


_MIT = "MIT"
_V21 = "MIT; the encoder was first trained from WSL-Images weights (CC-BY-NC 4.0)"


@dataclass(frozen=True)
class ModelSpec:
    """One model: what its network is, how a picture is prepared for it, and where its checkpoint is.

    ``mean`` and ``std`` apply to RGB in [0, 1]; ``input_size`` is in pixels; ``resize`` is ``"minimal"`` (both
    sides scaled by whichever axis' scale is closer to 1), ``"upper_bound"`` (the longer side becomes
    ``input_size``), ``"lower_bound"`` (the shorter side does), ``"area"`` (as many pixels as a picture of 4:3 with
    a longer side of ``input_size``: what is wider than that loses no height) or ``"square"`` (both sides do: the
    longer is squeezed). ``sha256`` and ``bytes`` are those of the published ``.pt`` file, empty and 0 when unknown.
    """

    name: str
    network: str
    input_size: int
    resize: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    path: str = ""
    """Path of the checkpoint below the release's, or a mirror's, base URL."""
    bytes: int = 0
    sha256: str = ""
    parameters: int = 0
    licence: str = "unknown"
    about: str = ""
    embedded: str = ""
    """File name of the weights in ``depthmap/embedded``, when they ship in the package."""
    hub_names: tuple[str, ...] = ()
    """Names under which torch.hub has stored the same file."""
    hf_repo: str = ""
    """Repository on Hugging Face that has the same weights under transformers' names."""
    base: str = RELEASES
    """Base URL of the official source."""

    @property
    def slug(self) -> str:
        """The name in file names: lower case."""
        return self.name.lower()

    @property
    def url(self) -> str:
        """The official source of the checkpoint, empty when it has none."""
        return self.base + self.path if self.path else ""

    @property
    def family(self) -> Family:
        """How pictures come to the network, and what its outputs are."""
        return family_of(self.network)

    @property
    def kind(self) -> str:
        """What the network's numbers are: one of `depth.KINDS`."""
        return self.family.kind

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as builtins: what the ``.pkl`` and ``.h5`` files hold."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def as_metadata(self) -> dict[str, Any]:
        """Return what a file of tensors says of its model: without the name, so that equal models are equal files."""
        return {"spec": self.renamed(self.network).to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelSpec:
        """Rebuild a spec; keys that this version does not know are ignored.

        Raises
        ------
        UsageError
            When a needed field is missing or of another type.
        """
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in data.items() if k in known
        }
        if missing := [f.name for f in fields(cls) if f.default is MISSING and f.name not in values]:
            raise UsageError(f"The model description lacks {', '.join(missing)}", values.get("name", ""))
        try:
            spec = cls(**values)
            spec._check()
        except TypeError as error:
            raise UsageError(f"This is not a model description: {error}") from error
        return spec

    def _check(self) -> None:
        if not all(isinstance(text, str) for text in (self.name, self.network, self.path, self.sha256)):
            raise UsageError("name, network, path and sha256 of a model description must be text", "")
        numbers = [*self.mean, *self.std, self.input_size, self.bytes]
        if not all(isinstance(v, (int, float)) for v in numbers) or len(self.mean) != 3 or len(self.std) != 3:
            raise UsageError(
                "mean, std, input_size and bytes of a model description must be numbers", self.name
            )
        if not 32 <= self.input_size <= 4096 or self.resize not in RESIZES:
            raise UsageError(f"input_size must be 32 to 4096, and resize one of {RESIZES}", self.name)
        fixed = self.family.fixed
        if fixed and (self.input_size, self.resize) != (fixed, "square"):
            what = f"{self.network} sees squares of {fixed} pixels: input_size must be {fixed}, and resize square"
            raise UsageError(what, self.name)

    def renamed(self, name: str) -> ModelSpec:
        """Return the same network under the user's own name: no source, and nothing that it must equal."""
        return replace(
            self,
            name=name,
            path="",
            bytes=0,
            sha256="",
            embedded="",
            hub_names=(),
            hf_repo="",
            about=f"{self.network} checkpoint",
        )


# Ordered from the most to the least accurate.
CATALOG: dict[str, ModelSpec] = {
    spec.slug: spec
    for spec in (
        ModelSpec(
            "DPT_Large",
            "dpt_large",
            384,
            "minimal",
            *_HALF,
            path="v3/dpt_large_384.pt",
            bytes=1_376_378_527,
            sha256="2f21e586477d90cb9624c7eef5df7891edca49a1c4795ee2cb631fd4daa6ca69",
            parameters=344_055_465,
            licence=_MIT,
            about="the most accurate; ViT-L/16",
            hub_names=("dpt_large_384.pt", "dpt_large-midas-2f21e586.pt"),
            hf_repo="Intel/dpt-large",
        ),
        ModelSpec(
            "DPT_Hybrid",
            "dpt_hybrid",
            384,
            "minimal",
            *_HALF,
            path="v3/dpt_hybrid_384.pt",
            bytes=492_757_791,
            sha256="501f0c75b3bca7daec6b3682c5054c09b366765aef6fa3a09d03a5cb4b230853",
            parameters=123_146_985,
            licence=_MIT,
            about="nearly as accurate, 2.8x smaller",
            hub_names=("dpt_hybrid_384.pt", "dpt_hybrid-midas-501f0c75.pt"),
            hf_repo="Intel/dpt-hybrid-midas",
        ),
        ModelSpec(
            "MiDaS",
            "midas_v21",
            384,
            "upper_bound",
            *_IMAGENET,
            path="v2_1/midas_v21_384.pt",
            bytes=422_509_849,
            sha256="f6b980704cfd7259c7cc2b058c2f160159c55e84b3b6c08331b4156a84629f70",
            parameters=105_362_945,
            licence=_V21,
            about="MiDaS v2.1; ResNeXt-101",
            hub_names=("midas_v21_384.pt", "midas_v21-f6b98070.pt", "model-f6b98070.pt"),
        ),
        ModelSpec(
            "MiDaS_small",
            "midas_small",
            256,
            "upper_bound",
            *_IMAGENET,
            path="v2_1/midas_v21_small_256.pt",
            bytes=85_761_505,
            sha256="70d6b9c891758c67f974a6097fb0c608c7ee67fb81ac3e5588847d5596d56fca",
            parameters=21_320_545,
            licence=_V21,
            about="quick on a CPU; EfficientNet-Lite3",
            hub_names=("midas_v21_small_256.pt", "midas_v21_small-70d6b9c8.pt", "model-small-70d6b9c8.pt"),
        ),
        ModelSpec(
            "Depthmap_Tiny",
            "depthmap_tiny",
            352,
            "area",
            *_LITE,
            bytes=9_857_683,
            sha256="abfabcba462d76250ae6ed5f39fc2207c25e9da648f6df52cd43fd7946096973",
            parameters=4_748_489,
            licence="MIT",
            about="in the package; needs no download",
            embedded="depthmap_tiny.pt",
        ),
    )
}
EMBEDDED = CATALOG["depthmap_tiny"]


def of_network(network: str, catalog: Mapping[str, ModelSpec]) -> ModelSpec:
    """Return the first model of a network, for how it prepares pictures."""
    found = next((spec for spec in catalog.values() if spec.network == network), None)
    return found or _uncatalogued(network)


def _uncatalogued(network: str) -> ModelSpec:
    """Return how a network prepares pictures of which the catalogue has no model."""
    if not network.startswith("dpt_"):
        return ModelSpec(network, network, 518, "lower_bound", *_IMAGENET)
    fixed = family_of(network).fixed
    size = fixed or int(network.rsplit("_", 1)[1])
    return ModelSpec(network, network, size, "square" if fixed else "minimal", *_HALF)


def find(name: str, catalog: Mapping[str, ModelSpec] = CATALOG) -> ModelSpec | None:
    """Return the model of that name, in any case of letters, or None."""
    return catalog.get(name.lower())


def require(name: str, catalog: Mapping[str, ModelSpec] = CATALOG) -> ModelSpec:
    """Return the model of that name.

    Raises
    ------
    UnknownModel
        With the names there are.
    """
    spec = find(name, catalog)
    if spec is None:
        names = ", ".join(s.name for s in catalog.values())
        raise UnknownModel(
            "No model has this name", name, f"Known models: {names}. 'depthmap models import' adds your own."
        )
    return spec


def with_file(path: Path | None) -> dict[str, ModelSpec]:
    """Return the catalogue, changed and extended by a JSON file: ``{"models": [{"name": ..., ...}]}``.

    An entry whose name is known changes the fields it gives; another must give all that has no default. This is
    how an organisation serves its own checkpoints from its own mirror.

    Raises
    ------
    UsageError
        If the file cannot be read, or does not describe models.
    """
    if path is None:
        return dict(CATALOG)
    merged = dict(CATALOG)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["models"]
        for entry in entries:
            known = merged.get(str(entry["name"]).lower())
            inherited = known.to_dict() if known else {}
            if known and entry.get("sha256", known.sha256) != known.sha256:
                inherited["hf_repo"] = ""  # that repository has the weights of the published checkpoint
            spec = ModelSpec.from_dict({**inherited, **entry})
            merged[spec.slug] = spec
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise UsageError(
            f"The catalogue file cannot be used: {_why(error)}",
            path,
            'Correct it, or unset DEPTHMAP_CATALOG. It must look like {"models": [{"name": ...}]}.',
        ) from error
    return merged


def _why(error: Exception) -> str:
    if isinstance(error, UsageError):
        return error.what + (f" ({error.where})" if error.where else "")
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)
