"""``docs/cli.md`` from the commands themselves: ``python -m depthmap.cli.reference > docs/cli.md``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from .root import cli

_INTRODUCTION = """\
# Commands

<!-- Made by `python -m depthmap.cli.reference > docs/cli.md`; a test compares. -->

Results go to stdout, progress and messages to stderr. With `--json`, stdout is exactly one JSON document. If something
fails, it has `error`, `message`, `where` and `remedy`.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | wrong use: an option, a name or a setting is wrong |
| 3 | some of many failed, the rest is done |
| 130 | interrupted; finished work is kept |

The older scripts still work: `python manage_models.py X` is `depthmap models X`, `python setup_models.py` is
`depthmap setup`, `python test_enhanced_depth.py` is `depthmap doctor`, `python app.py` is `depthmap serve`.

For shell completion of commands, options and models, put `eval "$(_DEPTHMAP_COMPLETE=bash_source depthmap)"` into
`~/.bashrc` (use `zsh_source` or `fish_source` for those shells).

Every command takes these options, before or after its name:
"""


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield a command and all below it, with their full names."""
    context = click.Context(command, info_name=path)
    yield path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if below := command.get_command(context, name):
                yield from commands(below, f"{path} {name}")


def _options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def _row(option: click.Option) -> str:
    """Return a line of a table; click's own text differs between its versions."""
    names = ", ".join(sorted(option.opts, key=lambda name: (name.startswith("--"), option.opts.index(name))))
    values = (
        "\\|".join(option.type.choices) if isinstance(option.type, click.Choice) else option.metavar or ""
    )
    default = f" Default: {option.default}." if option.show_default else ""
    required = " Required." if option.required else ""
    return f"| `{names}{' ' + values if values else ''}` | {option.help}{default}{required} |"


def _table(options: list[click.Option]) -> str:
    return "\n".join(["| option | |", "|---|---|", *map(_row, options)])


def render() -> str:
    """Return the page."""
    common = {option.name for option in _options(cli)} - {"version"}
    parts = [_INTRODUCTION, _table(_options(cli))]
    for path, command, context in commands(cli, "depthmap"):
        if command is cli:
            continue
        usage = " ".join([path, *(piece for piece in command.collect_usage_pieces(context))])
        parts += [f"\n## {path}\n", f"`{usage}`\n", inspect.cleandoc(command.help or "")]
        own = [option for option in _options(command) if option.name not in common]
        if own:
            parts += ["", _table(own)]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(render(), end="")
