"""Sizes as users write them: 2GB, 500 MB, 1.5GiB."""

from __future__ import annotations

import click

from ..settings import parse_size


def size_option(ctx: click.Context, parameter: click.Parameter, value: str) -> int:
    """Return the bytes of an option, or say what is wrong with it."""
    try:
        return parse_size(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", ctx, parameter) from error
