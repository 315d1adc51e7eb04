"""Is there a GPU that torch could use? Answered without importing torch, which takes a second."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import TORCH_EXTRA

_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""NVIDIA's, AMD's, and what Windows lends to Linux. A container that is given one card of many may have no nvidia0."""


def may_have_gpu() -> bool:
    """Tell whether torch has to be asked for a device: False where it has the CPU alone, or is missing."""
    if not TORCH_EXTRA.is_installed():
        return False
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    with suppress(PackageNotFoundError):
        if version("torch").endswith("+cpu"):
            return False
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll").exists()
    return any(Path(device).exists() for device in _DEVICES)
