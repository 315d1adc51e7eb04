"""What this machine has that decides which models it can run."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""What a control group (a container) may have, by version 2 and version 1."""


@dataclass(frozen=True)
class Machine:
    """``memory`` is in bytes, 0 where the system does not tell; ``gpu`` is its name, empty where there is none."""

    cores: int
    memory: int
    gpu: str


def this_machine() -> Machine:
    """Return what this process may use. It asks torch for the GPU, where there seems to be one."""
    from ..engines.cores import usable_cores

    return Machine(usable_cores(), memory(), _gpu())


def memory(limits: tuple[str, ...] = _LIMITS) -> int:
    """Return the bytes of memory that this process may have: the machine's, or its control group's, 0 if unknown."""
    found = []
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in limits:
        with suppress(OSError, ValueError):  # "max": no limit
            found.append(int(Path(path).read_text()))
    return min(found, default=0)


def _gpu() -> str:
    from ..engines.devices import may_have_gpu

    if not may_have_gpu():
        return ""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "Apple's" if torch.backends.mps.is_available() else ""
