"""How much memory this process may use, and how much it has."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""What a control group (a container) may have, by version 2 and version 1."""


def memory(limits: tuple[str, ...] = _LIMITS) -> int:
    """Return the bytes of memory that this process may have: the machine's, or its control group's, 0 if unknown."""
    found = []
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in limits:
        with suppress(OSError, ValueError):  # "max": no limit
            found.append(int(Path(path).read_text()))
    return min(found, default=0)


def resident() -> int:
    """Return the bytes of this process that are in memory, pages that it shares among them; 0 if unknown."""
    with suppress(OSError, ValueError, IndexError):  # only Linux has it
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
