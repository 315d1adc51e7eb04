"""``depthmap inspect``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DepthmapError
from .session import FAILED, SOME_FAILED, Session, with_session

if TYPE_CHECKING:
    from ..inspection import Inspection

Facts = Mapping[str, Any]


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@with_session
def inspect(session: Session, files: tuple[Path, ...]) -> int:
    """Say what the numbers in a depth file mean.

    Files that depthmap wrote tell their kind, units, range, calibration,
    camera, model and picture. Of files by MiDaS, Depth Anything, Marigold,
    ZoeDepth and Depth Pro it says which they seem to be.
    """
    from ..inspection import inspect

    found, failed = [], 0
    for file in files:
        try:
            inspection = inspect(file)
        except DepthmapError as error:
            session.complain(error)
            found.append({"file": str(file), **error.as_dict()})
            failed += 1
            continue
        found.append(inspection.as_dict())
        if not session.json:
            session.result(None, _lines(inspection))
    if session.json:
        session.result(found)
    return 0 if not failed else FAILED if failed == len(files) else SOME_FAILED


def _lines(inspection: Inspection) -> Iterator[str]:
    content = inspection.content
    size = (
        f", {content.shape[1]} × {content.shape[0]}"
        if content.values is not None and len(content.shape) > 1
        else ""
    )
    yield f"{inspection.path}: {content.format}{size}"
    for label, text in _rows(inspection):
        yield f"  {label:<12} {text}"


def _rows(inspection: Inspection) -> Iterator[tuple[str, str]]:
    content = inspection.content
    if inspection.facts is not None:
        for label, text in _FACTS.items():
            try:
                yield label, text(inspection.facts)
            except (KeyError, TypeError, ValueError, AttributeError):
                continue  # a file may have lost some
        return
    if content.low is not None:
        yield "range", f"{content.low:.6g} to {content.high:.6g}"
    if seems := inspection.seems:
        yield "seems to be", seems.program
        yield "kind", f"{seems.kind}, {seems.nearest} = nearest"
    else:
        yield "kind", "unknown: the file does not say, and nothing else tells"


def _range(facts: Facts) -> str:
    unit = " m" if facts["units"] == "metres" else ""
    given = ", for the camera below" if facts.get("per_focal") else ""
    return f"{float(facts['minimum']):.6g} to {float(facts['maximum']):.6g}{unit}{given}"


def _calibration(facts: Facts) -> str:
    c = facts["calibration"]
    return f"1 / metres = {c['shift']:.6g} + {c['scale']:.6g} · inverse depth ({c['source']})"


def _camera(facts: Facts) -> str:
    c = facts["camera"]
    return f"fx {c['fx']:.6g}, fy {c['fy']:.6g}, cx {c['cx']:.6g}, cy {c['cy']:.6g} pixels ({c['source']})"


def _model(facts: Facts) -> str:
    by = f", run by {facts['engine']}" if facts["engine"] else ""
    return f"{facts['model'] or 'unknown'}{by}"


def _digest(facts: Facts) -> str:
    if not facts["sha256"]:
        raise KeyError("sha256")
    return str(facts["sha256"])


def _picture(facts: Facts) -> str:
    p = facts["picture"]
    return f"{p['name'] or 'without a name'}, {p['width']} × {p['height']}"


_FACTS: dict[str, Callable[[Facts], str]] = {
    "kind": lambda facts: f"{facts['kind']}, {facts['nearest']} = nearest",
    "pixels": lambda facts: str(facts["pixels"]),
    "range": _range,
    "coordinates": lambda facts: f"{facts['coordinates']}; {facts['axes']}",
    "calibration": _calibration,
    "camera": _camera,
    "model": _model,
    "sha256": _digest,
    "picture": _picture,
    "software": lambda facts: str(facts["software"]),
}
"""What is printed of the facts, in this order; what a file lacks is left out."""
