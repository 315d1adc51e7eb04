"""What this machine has that decides which models it can run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """``memory`` is in bytes, 0 where the system does not tell; ``gpu`` is its name, empty where there is none."""

    cores: int
    memory: int
    gpu: str


def this_machine() -> Machine:
    """Return what this process may use. It asks torch for the GPU, where there seems to be one."""
    from ..engines.cores import usable_cores
    from ..engines.memory import memory

    return Machine(usable_cores(), memory(), _gpu())


def _gpu() -> str:
    from ..engines.devices import may_have_gpu

    if not may_have_gpu():
        return ""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "Apple's" if torch.backends.mps.is_available() else ""
