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
from ..images import find_images
from ..outputs import OUTPUTS, require
from .jobs import Job

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
    picture: Path
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
    """Say which files are to be made of the pictures that are, or lie in, ``paths``.

    Each is named after its picture, "photo_depth.png", and lies in ``directory``, below it in the folder that
    the picture has below the directory that was given. Pictures that would share a name keep their endings in
    it ("photo.jpg_depth.png"), then get the name of their folder, then a number. A picture that was found in a
    directory and is called as an output of another one is an earlier output, and is left out.

    A path that does not exist is planned too, for the run to report.

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
    left_out = [entry for entry in found if _real(entry.picture) in taken]
    if named := next((entry for entry in left_out if entry.is_named), None):
        raise UsageError(
            "An output would overwrite this picture", named.picture, "Write to another directory."
        )
    kept = [entry for entry in found if entry not in set(left_out)]
    jobs = [
        Job(
            entry.picture, str(entry.picture), {name: out / f"{stem}{OUTPUTS[name].suffix}" for name in names}
        )
        for entry, stem in zip(kept, _stems(kept), strict=True)
    ]
    return Plan(jobs, [entry.picture for entry in left_out])


def _find(paths: Iterable[str | PathLike[str]], recursive: bool) -> Iterator[_Found]:
    seen = set()
    for path in map(Path, paths):
        for picture in find_images([path], recursive) if path.exists() else [path]:
            if picture.absolute() not in seen:
                seen.add(picture.absolute())
                folder = picture.parent.relative_to(path) if path.is_dir() else Path()
                yield _Found(picture, folder, not path.is_dir())


def _all_targets(found: Sequence[_Found]) -> Iterator[str]:
    """Yield every file that any output has written, or would write, for these pictures."""
    for entry in found:
        for stem in _STEMS:
            for output in OUTPUTS.values():
                yield f"{entry.folder / stem(entry.picture)}{output.suffix}"


def _stems(found: Sequence[_Found]) -> list[str]:
    """Return a stem for each picture, no two the same, in capitals or not."""
    levels = [0] * len(found)
    while True:
        stems = [
            str(entry.folder / _STEMS[level](entry.picture))
            for entry, level in zip(found, levels, strict=True)
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
