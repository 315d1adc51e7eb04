"""Sizes as users write them: 2GB, 500 MB, 1.5GiB."""

from __future__ import annotations

import re

import click

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str) -> int:
    """Return a number of bytes; units are powers of 1000, with an i of 1024.

    Raises
    ------
    ValueError
        When the text is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is no size: write 2GB, 500MB or 1.5GiB")
    number, prefix, binary = match[1], (match[2] or "").lower(), match[3]
    return round(float(number) * float(1024 if binary else 1000) ** _POWERS[prefix])


def size_option(ctx: click.Context, parameter: click.Parameter, value: str) -> int:
    """Return the bytes of an option, or say what is wrong with it."""
    try:
        return parse_size(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", ctx, parameter) from error
