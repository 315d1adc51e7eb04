"""``depthmap models recommend``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from ..catalog import EMBEDDED, ModelSpec, by_accuracy
from ..errors import DepthmapError, EngineUnavailable
from .listing import by_group, marked, rough_size
from .machine import Machine, this_machine
from .output import count, seconds_text, size_text
from .session import Session, with_session

if TYPE_CHECKING:
    from ..cache import ModelCache

_SIZE = (640, 480)
"""Of the picture that models are tried with, in pixels."""
_USUAL = 518
"""Up to this input size in pixels a network computes with about half a gigabyte."""


@dataclass(frozen=True)
class Row:
    """One model: ``seconds`` a picture takes, which are ``measured`` or an estimate, 0 where there is none.

    ``memory`` is about what it needs, in bytes.
    """

    spec: ModelSpec
    cached: bool
    seconds: float
    measured: bool
    memory: int
    fits: bool

    @property
    def note(self) -> str:
        """How the seconds were found, in a word."""
        if not self.fits:
            return "too large"
        return "measured" if self.measured else "estimate" if self.seconds else "unknown"


@click.command()
@click.option(
    "--within",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a picture may take.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Look at every model, not only at a few of each family."
)
@with_session
def recommend(session: Session, within: float, everything: bool) -> None:
    """Find the model that suits this machine.

    It times the models that are here on a picture of 640 by 480 pixels. For
    the others it estimates the time: from what is known of their work, and
    from what it has measured. It recommends the most accurate model that may
    be used for anything, fits into memory and is quick enough.
    """
    cache = session.working_cache()
    machine = this_machine()
    session.say(f"This machine: {_described(machine)}.")
    specs = [spec for spec in cache.shelf.catalog.values() if everything or _is_looked_at(cache, spec)]
    rows = rows_of(
        machine,
        specs,
        {spec.slug: cache.is_cached(spec.slug) for spec in specs},
        _measured(session, cache, specs),
    )
    best = chosen(rows, within)
    reason = _reason(best, within)
    session.result(
        {
            "machine": asdict(machine),
            "picture": list(_SIZE),
            "recommended": best.spec.name,
            "reason": reason,
            "models": [_as_dict(row) for row in rows],
        },
        _lines(rows, best),
    )
    if session.json:
        return
    get = (
        ""
        if best.cached or best.spec.embedded
        else f" Get it with 'depthmap models download {best.spec.name}'."
    )
    session.say(f"Recommended: {best.spec.name}, {reason}.{get}")


def _is_looked_at(cache: ModelCache, spec: ModelSpec) -> bool:
    return spec.short or not spec.group or cache.is_cached(spec.slug)


def _described(machine: Machine) -> str:
    has = [count(machine.cores, "core")]
    has += [f"{size_text(machine.memory)} of memory"] if machine.memory else []
    return ", ".join([*has, machine.gpu or "no GPU that depthmap can use"])


def _measured(session: Session, cache: ModelCache, specs: Sequence[ModelSpec]) -> dict[str, float]:
    """Return the seconds of a picture, by slug, of the models that need no download."""
    from . import trials

    found = {}
    picture = trials.picture(*_SIZE)
    for spec in specs:
        if spec.embedded or cache.is_cached(spec.slug):
            session.say(f"Trying {spec.name} ...")
            try:
                found[spec.slug] = trials.load(cache, spec.name).steady(picture)
            except DepthmapError as error:
                session.warn(str(error))
    return found


def rows_of(
    machine: Machine, specs: Sequence[ModelSpec], cached: dict[str, bool], measured: dict[str, float]
) -> list[Row]:
    """Return what is known of each model; ``cached`` and ``measured`` (seconds of a picture) are by slug."""
    rate = _rate(specs, measured)
    return [
        Row(
            spec,
            cached[spec.slug],
            measured.get(spec.slug, spec.work * rate),
            spec.slug in measured,
            needs := memory_of(spec),
            not machine.memory or needs < machine.memory,
        )
        for spec in specs
    ]


def _rate(specs: Sequence[ModelSpec], measured: dict[str, float]) -> float:
    """Return the seconds of this machine for a unit of work, by the measured model that does most; 0 if none is."""
    known = [spec for spec in specs if spec.slug in measured and spec.work]
    most = max(known, key=lambda spec: spec.work, default=None)
    return measured[most.slug] / most.work if most else 0.0


def memory_of(spec: ModelSpec) -> int:
    """Return about how many bytes a model needs to run: its weights, and what it computes of so many pixels."""
    return spec.parameters * 4 + round(500_000_000 * max(1.0, (spec.input_size / _USUAL) ** 2))


def chosen(rows: Sequence[Row], within: float) -> Row:
    """Return the most accurate model that is quick enough and fits, of those that may be chosen unasked.

    Raises
    ------
    EngineUnavailable
        When none could be tried, so nothing is known of this machine.
    """
    by_slug = {row.spec.slug: row for row in rows}
    order = [*by_accuracy({row.spec.slug: row.spec for row in rows}), EMBEDDED]
    able = [row for spec in order if (row := by_slug.get(spec.slug)) and row.fits and row.seconds]
    if not able:
        raise EngineUnavailable("No model could be tried", "", "Run 'depthmap doctor' to see why.")
    return next((row for row in able if row.seconds <= within), min(able, key=lambda row: row.seconds))


def _reason(best: Row, within: float) -> str:
    took = f"{seconds_text(best.seconds)} a picture, {'measured' if best.measured else 'an estimate'}"
    if best.seconds > within:
        return f"the quickest ({took}); none takes at most {within:g} s"
    return f"the most accurate that takes at most {within:g} s ({took})"


def _as_dict(row: Row) -> dict[str, Any]:
    return {
        "name": row.spec.name,
        "kind": row.spec.kind,
        "cached": row.cached,
        "seconds": float(f"{row.seconds:.3g}"),
        "measured": row.measured,
        "memory_mb": round(row.memory / 1e6),
        "fits": row.fits,
        "terms": row.spec.terms,
    }


def _lines(rows: Sequence[Row], best: Row) -> list[str]:
    cells = [
        (
            row.spec.group,
            (
                marked(row.spec.name, "best here" if row is best else ""),
                _time(row),
                f"~{size_text(row.memory)}",
                rough_size(row.spec.bytes, row.spec.parameters) if row.spec.url and not row.cached else "",
                row.note,
            ),
        )
        for row in rows
    ]
    return by_group(("NAME", "TIME", "MEMORY", "DOWNLOAD", "NOTE"), cells, right=[1, 2, 3])


def _time(row: Row) -> str:
    return f"{'' if row.measured else '~'}{seconds_text(row.seconds)}" if row.seconds else ""
