"""The environment, read once into a frozen `Settings`. Every variable is documented in ``docs/settings.md``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import UsageError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*(?:([kmgt])(i?))?b?", re.IGNORECASE | re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{8,200}")  # what stands in a URL as it is
_LOGIN = re.compile(r"[^\s,/]+@")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


ANY = "*"
"""What stands for every licence in ``DEPTHMAP_ACCEPT``."""


def default_cache_dir(environment: Mapping[str, str] | None = None) -> Path:
    """Return ``$XDG_CACHE_HOME/depthmap/models``, else ``~/.cache/depthmap/models``; the same on all systems.

    If the latter exists already, it wins, because users had caches there before depthmap read that variable. A
    relative path counts as none, as the XDG Base Directory Specification asks.
    """
    named = Path((os.environ if environment is None else environment).get("XDG_CACHE_HOME", ""))
    below = Path("depthmap") / "models"
    usual = Path.home() / ".cache" / below
    there = os.path.isdir(usual)  # noqa: PTH112 - which, unlike Path's, is False where it may not be looked at
    return named / below if named.is_absolute() and not there else usual


@dataclass(frozen=True)
class Settings:
    """What the environment asks for.

    ``timeout`` is in seconds and bounds each wait for a server or a lock, not a whole download.
    """

    cache_dir: Path
    more_dirs: tuple[Path, ...] = ()
    """Further cache directories, in the order in which they are searched; the first that can be written is."""
    disable_cache: bool = False
    verify: str = "stamp"
    """``"stamp"``: a file is hashed again when its size, time or inode changed; ``"always"``: at each load."""
    model: str = ""
    mirrors: tuple[str, ...] = ()
    offline: bool = False
    allow_unverified: bool = False
    """Whether a model is downloaded of which nothing states the SHA-256."""
    timeout: float = 30.0
    retries: int = 4
    """Rounds over the sources of a download, after the first, that may fail in a row."""
    max_size: int | None = None
    """Bytes that the cache may hold; None: as many as there is room for."""
    load: str = "auto"
    """``"map"``, ``"read"``, or ``"auto"``: read what lies on a network file system, map the rest."""
    token: str = field(default="", repr=False)
    """What a server asks of those who reach it from other machines; empty: it makes one."""
    catalog: Path | None = None
    accept: tuple[str, ...] = ()
    """Models, and licences by their SPDX names, in lower case, whose licence is accepted; `ANY` is every one."""
    export_dir: Path | None = None
    memory: int | None = None
    """Bytes that the models which a server has loaded may take; None: half of the machine's memory."""
    keep_alive: float = 300.0
    """Seconds after which a server unloads a model that nobody asks for; negative: never."""
    queue: int = 32
    """Predictions that may wait in a server; more are refused."""
    max_upload: int = 64 << 20
    """Bytes of a picture that is sent to a server."""

    @property
    def directories(self) -> tuple[Path, ...]:
        """All cache directories, in the order in which they are searched."""
        return (self.cache_dir, *self.more_dirs)

    def with_cache_dir(self, cache_dir: str | os.PathLike[str] | None) -> Settings:
        """Return the settings for another cache directory, or several as in ``DEPTHMAP_CACHE_DIR``.

        None changes nothing.
        """
        if cache_dir is None:
            return self
        first, *more = _directories(os.fspath(cache_dir))
        return replace(self, cache_dir=first, more_dirs=tuple(more))

    def accepting(self) -> Settings:
        """Return the settings by which every licence is accepted."""
        return replace(self, accept=(ANY,))


def _flag(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError("use 1 or 0")


def _directory(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _directories(text: str) -> tuple[Path, ...]:
    paths = tuple(_directory(part) for part in text.split(os.pathsep) if part.strip())
    if not paths:
        raise ValueError("it names no directory")
    return tuple(dict.fromkeys(paths))


def _urls(text: str) -> tuple[str, ...]:
    urls = tuple(u if u.endswith("/") else u + "/" for u in re.split(r"[,\s]+", text) if u)
    for url in urls:
        if not re.match(r"[a-z][a-z0-9+.-]*://", url, re.IGNORECASE):
            raise ValueError(f"{url} is not a URL such as https://host/folder, file:///folder or s3://bucket")
    return urls


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in re.split(r"[,\s]+", text) if name))


def _token(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError(
            "use 8 to 200 letters, digits, '-', '_', '.' and '~', such as openssl rand -hex 16 gives"
        )
    return text


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"use one of {', '.join(allowed)}")
        return text.lower()

    return parse


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < 86_400:
            return float(text)
    raise ValueError("use a number of seconds above 0 and below 86400")


def _keep_alive(text: str) -> float:
    with suppress(ValueError):
        if float(text) == -1 or 0 <= float(text) < 31_536_000:
            return float(text)
    raise ValueError("use a number of seconds, 0 to unload at once, or -1 to keep models loaded")


def _count(text: str) -> int:
    with suppress(ValueError):
        if 0 <= int(text) <= 1000:
            return int(text)
    raise ValueError("use a whole number from 0 to 1000")


def parse_size(text: str) -> int:
    """Return a number of bytes: 2GB, 500 MB, 1.5GiB; units are powers of 1000, with an i of 1024.

    Raises
    ------
    ValueError
        When the text is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a size: write 2GB, 500MB or 1.5GiB")
    number, prefix, binary = match[1], (match[2] or "").lower(), match[3]
    return round(float(number) * float(1024 if binary else 1000) ** _POWERS[prefix])


VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "DEPTHMAP_CACHE_DIR": ("directories", _directories),
    "DEPTHMAP_DISABLE_CACHE": ("disable_cache", _flag),
    "DEPTHMAP_VERIFY": ("verify", _choice("stamp", "always")),
    "DEPTHMAP_MODEL": ("model", str),
    "DEPTHMAP_MIRRORS": ("mirrors", _urls),
    "DEPTHMAP_OFFLINE": ("offline", _flag),
    "DEPTHMAP_ALLOW_UNVERIFIED": ("allow_unverified", _flag),
    "DEPTHMAP_TIMEOUT": ("timeout", _seconds),
    "DEPTHMAP_RETRIES": ("retries", _count),
    "DEPTHMAP_CACHE_MAX_SIZE": ("max_size", parse_size),
    "DEPTHMAP_LOAD": ("load", _choice("auto", "map", "read")),
    "DEPTHMAP_TOKEN": ("token", _token),
    "DEPTHMAP_CATALOG": ("catalog", _directory),
    "DEPTHMAP_ACCEPT": ("accept", _names),
    "DEPTHMAP_EXPORT_DIR": ("export_dir", _directory),
    "DEPTHMAP_MEMORY": ("memory", parse_size),
    "DEPTHMAP_KEEP_ALIVE": ("keep_alive", _keep_alive),
    "DEPTHMAP_QUEUE": ("queue", _count),
    "DEPTHMAP_MAX_UPLOAD": ("max_upload", parse_size),
}


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``environment``, by default the process's own.

    Raises
    ------
    UsageError
        If a variable has an impossible value; it names the variable.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for variable, (name, parse) in VARIABLES.items():
        text = environment.get(variable, "").strip()
        if not text:
            continue
        try:
            values[name] = parse(text)
        except ValueError as error:
            shown = "not as it should be" if name == "token" else repr(_LOGIN.sub("", text))
            what = f"{variable} is {shown}: {_LOGIN.sub('', str(error))}"
            raise UsageError(what, variable, "Correct it or unset it.") from error
    directories = values.pop("directories", ()) or (default_cache_dir(environment),)
    return Settings(cache_dir=directories[0], more_dirs=directories[1:], **values)
