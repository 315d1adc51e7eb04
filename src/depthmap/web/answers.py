"""What is answered to a prediction: a file, several as a zip, or JSON."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..outputs import DEFAULT_OUTPUTS, OUTPUTS, Options
from .exports import NOT_PORTABLE
from .negotiation import choose
from .replies import success

if TYPE_CHECKING:
    from ..depth import Depth

JSON, ZIP = "application/json", "application/zip"
BY_ACCEPT: dict[str, tuple[str, ...]] = {
    JSON: (),
    "image/png": ("png16",),
    "application/x-npy": ("npy",),
    "image/tiff": ("tiff",),
    ZIP: DEFAULT_OUTPUTS,
    "model/gltf-binary": ("glb",),
    "application/ply": ("ply",),
    "model/ply": ("ply",),
}
"""What a client gets that names no outputs, by the media type that it accepts; the first is given rather."""
_NAMELESS = "picture"


class Plan(NamedTuple):
    """What is to be answered: these outputs, as a body of this media type."""

    outputs: tuple[str, ...]
    media_type: str


def plan(outputs: tuple[str, ...], accept: str) -> Plan:
    """Return what is answered to a client that asks for these outputs, or for none, and accepts this.

    Raises
    ------
    HTTPException
        406 when it accepts nothing that can be given.
    """
    if not outputs:
        media_type = choose(accept, list(BY_ACCEPT))
        if media_type is None:
            raise HTTPException(406)
        return Plan(BY_ACCEPT[media_type], media_type)
    file_type = OUTPUTS[outputs[0]].media_type if len(outputs) == 1 else ZIP
    wants_json = choose(accept, [file_type, JSON]) == JSON
    return Plan(outputs, JSON if wants_json else file_type)


class File(NamedTuple):
    """An output, encoded; its name; and the name of the file that is to lie beside it, if there is one."""

    name: str
    media_type: str
    content: bytes
    sidecar: str


def make(depth: Depth, wanted: Plan, options: Options, seconds: dict[str, float]) -> Response:
    """Encode what is wanted of a depth; ``seconds`` of the steps before get that of this one.

    Raises
    ------
    MissingExtra
        When an output needs a package that is not installed.
    UsageError
        When an option does not fit the depth.
    """
    start = time.perf_counter()
    stem = stem_of(depth.name)
    files = {name: _encoded(name, stem, depth, options) for name in wanted.outputs}
    facts = depth.facts()
    body, shown_name = b"", ""
    if wanted.media_type == ZIP:
        body, shown_name = _zipped(list(files.values()), facts), f"{stem}_depth.zip"
    elif wanted.media_type != JSON:
        (file,) = files.values()
        body, shown_name = file.content, file.name
    seconds["write"] = time.perf_counter() - start
    if wanted.media_type == JSON:
        response: Response = success(**_described(facts, files, seconds))
    else:
        response = Response(body, media_type=wanted.media_type)
        response.headers["Content-Disposition"] = attachment(shown_name)
        response.headers["Depthmap-Facts"] = json.dumps(facts)
    response.headers["Server-Timing"] = timing(seconds)
    return response


def stem_of(name: str) -> str:
    """Return a picture's name without folder and ending, safe as the beginning of a file's name on every system."""
    last = PurePosixPath(name.replace("\\", "/")).name
    portable = NOT_PORTABLE.sub("_", PurePosixPath(last).stem)
    shown = "".join(letter if letter.isprintable() else "_" for letter in portable)
    return shown[:100].strip(". ") or _NAMELESS


def attachment(name: str) -> str:
    """Return a Content-Disposition for a file's name: in ASCII for old clients, and as it is (RFC 6266)."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    encoded = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{encoded}'


def timing(seconds: Mapping[str, float]) -> str:
    """Return a Server-Timing header, which counts in milliseconds."""
    return ", ".join(f"{step};dur={1000 * value:.1f}" for step, value in seconds.items())


def _encoded(name: str, stem: str, depth: Depth, options: Options) -> File:
    output, stream = OUTPUTS[name], io.BytesIO()
    output.encode(stream, depth, options)
    file = stem + output.suffix
    return File(file, output.media_type, stream.getvalue(), f"{file}.json" if output.has_sidecar else "")


def _zipped(files: list[File], facts: dict[str, Any]) -> bytes:
    """Return an archive; unpacked, since pictures are packed already and float maps hardly shrink."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.writestr(file.name, file.content)
            if file.sidecar:
                archive.writestr(file.sidecar, json.dumps(facts, indent=2) + "\n")
    return stream.getvalue()


def _described(
    facts: dict[str, Any], files: Mapping[str, File], seconds: Mapping[str, float]
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "depth": facts,
        "seconds": {step: round(value, 4) for step, value in seconds.items()},
    }
    if files:
        fields["files"] = {
            name: {"name": file.name, "media_type": file.media_type, "bytes": len(file.content)}
            for name, file in files.items()
        }
    return fields
