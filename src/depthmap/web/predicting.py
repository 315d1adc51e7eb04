"""From an upload to an answer: received, read, predicted, encoded, each step bounded."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request
from starlette.responses import Response

from ..catalog import ModelSpec
from ..errors import DepthmapError, ImageError
from ..outputs import OUTPUTS
from ..settings import Settings
from . import answers, options, uploads
from .leaving import unless_gone
from .loaded import LoadedModels
from .metrics import Counts
from .queue import Place, Queue
from .results import Results
from .room import Room

if TYPE_CHECKING:
    from ..depth import Depth
    from ..images import Photo

Result = TypeVar("Result")

_RESULTS = 256 << 20
"""Bytes of the last results that are kept."""
_THREADS = 2
"""Decoders and encoders at once: they need little beside the network."""
PIXELS = 200_000_000
"""Pixels that are decoded at once, in all pictures together; a picture of as many is the largest that is read."""


@dataclass(frozen=True)
class Job:
    """What a request comes to, before anything is decoded. ``key`` names the result that it asks for."""

    spec: ModelSpec
    asked: options.Asked
    plan: answers.Plan
    upload: uploads.Upload
    key: Hashable
    pixels: int

    @property
    def sees_camera(self) -> bool:
        """Does the camera change what the network says?"""
        return _sees_camera(self.spec)

    def read(self) -> Photo:
        """Decode the picture.

        Raises
        ------
        ImageError
            When it cannot be.
        """
        from ..images import read_photo

        try:
            photo = read_photo(self.upload.picture, max_pixels=PIXELS, max_bytes=len(self.upload.picture) + 1)
        except MemoryError as error:
            raise ImageError("There is too little memory for the picture", "", "Save it smaller.") from error
        return self.asked.begin(photo) if self.sees_camera else photo

    def answer(self, depth: Depth, seconds: dict[str, float]) -> Response:
        """Encode what is asked for of a depth."""
        camera = {} if self.sees_camera else self.asked.camera
        named = replace(depth, name=self.upload.name)
        seen = named.with_camera(fov=camera.get("fov"), focal=camera.get("focal")) if camera else named
        return answers.make(self.asked.finish(seen), self.plan, self.asked.options, seconds)


class Predictor:
    """Answers requests for predictions: at most ``DEPTHMAP_QUEUE`` wait, one forward pass runs at a time."""

    def __init__(self, models: LoadedModels, settings: Settings) -> None:
        self.models = models
        self.most = settings.max_upload
        self.queue = Queue(settings.queue, self._run)
        self.results = Results(_RESULTS)
        self.counts = Counts()
        self._room = Room(PIXELS)
        self._threads = CapacityLimiter(_THREADS)

    async def answer(self, request: Request) -> Response:
        """Answer a request.

        Raises
        ------
        DepthmapError, HTTPException
            What is wrong with it, or that it has to wait too long.
        ClientDisconnect
            When the client went away.
        """
        with self.queue.place() as place:
            upload = await uploads.receive(request, self.most)
            return await unless_gone(request, lambda: self._respond(request, upload, place))

    async def _respond(self, request: Request, upload: uploads.Upload, place: Place) -> Response:
        query, accept = request.query_params.multi_items(), ", ".join(request.headers.getlist("accept"))
        job = await self._in_thread(lambda: self._job(upload, query, accept))
        came = time.perf_counter()
        async with self._room.take(job.pixels):
            seconds = {"wait": time.perf_counter() - came, "read": 0.0, "predict": 0.0}
            depth = self.results.get(job.key)
            if depth is None:
                depth = await self._predicted(job, place, seconds)
                self.results.put(job.key, depth)
            made = depth
            response = await self._in_thread(lambda: job.answer(made, seconds))
        self.counts.took(seconds)
        return response

    async def _predicted(self, job: Job, place: Place, seconds: dict[str, float]) -> Depth:
        start = time.perf_counter()
        photo = await self._in_thread(job.read)
        seconds["read"] = time.perf_counter() - start
        height, width = photo.pixels.shape[:2]
        kind = (job.spec, job.asked.size, _network_size(job.spec, job.asked.size, width, height))
        depth: Depth = await self.queue.do(place, kind, photo)
        seconds["wait"] += place.seconds["wait"]
        seconds["predict"] = place.seconds["predict"]
        return depth

    def _job(self, upload: uploads.Upload, query: Sequence[tuple[str, str]], accept: str) -> Job:
        from ..input_sizes import at_size

        asked = options.read(query, upload.fields)
        plan = answers.plan(asked.outputs, accept)
        for name in plan.outputs:
            if needs := OUTPUTS[name].needs:
                needs.check(name)
        spec = self.models.spec(asked.model)
        at_size(spec, asked.size)  # which refuses what this network cannot take
        width, height = _size_of(upload)
        digest = hashlib.sha256(upload.picture).digest()
        camera = tuple(asked.camera.items()) if _sees_camera(spec) else ()
        weights = self.models.cache.shelf.sha256(spec)
        key = (digest, spec.slug, weights, asked.size, camera)
        return Job(spec, asked, plan, upload, key, width * height)

    def _run(self, kind: tuple[ModelSpec, int | None, Any], photos: Sequence[Photo]) -> list[Any]:
        """Return the depth of each picture, or its exception; a batch that is too much is tried one by one."""
        spec, size, _ = kind
        try:
            return list(self.models.get(spec.name).depths(photos, len(photos), size=size))
        except (DepthmapError, RuntimeError, MemoryError) as error:
            if len(photos) > 1:
                return [self._run(kind, [photo])[0] for photo in photos]
            return [error if isinstance(error, DepthmapError) else _too_much(error)]
        finally:
            self.models.sweep()

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await run_sync(work, limiter=self._threads)


def _size_of(upload: uploads.Upload) -> tuple[int, int]:
    """Return the width and height that a picture says it has.

    Raises
    ------
    NotAPicture
        When it is none.
    ImageError
        When it is damaged, or too large.
    """
    from ..images import is_known, size_of
    from ..pixels import check_size

    where = upload.name or "the picture"
    try:
        width, height = size_of(upload.picture, where)
    except ImageError as error:
        if upload.picture and not is_known(bytes(upload.picture[:16])):
            raise uploads.NotAPicture(error.what, error.where, error.remedy) from error
        raise
    check_size(width, height, where, PIXELS)
    return width, height


def _network_size(spec: ModelSpec, size: int | None, width: int, height: int) -> tuple[int, int]:
    from ..input_sizes import at_size, network_size

    return network_size(width, height, at_size(spec, size))


def _sees_camera(spec: ModelSpec) -> bool:
    """Tell whether a model's numbers depend on the camera; relative inverse depth knows none."""
    from ..depth import RELATIVE_INVERSE

    return spec.kind != RELATIVE_INVERSE


def _too_much(error: BaseException) -> DepthmapError:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DepthmapError(f"The network failed: {said}", "", "Use a smaller model, or a smaller size.")
