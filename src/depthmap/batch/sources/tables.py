"""Parquet files that hold pictures, or where they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any

from ...errors import UsageError
from ...extras import Extra
from .item import Item, broken

PYARROW = Extra("pyarrow", "parquet", "Parquet files")
_ROWS = 16
"""Rows that are in memory at once, besides the pages that Parquet itself reads."""
_PLACES = ("path", "url", "uri", "file", "filename", "file_name", "image", "image_url", "image_path")


def rows(
    stream: IO[bytes],
    place: str,
    path: str,
    tag: str,
    column: str,
    found: Callable[[str, str], Iterator[Item]],
) -> Iterator[Item]:
    """Yield the pictures in a table.

    ``column`` holds encoded pictures, structs with such in ``bytes`` (as Hugging Face's datasets have), or paths and
    URLs, of which ``found`` makes items. Without a name it is the first that holds bytes, else the first of a usual
    name that holds text. A picture of bytes is called after its row.

    Raises
    ------
    MissingExtra
        When pyarrow is not installed.
    UsageError
        When there is no such column.
    """
    arrow = PYARROW.load()
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(stream) as table:
            name = column or _column(table.schema_arrow, place)
            if name not in table.schema_arrow.names:
                raise _no_column(place, name, table.schema_arrow.names)
            number = 0
            for batch in table.iter_batches(batch_size=_ROWS, columns=[name]):
                for value in batch.column(0):
                    yield from _row(
                        value.as_py(), f"{path}{number:08d}", f"{place}#{number}", tag, number, found
                    )
                    number += 1
    except (arrow.ArrowException, OSError) as error:
        yield broken(place, "The table is damaged or cut short", error, "Copy it again.")


def _row(
    value: Any, path: str, place: str, tag: str, number: int, found: Callable[[str, str], Iterator[Item]]
) -> Iterator[Item]:
    data = value.get("bytes") or value.get("path") if isinstance(value, dict) else value
    if isinstance(data, bytes):
        yield Item(path, place, tag and f"{tag}#{number}", data=data)
    elif isinstance(data, str) and data:
        yield from found(data, path)
    else:
        yield broken(place, "The row has no picture", remedy="Name another column, or leave the row out.")


def _column(schema: Any, place: str) -> str:
    import pyarrow.types as types

    def is_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            return any(field.name == "bytes" for field in kind)
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    by_name = {field.name.lower(): field for field in reversed(schema)}
    texts = [
        by_name[name].name
        for name in _PLACES
        if name in by_name
        and (types.is_string(by_name[name].type) or types.is_large_string(by_name[name].type))
    ]
    chosen: str = next((field.name for field in schema if is_bytes(field.type)), texts[0] if texts else "")
    if not chosen:
        raise _no_column(place, "", schema.names)
    return chosen


def _no_column(place: str, name: str, names: list[str]) -> UsageError:
    what = "The table has no such column" if name else "No column of the table seems to hold pictures"
    return UsageError(
        what, f"{place}: {name}" if name else place, f"Name one with --column: {', '.join(names)}."
    )
