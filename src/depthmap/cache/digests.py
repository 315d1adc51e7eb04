"""What is known of the file at a model's source before it comes, and who says so.

The catalogue publishes a digest, or the source states one, or there is none. What was downloaded once is recorded in
the ``.pkl``, and the model is held to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

from ..catalog import ModelSpec
from ..download import Progress, Stated, stated
from ..errors import Cancelled, DigestMismatch, DownloadError, Unverified
from ..fetching import shown
from .record import CONVERTED, PUBLISHED, STATED, UNVERIFIED, Known, of_provenance
from .shelf import Shelf


def known(shelf: Shelf, spec: ModelSpec) -> Known | None:
    """Return what is known of a model's file without asking anybody, or None."""
    if spec.sha256:
        return Known(spec.sha256, spec.bytes, PUBLISHED)
    if not spec.url:
        return None
    manifests = (place.store.known(spec.slug) for place in shelf.places)
    return next((found for m in manifests if m and (found := of_provenance(m.provenance))), None)


def expected(
    shelf: Shelf,
    spec: ModelSpec,
    urls: Sequence[str],
    progress: Progress | None = None,
    cancel: Event | None = None,
    *,
    allow_unverified: bool = False,
) -> Known:
    """Return what a download of a model has to give.

    Where the catalogue has no digest, the source is asked, if it is among ``urls``.

    Raises
    ------
    DigestMismatch
        When the source states another digest than the model is held to.
    Unverified
        When there is none to be had, and that is not allowed.
    AccessDenied, DownloadError
        When the source does not answer, and nothing is recorded.
    """
    held = known(shelf, spec)
    if held and held.digest == PUBLISHED:
        return held
    said = Stated()
    if spec.url in urls:
        try:
            said = stated(
                spec.url, shelf.settings.timeout, shelf.settings.retries, _ticking(progress, cancel)
            )
        except Cancelled:
            raise
        except DownloadError:
            if held is None:  # else a mirror may have it
                raise
    if said.sha256 and held and said.sha256 != held.sha256:
        raise _changed(spec, held, said)
    if said.sha256:
        since, url = (held.since, held.url) if held else ("", "")
        return Known(said.sha256, said.size, STATED, said.commit, since, url)
    if held:
        return held
    if allow_unverified or shelf.settings.allow_unverified:
        return Known("", spec.bytes or said.size, UNVERIFIED, said.commit)
    why = (
        "its source states none over HTTPS"
        if spec.url in urls
        else "DEPTHMAP_OFFLINE forbids to ask its source"
    )
    raise Unverified(
        f"the catalogue has no SHA-256 of the file, and {why}: nothing would tell wrong bytes from right ones",
        shown(spec.url),
        f"If you trust the source and the way to it, add --allow-unverified (or set DEPTHMAP_ALLOW_UNVERIFIED=1): "
        f"{spec.name} is then held to what comes the first time.",
    )


def _ticking(progress: Progress | None, cancel: Event | None) -> Callable[[float], None]:
    def tick(left: float) -> None:
        if cancel and cancel.is_set():
            raise Cancelled("the download was cancelled", "", "Start it again to go on from there.")
        if progress:
            progress(f"Waiting {left:.0f} s before the next try", 0, 0)

    return tick


def _changed(spec: ModelSpec, held: Known, said: Stated) -> DigestMismatch:
    commits = [f" (commit {one.commit[:12]})" if one.commit else "" for one in (held, said)]
    return DigestMismatch(
        f"the source's file has changed: {spec.name} is held to SHA-256 {held.sha256}{commits[0]}, {held.digest} on "
        f"{held.since} at {shown(held.url)}; the source now states {said.sha256}{commits[1]}",
        spec.name,
        how_to_accept(spec),
    )


def how_to_accept(spec: ModelSpec) -> str:
    """Return what a user can do who wants the file that a source has now."""
    return (
        f"Find out why it changed. To accept the new file, run 'depthmap models clear --model {spec.name}' and "
        "download it again. To keep the old one, name a mirror that has it in DEPTHMAP_MIRRORS."
    )


def is_pt(spec: ModelSpec) -> bool:
    """Tell whether a model's source has a file of torch's."""
    return not spec.path.lower().endswith(".safetensors")


def of_pt(shelf: Shelf, spec: ModelSpec) -> str:
    """Return the SHA-256 that a cached ``.pt`` must have: its source's, where that is kept byte for byte; else ""."""
    if not is_pt(spec):
        return ""
    manifest = shelf.known(spec.slug)
    if manifest and manifest.provenance.get("how", "").endswith(CONVERTED):
        return ""
    found = known(shelf, spec)
    return found.sha256 if found else ""
