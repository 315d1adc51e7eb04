"""The environment, read once into a frozen `Settings`. Every variable is documented in ``docs/settings.md``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .errors import UsageError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


def default_cache_dir() -> Path:
    """Return ``~/.cache/depthmap/models``, the same on all systems."""
    return Path.home() / ".cache" / "depthmap" / "models"


@dataclass(frozen=True)
class Settings:
    """What the environment asks for.

    ``timeout`` is in seconds and bounds each wait for a server or a lock, not a whole download.
    """

    cache_dir: Path
    disable_cache: bool = False
    verify: str = "stamp"
    """``"stamp"``: a file is hashed again when its size, time or inode changed; ``"always"``: at each load."""
    model: str = ""
    mirrors: tuple[str, ...] = ()
    offline: bool = False
    timeout: float = 30.0
    catalog: Path | None = None
    export_dir: Path | None = None

    def with_cache_dir(self, cache_dir: str | os.PathLike[str] | None) -> Settings:
        """Return the settings for another cache directory; None changes nothing."""
        return self if cache_dir is None else replace(self, cache_dir=Path(cache_dir).expanduser().absolute())


def _flag(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError("use 1 or 0")


def _directory(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _urls(text: str) -> tuple[str, ...]:
    urls = tuple(u if u.endswith("/") else u + "/" for u in re.split(r"[,\s]+", text) if u)
    for url in urls:
        if not re.match(r"(https?|file)://", url):
            raise ValueError(f"{url} is no http://, https:// or file:// URL")
    return urls


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"use one of {', '.join(allowed)}")
        return text.lower()

    return parse


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 86_400:
        raise ValueError("use a number of seconds above 0")
    return value


VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "DEPTHMAP_CACHE_DIR": ("cache_dir", _directory),
    "DEPTHMAP_DISABLE_CACHE": ("disable_cache", _flag),
    "DEPTHMAP_VERIFY": ("verify", _choice("stamp", "always")),
    "DEPTHMAP_MODEL": ("model", str),
    "DEPTHMAP_MIRRORS": ("mirrors", _urls),
    "DEPTHMAP_OFFLINE": ("offline", _flag),
    "DEPTHMAP_TIMEOUT": ("timeout", _seconds),
    "DEPTHMAP_CATALOG": ("catalog", _directory),
    "DEPTHMAP_EXPORT_DIR": ("export_dir", _directory),
}


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``environment``, by default the process's own.

    Raises
    ------
    UsageError
        When a variable has a value that it cannot have; it names the variable.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {"cache_dir": default_cache_dir()}
    for variable, (field, parse) in VARIABLES.items():
        text = environment.get(variable, "").strip()
        if not text:
            continue
        try:
            values[field] = parse(text)
        except ValueError as error:
            raise UsageError(
                f"{variable} is {text!r}: {error}", variable, "Correct it or unset it."
            ) from error
    return Settings(**values)
