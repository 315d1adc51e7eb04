"""What a measure is given: the files, the environments, and how often to repeat."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import machine, ways
from .environment import Environment
from .material import Material
from .processes import Process, until_line
from .ways import SCRIPTS, Way


@dataclass(frozen=True)
class Bench:
    """One run."""

    folder: Path
    peers: Environment
    material: Mapping[str, Material]
    """By model; those that the run is about."""
    photo: Path
    rounds: int
    long_rounds: int
    """For what takes more than ten seconds a round."""

    @property
    def ways(self) -> dict[str, Way]:
        """The ways that can be gone here."""
        from depthmap.engines import installed, order

        engines = {engine.name for engine in installed()}
        soonest, fastest = (
            next((name for name in order(pictures) if name in engines), "torch")
            for pictures in (1, ways.MANY)
        )
        missing = {ways.ONNX: "onnxruntime", ways.OPENVINO: "openvino"}
        return {
            name: way
            for name, way in ways.ways(soonest, fastest).items()
            if missing.get(name, "torch") in {*engines, "torch"}
            and (not way.peer or self.peers.has(way.package))
        }

    def some(self, model: str, *names: str) -> list[Way]:
        """Return those of the ways named that there are for a model."""
        return [way for name in names if (way := self.ways.get(name)) and way.fits(model)]

    def command(self, way: Way, model: str, until: str) -> list[str]:
        """Return the command that goes a way."""
        made = self.material[model]
        keys = {"model": model, "photo": str(self.photo), "side": str(made.side), **way.keys(made)}
        if way.peer:
            keys["timm"] = self.peers.timm
        python = self.peers.python if way.peer else sys.executable
        return [python, str(SCRIPTS / f"{way.script}.py"), until, *(f"{k}={v}" for k, v in keys.items())]

    def environment(self, way: Way, model: str) -> dict[str, str]:
        """Return the environment in which a way is gone: no setting of the user's is in it."""
        made = self.material[model]
        found = clean() | made.environment
        if way.h5:
            found["DEPTHMAP_CACHE_DIR"] = str(made.h5_cache)
        if way.peer:
            places = [str(machine.ROOT / "src"), *([self.peers.timm] if way.name == ways.HUB else [])]
            found |= {"PYTHONPATH": os.pathsep.join(places), "HF_HUB_OFFLINE": "1"}
        return found

    def fresh(self, way: Way, model: str, until: str = "depth") -> float:
        """Go a way in a process of its own; return the seconds from its start until it is there."""
        return until_line(self.command(way, model, until), self.environment(way, model))

    @contextmanager
    def going(self, steps: Sequence[tuple[Way, str]]) -> Iterator[list[Process]]:
        """Start a process for each way and model that takes steps, one after another; after them they are gone."""
        with ExitStack() as stack:
            processes = []
            for way, model in steps:
                command, environment = self.command(way, model, "steps"), self.environment(way, model)
                process = stack.enter_context(Process(command, environment))
                process.line()
                processes.append(process)
            yield processes


def clean() -> dict[str, str]:
    """Return this environment without settings of depthmap; modules are compiled once, as users have it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("DEPTHMAP_")}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    return own
