"""What a part is about, and what all parts do with a device."""

from __future__ import annotations

import gc
import math
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AS_TORCH_DOES, HALF = "float32", "float16"


@dataclass(frozen=True)
class Order:
    """A model on a device; ``quick`` is for seeing that it works: its times say nothing."""

    model: str
    device: str
    folder: Path
    quick: bool

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def precisions(self) -> dict[str, bool]:
        """By what `DepthEstimator` computes in: its argument ``optimize``; its default comes first."""
        return {HALF: True, AS_TORCH_DOES: False} if self.on_cuda else {AS_TORCH_DOES: False}

    def estimator(self, optimize: bool, device: str = "") -> Any:
        from depthmap import DepthEstimator

        return DepthEstimator(self.model, device or self.device, optimize, engine="torch")

    def rate(self, call: Callable[[], object], pictures: int) -> float | None:
        """Return pictures a second of a call that gives so many, once warm.

        What is called gives arrays in memory, so each call has waited for the device.
        """
        for _ in range(1 if self.quick else 2):
            call()
        runs, start = 0, time.perf_counter()
        while not runs or time.perf_counter() - start < (0 if self.quick else 1):
            call()
            runs += 1
        return short(pictures * runs / (time.perf_counter() - start))

    def synchronise(self) -> None:
        import torch

        if self.on_cuda:
            torch.cuda.synchronize(self.device)

    def tidy(self) -> None:
        """Give back what nobody holds, page-locked memory too; the device's peak is counted from here."""
        import torch

        gc.collect()
        if self.on_cuda:
            self.synchronise()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
            if forget := getattr(getattr(torch, "accelerator", None), "empty_host_cache", None):
                forget()  # older versions of torch have none

    def peak(self) -> dict[str, int]:
        """Return the most bytes that tensors have had on the device, and that torch has taken for them."""
        import torch

        if not self.on_cuda:
            return {}
        measures = {"allocated": torch.cuda.max_memory_allocated, "reserved": torch.cuda.max_memory_reserved}
        return {name: measure(self.device) for name, measure in measures.items()}


def driver() -> str:
    """Return the version of NVIDIA's driver."""
    command = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return next(iter(done.stdout.split()), "unknown")


def short(value: float) -> float | None:
    """Return a number with four digits; None, as JSON has no other word, where it is none."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
