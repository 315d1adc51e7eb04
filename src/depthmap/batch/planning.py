"""Which files come of which pictures: names that neither clash with each other nor with a picture."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path

from ..errors import UsageError
from ..fetching import hide_login, is_url, stand_in
from ..images import find_images
from ..outputs import OUTPUTS, require
from .jobs import Job
from .patterns import expand

# What a picture's files are called after, tried in this order until no two pictures share it.
_STEMS: tuple[Callable[[Path], str], ...] = (
    lambda picture: picture.stem,
    lambda picture: picture.name,
    lambda picture: f"{picture.absolute().parent.name}_{picture.name}",
)


@dataclass(frozen=True)
class Plan:
    """The jobs, and pictures that were left out because they are outputs of others."""

    jobs: list[Job]
    left_out: list[Path]


@dataclass(frozen=True)
class _Found:
    picture: Path | str
    """A URL is a str."""
    path: Path
    """The picture's, or what stands in for a URL, as outputs are called after it."""
    folder: Path
    """Relative to the directory in which it was looked for; outputs keep this folder."""
    is_named: bool
    """The user named the file itself, not a directory that holds it."""


def plan(
    paths: Iterable[str | PathLike[str]],
    outputs: Sequence[str],
    directory: str | PathLike[str],
    *,
    recursive: bool = False,
) -> Plan:
    """Say which files are to be made of the pictures that are, match, or lie in, ``paths``.

    Besides paths these may be URLs, and patterns such as ``photos/*.jpg``.

    Each is named after its picture, "photo_depth.png", and lies in ``directory``, below it in the folder that
    the picture has below the directory that was given. Pictures that would share a name keep their endings in
    it ("photo.jpg_depth.png"), then get the name of their folder, then a number. A picture that was found in a
    directory and is called as an output of another one is an earlier output, and is left out.

    A path that does not exist is planned too, for the run to report. So is a pattern that nothing matches.

    Raises
    ------
    ImageError
        When a directory cannot be read.
    UsageError
        When an output is unknown, or a picture that was named would be overwritten.
    """
    out = Path(directory)
    names = list(dict.fromkeys(require(output).name for output in outputs))
    found = list(_find(paths, recursive))
    taken = {_real(out / target) for target in _all_targets(found)}
    left_out = [entry for entry in found if entry.path is entry.picture and _real(entry.path) in taken]
    if named := next((entry for entry in left_out if entry.is_named), None):
        raise UsageError("An output would overwrite this picture", named.path, "Write to another directory.")
    kept = [entry for entry in found if entry not in set(left_out)]
    jobs = [
        Job(
            entry.picture,
            _name(entry.picture),
            {name: out / f"{stem}{OUTPUTS[name].suffix}" for name in names},
        )
        for entry, stem in zip(kept, _stems(kept), strict=True)
    ]
    return Plan(jobs, [entry.path for entry in left_out])


def _name(picture: Path | str) -> str:
    return str(picture) if isinstance(picture, Path) else hide_login(picture)


def _find(names: Iterable[str | PathLike[str]], recursive: bool) -> Iterator[_Found]:
    seen: set[Path | str] = set()
    for name in expand(names):
        for entry in (
            [_Found(name, stand_in(name), Path(), True)] if is_url(name) else _files(Path(name), recursive)
        ):
            key = entry.picture.absolute() if isinstance(entry.picture, Path) else entry.picture
            if key not in seen:
                seen.add(key)
                yield entry


def _files(path: Path, recursive: bool) -> Iterator[_Found]:
    if not path.is_dir():
        yield _Found(path, path, Path(), True)
        return
    for picture in find_images([path], recursive):
        yield _Found(picture, picture, picture.parent.relative_to(path), False)


def _all_targets(found: Sequence[_Found]) -> Iterator[str]:
    """Yield every file that any output has written, or would write, for these pictures."""
    for entry in found:
        for stem in _STEMS:
            for output in OUTPUTS.values():
                yield f"{entry.folder / stem(entry.path)}{output.suffix}"


def _stems(found: Sequence[_Found]) -> list[str]:
    """Return a stem for each picture, no two the same, in capitals or not."""
    levels = [0] * len(found)
    while True:
        stems = [
            str(entry.folder / _STEMS[level](entry.path)) for entry, level in zip(found, levels, strict=True)
        ]
        uses = Counter(stem.casefold() for stem in stems)
        shared = [
            n for n, stem in enumerate(stems) if uses[stem.casefold()] > 1 and levels[n] + 1 < len(_STEMS)
        ]
        if not shared:
            return list(_numbered(stems))
        for number in shared:
            levels[number] += 1


def _numbered(stems: Sequence[str]) -> Iterator[str]:
    used: set[str] = set()
    for stem in stems:
        unique, number = stem, 1
        while unique.casefold() in used:
            number += 1
            unique = f"{stem}-{number}"
        used.add(unique.casefold())
        yield unique


def _real(path: Path) -> Path:
    return _real_directory(path.parent) / path.name


@lru_cache(maxsize=1024)
def _real_directory(path: Path) -> Path:
    return Path(os.path.realpath(path))
