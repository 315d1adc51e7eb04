"""Renders a scene's frames and keeps those that are good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from . import indoor, levels, park, portrait, raster, street, tracks, wild
from .camera import View, worth_rendering
from .frames import INFINITE, Folder, encode, expose, stem_of
from .parameters import AGREEMENT, FAR, KINDS, LIMITS, QUICK_VIEWS, TRIES, VIEWS
from .quality import Sieve, agrees
from .scenes import Kit, Library, Scene

BUILDERS: dict[str, Callable[[Kit], Scene]] = {
    "indoor": indoor.build,
    "street": street.build,
    "park": park.build,
    "portrait": portrait.build,
    "track": tracks.build,
    "wild": wild.build,
    "circuit": levels.circuit,
    "arena": levels.arena,
}
"""By kind of scene."""
RELIGHT = 6
"""After so many frames the hour of the day changes."""


class Producer:
    """Renders scenes of one source into its folder: by tracing light, or quickly, by OpenGL."""

    def __init__(self, assets: Path, out: Folder, source: str, threads: int, quick: bool = False) -> None:
        self.library, self.out, self.source, self.threads = Library(assets), out, source, threads
        self.context = raster.context(threads) if quick else None

    def __call__(self, seed: int) -> str:
        """Render a scene; return what became of it, for the log."""
        kit = Kit(self.library, seed, self.source, self.threads, self.out.path)
        kind = kit.one_by_share(KINDS[self.source]) if self.source in KINDS else self.source
        scene = BUILDERS[kind](kit)
        kit.stage.settle()
        quick = raster.Raster(kit.stage, self.context, kit.dresser()) if self.context else None
        render = quick.render if quick else kit.stage.render
        wanted, fate, sieve = kit.rng.randint(*VIEWS[self.source]), Counter[str](), Sieve()
        wanted *= QUICK_VIEWS if quick else 1
        used: list[View] = []
        lines: list[dict[str, object]] = []
        for _ in range(wanted * TRIES):
            view = scene.draw()
            if view is None or any(view.resembles(other, scene.apart) for other in used):
                continue
            cast, surfaces = kit.stage.glance(view)
            if not worth_rendering(cast, surfaces, LIMITS[self.source]):
                fate["not worth rendering"] += 1
                continue
            used.append(view)
            light, depth = render(view)
            picture, inverse = expose(light, kit.rng), encode(depth, FAR[self.source])
            fault = sieve.fault(picture, inverse) if agrees(cast, depth, AGREEMENT) else "wrong depth"
            fate[fault or "kept"] += 1
            if fault is None:
                stem = stem_of(seed, len(lines))
                self.out.write(stem, picture, inverse)
                sky = round(float((inverse == INFINITE).mean()), 4)
                lines.append(
                    {"stem": stem, "scene": scene.name, "kind": scene.kind, "fov": view.fov, "sky": sky}
                )
                if len(lines) % RELIGHT == 0:
                    scene.relight()
                    if quick:
                        quick.relight()
            if len(lines) >= wanted:
                break
        self.out.finish(seed, lines)
        return f"{scene.kind} {scene.name}: " + ", ".join(f"{n} {what}" for what, n in fate.most_common())
