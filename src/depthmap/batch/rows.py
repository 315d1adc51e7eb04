"""A picture in a row of somebody's table, and the columns that come of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from ..errors import DepthmapError
from ..images import photo_of, read_photo
from ..outputs import OUTPUTS, require
from .jobs import Job
from .pipeline import Work
from .steps import Read, estimated


def check_outputs(outputs: Sequence[str]) -> None:
    """Raise UsageError or MissingExtra unless all of them can be written here."""
    for name in outputs:
        if needed := require(name).needs:
            needed.check()


class Rows:
    """Gives each picture its columns; the model is opened once, as `DepthEstimator` does with ``arguments``."""

    def __init__(self, arguments: dict[str, Any], outputs: Sequence[str], work: Work) -> None:
        from ..estimator import DepthEstimator

        self.estimator = DepthEstimator(**{"pictures": 1000, **arguments})
        self.outputs = outputs
        self.work = work

    def columns(self, picture: Any, name: str = "") -> dict[str, Any]:
        """Return an encoded file for each output, or ``depth``, float32 (H, W), where there is none; and ``error``.

        That is empty, or why nothing came of the picture: then all others are None.
        """
        try:
            return {**self._made(picture, name), "error": ""}
        except DepthmapError as error:
            return {**dict.fromkeys(self.outputs or ("depth",)), "error": str(error)}

    def _made(self, picture: Any, name: str) -> dict[str, Any]:
        if isinstance(picture, (bytes, bytearray)):
            photo = photo_of(bytes(picture), name or "a picture in memory", name.rpartition("/")[2])
        else:
            photo = read_photo(picture)
        if self.work.begin:
            photo = self.work.begin(photo)
        ((_, depth),) = estimated([Read(Job(b"", name, {}), photo, {})], self.estimator)
        if isinstance(depth, DepthmapError):
            raise depth
        if self.work.finish:
            depth = self.work.finish(depth)
        if not self.outputs:
            return {"depth": depth.masked}
        return {output: self._encoded(output, depth) for output in self.outputs}

    def _encoded(self, output: str, depth: Any) -> bytes:
        stream = io.BytesIO()
        OUTPUTS[output].write(stream, depth, self.work.options)
        return stream.getvalue()
