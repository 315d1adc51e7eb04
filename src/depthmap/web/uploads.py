"""A picture that comes over HTTP with its options: as a form, or as the body itself.

Nothing is written to disk: what a body may have is bounded while it streams (`security.BodyLimit`), and so are its
parts here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

from ..errors import ImageError, UsageError
from .limits import TooLong

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

PICTURE = "image"
"""What the form's field with the picture is called."""
FRAMING = 64 << 10
"""Bytes that a form may have besides the picture."""
_FIELD = 4 << 10  # bytes of a field, and of a header of one
_FIELDS = 64
_NAME = 255  # letters of a file's name that are kept


class NotAPicture(ImageError):
    """What was sent is of no kind of picture that can be read."""


@dataclass(frozen=True)
class Upload:
    """A picture, encoded; the name that its file had, or ""; and the fields beside it, in their order."""

    picture: bytearray
    name: str = ""
    fields: tuple[tuple[str, str], ...] = ()


async def receive(request: Request, most: int) -> Upload:
    """Return what a request brings, once it is all there; the picture has ``most`` bytes at most.

    Raises
    ------
    HTTPException
        413 for what is longer, 415 for what is neither a form with a file nor a picture.
    UsageError
        When the form is damaged or has no picture.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    if kind == b"multipart/form-data":
        return await _from_form(request, parameters.get(b"boundary", b""), most)
    if kind.startswith(b"multipart/"):
        raise HTTPException(415)
    picture = bytearray()
    async for part in request.stream():
        picture += part
        if len(picture) > most:
            raise TooLong(most)
    return Upload(picture)


async def _from_form(request: Request, boundary: bytes, most: int) -> Upload:
    if not boundary:
        raise _damaged("its boundary is missing")
    try:
        form = _Form(boundary, most)
        async for part in request.stream():
            form.parser.write(part)
    except FormParserError as error:
        raise _damaged(str(error)) from error
    return form.upload()


def _field_too_long(name: str) -> UsageError:
    what = f"A field of the form, or one of its headers, has more than {_FIELD} bytes"
    return UsageError(what, name[:80], f"Call the picture's field {PICTURE!r}.")


def _damaged(why: str) -> UsageError:
    return UsageError(f"The form is damaged: {why}", "", "Send it as curl -F does.")


@dataclass
class _Part:
    """A part of a form while it comes."""

    name: str
    most: int
    data: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > self.most:
            raise TooLong(self.most) if self.name == PICTURE else _field_too_long(self.name)


class _Form:
    """Takes a form apart: one picture, and short fields."""

    def __init__(self, boundary: bytes, most: int) -> None:
        self._most = most
        self._fields: list[_Part] = []
        self._picture: _Part | None = None
        self._part = _Part("", 0)
        self._name = ""
        self._ended = False
        self._header, self._value = bytearray(), bytearray()
        self._disposition = b""
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add(self._header, data[start:end]),
            "on_header_value": lambda data, start, end: self._add(self._value, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": lambda data, start, end: self._part.take(data[start:end]),
            "on_end": self._end,
        }
        self.parser = MultipartParser(boundary, callbacks)

    def upload(self) -> Upload:
        """Return what came.

        Raises
        ------
        UsageError
            When it is cut short, or a part is missing or no text.
        """
        if not self._ended:
            raise _damaged("its end is missing")
        try:
            fields = tuple((part.name, part.data.decode()) for part in self._fields)
        except UnicodeDecodeError as error:
            raise _damaged("a field is not UTF-8") from error
        if self._picture is None:
            raise UsageError(
                "The form has no picture", PICTURE, "Send one, as curl -F image=@photo.jpg does."
            )
        return Upload(self._picture.data, self._name, fields)

    def _begin(self) -> None:
        self._disposition = b""

    def _add(self, text: bytearray, data: bytes) -> None:
        text += data
        if len(text) > _FIELD:
            raise _field_too_long("")

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        _, said = parse_options_header(self._disposition)
        name = said.get(b"name", b"").decode("utf-8", "replace")
        if name == PICTURE:
            self._begin_picture(said.get(b"filename", b"").decode("utf-8", "replace"))
            return
        if b"filename" in said:
            raise UsageError(
                "A file came that is not asked for", name[:80], f"Call the picture's {PICTURE!r}."
            )
        if len(self._fields) == _FIELDS:
            raise UsageError(f"The form has more than {_FIELDS} fields", "", "Send fewer.")
        self._part = _Part(name, _FIELD)
        self._fields.append(self._part)

    def _begin_picture(self, name: str) -> None:
        if self._picture is not None:
            raise UsageError("The form has two pictures", PICTURE, "Send one at a time.")
        self._part = self._picture = _Part(PICTURE, self._most)
        self._name = name[:_NAME]

    def _end(self) -> None:
        self._ended = True
