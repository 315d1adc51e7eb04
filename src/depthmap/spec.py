"""What is known of a model: how pictures come to it, where its checkpoint is, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

from .errors import UsageError
from .families import Family, family_of

RELEASES = "https://github.com/isl-org/MiDaS/releases/download/"
HUB = "https://huggingface.co/"
"""Base URL of the files that Hugging Face's hub has."""
RESIZES = ("minimal", "upper_bound", "lower_bound", "area", "square")
"""The rules by which a picture gets the size at which a network sees it; see `ModelSpec`."""
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's pictures."""
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""As such, what brings pictures to the range from -1 to 1."""
_USUAL = 518
"""Up to this input size in pixels a network computes with about half a gigabyte."""
_LATER = ("group", "short", "terms", "accuracy", "accuracy_source", "work")
"""Fields for catalogues alone, which files of earlier versions have not."""
_TEXTS = ("name", "network", "path", "sha256", "licence", "group", "terms", "accuracy", "accuracy_source")


@dataclass(frozen=True)
class ModelSpec:
    """One model: what its network is, how a picture is prepared for it, and where its checkpoint is.

    ``mean`` and ``std`` apply to RGB in [0, 1]; ``input_size`` is in pixels; ``resize`` is ``"minimal"`` (both
    sides scaled by whichever axis' scale is closer to 1), ``"upper_bound"`` (the longer side becomes
    ``input_size``), ``"lower_bound"`` (the shorter side does), ``"area"`` (as many pixels as a picture of 4:3 with
    a longer side of ``input_size``: what is wider than that loses no height) or ``"square"`` (both sides do: the
    longer is squeezed). ``sha256`` and ``bytes`` are those of the published file, empty and 0 when unknown.
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
    """Names under which torch.hub, or Hugging Face's tools, have stored the same file."""
    hf_repo: str = ""
    """Repository on Hugging Face that has the same weights: under transformers' names, or as in `hub_names`."""
    base: str = RELEASES
    """Base URL of the official source."""
    group: str = ""
    """The family with which it is listed: one of `published.GROUPS`; empty for a user's own."""
    short: bool = False
    """Is it in the short list, which ``depthmap models list`` shows?"""
    terms: str = ""
    """The licence, by its SPDX name, that is to be accepted before a download; empty where none asks for that."""
    accuracy: str = ""
    """What its publishers measured, and `accuracy_source` where they say so; empty where neither is known."""
    accuracy_source: str = ""
    work: float = 0.0
    """Time that a picture takes on a CPU, in that of DPT_Large; 0 where nobody has measured it."""

    @property
    def slug(self) -> str:
        """The name in file names: lower case."""
        return self.name.lower()

    @property
    def licence_name(self) -> str:
        """The licence that counts: the one to be accepted, else the one given, without what else is said of it."""
        return self.terms or self.licence.partition(";")[0]

    @property
    def url(self) -> str:
        """The official source of the checkpoint, empty when it has none."""
        return self.base + self.path if self.path else ""

    @property
    def memory(self) -> int:
        """About how many bytes it needs to run: its weights, and what it computes of so many pixels."""
        return self.parameters * 4 + round(500_000_000 * max(1.0, (self.input_size / _USUAL) ** 2))

    @property
    def family(self) -> Family:
        """How pictures come to the network, and what its outputs are."""
        return family_of(self.network)

    @property
    def kind(self) -> str:
        """What the network's numbers are: one of `depth.KINDS`."""
        return self.family.kind

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as builtins: what the ``.pkl`` and ``.h5`` files hold.

        What is for catalogues alone is left out where it is empty: files stay equal to those of earlier versions.
        """
        values = {k: v for k, v in asdict(self).items() if v or k not in _LATER}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

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
        if wrong := [name for name in _TEXTS if not isinstance(getattr(self, name), str)]:
            raise UsageError(f"{', '.join(wrong)} of a model description must be text", "")
        numbers = [*self.mean, *self.std, self.input_size, self.bytes, self.work]
        if not all(isinstance(v, (int, float)) for v in numbers) or len(self.mean) != 3 or len(self.std) != 3:
            raise UsageError(
                "mean, std, input_size, bytes and work of a model description must be numbers", self.name
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
            group="",
            short=False,
            terms="",
            accuracy="",
            accuracy_source="",
            work=0.0,
        )
