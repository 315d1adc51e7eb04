"""What machine it is, and which versions run on it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "numpy", "pillow", "h5py", "onnxruntime", "openvino")
PEERS = ("torch", "transformers", "safetensors", "fastsafetensors", "timm", "torchvision")


def facts() -> dict[str, Any]:
    """Return what of a machine decides how fast things are, as far as the system tells."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_gb": round(_memory() / 2**30),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2),
    }


def kind(machine: Mapping[str, Any]) -> str:
    """Return what two machines have in common whose ratios can be compared."""
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system'].split()[0]}"


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python, and of those packages that this interpreter has."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit of the sources, with a + where they differ from it; empty outside of a repository."""
    described = _git("rev-parse", "--short=12", "HEAD")
    return described + ("+" if described and _git("status", "--porcelain", "--", "src") else "")


def _git(*words: str) -> str:
    try:
        done = subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _cpu() -> str:
    """Return the model of the processor, and the widest of its vector units: a virtual one has no telling name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    names = {key.strip(): text.strip() for key, text in found.items()}
    flags = names.get("flags", "").split()
    vectors = next((flag for flag in ("amx_tile", "avx512f", "avx2") if flag in flags), "")
    return f"{names.get('model name', platform.machine())} {vectors}".strip()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
