"""The peers' own environment: installed from PyPI, pinned, with the torch that depthmap runs with."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from .machine import PEERS, ROOT

PINS = Path(__file__).with_name("peers-constraints.txt")
FOLDER = ROOT / "build" / "peers-venv"
_READY = "depthmap-peers.json"
_NEEDED = ("numpy", "pillow", "safetensors", "transformers", "fastsafetensors")
_TIMM = ("timm", "torchvision")
_THEIRS = ("requests",)
"""What those need, and nothing else here has."""
_PROBE = f"""
import importlib.metadata, json, platform
found = {{"python": platform.python_version()}}
for name in {PEERS}:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""
NO_TIMM = (
    "`import timm`, a step of torch.hub's way for every model: the versions that the official code asks for could not "
    "be installed or imported here. So torch.hub's way is measured without it, in its favour."
)
NO_PEERS = "transformers, safetensors and fastsafetensors where they are not installed (`--no-peers`)"


@dataclass(frozen=True)
class Environment:
    """An interpreter that peers run in, the versions it has, and what could not be had.

    ``timm`` is a folder from which torch.hub's way imports timm, or empty.
    """

    python: str
    versions: dict[str, str]
    left_out: tuple[str, ...] = ()
    timm: str = ""

    def has(self, package: str) -> bool:
        """Tell whether a package is there; what needs none always is."""
        return not package or package in self.versions


def own() -> Environment:
    """Return this interpreter: what is not installed in it is left out."""
    return Environment(sys.executable, _versions(sys.executable), (NO_PEERS,))


def peers(folder: Path = FOLDER) -> Environment:
    """Return the peers' environment; it is made where it is not there yet, or was made for other versions."""
    wanted = _wanted()
    ready = folder / _READY
    if ready.is_file() and (found := json.loads(ready.read_text())).pop("wanted") == wanted:
        return Environment(**found)
    environment = _install(folder)
    ready.write_text(json.dumps({"wanted": wanted, **asdict(environment)}, indent=1))
    return environment


def _install(folder: Path) -> Environment:
    """Make the environment.

    Its torch is asked for in exactly our version, with its "+cpu" if it has that: pip fails then rather than fetching
    gigabytes of CUDA.
    """
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    python = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    _pip(python, "install", f"torch=={version('torch')}", *_NEEDED)
    versions, hub = _versions(python), folder / "hub"
    if not _install_timm(python, hub):
        return Environment(python, versions, (NO_TIMM,))
    return Environment(python, _versions(python, str(hub)), timm=str(hub))


def _install_timm(python: str, target: Path) -> bool:
    """Install timm of the age that the official code asks for, with torchvision of that age; tell whether it works.

    They are in a folder of their own, without what they say they need: that would be a torch of their age. The compiled
    parts of torchvision do not load beside ours, and timm does without them; transformers would not.
    """
    try:
        _pip(python, "install", "--target", str(target), "--no-deps", *_TIMM)
        _pip(python, "install", "--target", str(target), *_THEIRS)
    except subprocess.CalledProcessError:
        return False
    environment = {**os.environ, "PYTHONPATH": str(target)}
    return not subprocess.run([python, "-c", "import timm"], capture_output=True, env=environment).returncode


def _pip(python: str, *words: str) -> None:
    pins = ("-c", str(ROOT / "constraints.txt"), "-c", str(PINS))
    subprocess.run(
        [python, "-m", "pip", *words, "--quiet", "--disable-pip-version-check", *pins],
        check=True,
        stdout=sys.stderr,
    )


def _wanted() -> str:
    """Return a digest of all that decides what is installed."""
    text = f"{version('torch')} {platform.python_version()}"
    pins = (ROOT / "constraints.txt").read_bytes() + PINS.read_bytes()
    return hashlib.sha256(text.encode() + pins).hexdigest()


def _versions(python: str, folder: str = "") -> dict[str, str]:
    environment = {**os.environ, "PYTHONPATH": folder}
    done = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, check=True, env=environment)
    found: dict[str, str] = json.loads(done.stdout)
    return found
