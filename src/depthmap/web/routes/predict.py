"""The routes that predict, and that say what can be asked for."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ...colours import COLOUR_MAPS, DEFAULT_MAP, colour_table
from ...errors import DepthmapError, UsageError
from ...outputs import DEFAULT_OUTPUTS, OUTPUTS, Output
from ...ranges import EYES, RATIO
from .. import answers
from ..options import OPTIONS
from ..predicting import PIXELS
from ..replies import Failure, Json, Success, failure, success
from ..uploads import PICTURE
from .base import Predicting

_BINARY = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "required": [PICTURE],
    "properties": {PICTURE: _BINARY, **{name: option.schema for name, option in OPTIONS.items()}},
    "additionalProperties": False,
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {"multipart/form-data": {"schema": _FORM}, "application/octet-stream": {"schema": _BINARY}},
}
_QUERY = [
    {"name": name, "in": "query", "description": option.about, "schema": option.schema}
    for name, option in OPTIONS.items()
]
_FILES = {OUTPUTS[name].media_type for name in OUTPUTS} | (set(answers.BY_ACCEPT) - {answers.JSON})
_FAILURE = {answers.JSON: {"schema": {"$ref": "#/components/schemas/Failure"}}}
_REPLIES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The files that were asked for, or what is known of the depth",
        "content": {media_type: {"schema": _BINARY} for media_type in sorted(_FILES)},
        "model": Success,
    },
    "default": {"model": Failure},
    # a model for each would take FastAPI 100 ms, and the server answers within 500
    **{status: {"content": _FAILURE} for status in (404, 406, 408, 409, 413, 415, 422, 501, 503)},
}

router = APIRouter(tags=["predict"])


@router.post(
    "/api/predict",
    summary="The depth of a picture",
    responses=_REPLIES,
    openapi_extra={"requestBody": _BODY, "parameters": _QUERY},
    response_model=None,
)
async def predict(request: Request, predictor: Predicting) -> Response:
    """Take a picture, as the body or as a form's file; options come as fields or in the query."""
    counts = predictor.counts
    try:
        reply = await predictor.answer(request)
    except UsageError as error:
        reply = failure(error, 422)  # it can only be an option's
    except DepthmapError as error:
        reply = failure(error)
    except HTTPException as error:
        counts.answers[error.status_code] += 1
        raise
    except ClientDisconnect:
        counts.left += 1
        raise
    counts.answers[reply.status_code] += 1
    return reply


@router.get("/api/outputs", response_model=Success, summary="What can be asked of a prediction")
def outputs(predictor: Predicting) -> Json:
    """Answer the outputs, the colour maps (256 colours in hexadecimal), the defaults and the limits."""
    return success(
        outputs=[_described(output) for output in OUTPUTS.values()],
        colour_maps={name: colour_table(name).tobytes().hex() for name in COLOUR_MAPS},
        defaults={
            "colours": DEFAULT_MAP,
            "ratio": RATIO,
            "eyes": EYES,
            "outputs": list(DEFAULT_OUTPUTS),
        },
        limits={"bytes": predictor.most, "pixels": PIXELS},
    )


def _described(output: Output) -> dict[str, Any]:
    needs = output.needs
    return {
        "name": output.name,
        "about": output.about,
        "suffix": output.suffix,
        "media_type": output.media_type,
        "needs_picture": output.needs_picture,
        "available": needs is None or needs.is_installed(),
        "install": needs.install if needs else None,
    }
