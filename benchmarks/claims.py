"""What is claimed of the series: ratios and their goals, as a table; and what of it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import ways
from .measures import cold, commands, first, growth, imports, sharing, verifying
from .series import TIMES, Series, spread

AT_LEAST, AT_MOST = "≥", "≤"


@dataclass(frozen=True)
class Claim:
    """A figure: the median of ``over`` divided by that of ``under``, or ``over`` alone; and its goal, if it has one.

    ``better`` tells whether more is better (≥) or less (≤).
    """

    key: str
    text: str
    beside: str
    over: str
    under: str
    better: str
    goal: float | None = None

    def of(self, series: Mapping[str, Series]) -> Figure | None:
        """Return the figure; None where it was not measured."""
        over, under = series.get(self.over), series.get(self.under)
        if over is None or (self.under and under is None):
            return None
        if under is None:
            return self._figure(over.median, over.values, over.unit)
        turns = zip(over.values, under.values, strict=False)
        return self._figure(over.median / under.median, [a / b for a, b in turns], TIMES)

    def _figure(self, value: float, turns: Iterable[float], unit: str) -> Figure:
        """The spread is that of the turns; the ratio of medians may lie outside of it only by chance of pairing."""
        found = spread(list(turns))
        value = float(f"{value:.4g}")
        low, high = min(found["min"], value), max(found["max"], value)
        met = None if self.goal is None else _holds(value, self.better, self.goal)
        return Figure(self.key, self.text, self.beside, value, low, high, unit, self.better, self.goal, met)


def _holds(value: float, better: str, goal: float) -> bool:
    return value >= goal if better == AT_LEAST else value <= goal


@dataclass(frozen=True)
class Figure:
    """A claim as it was measured; ``met`` is None where there is no goal."""

    key: str
    text: str
    beside: str
    value: float
    min: float
    max: float
    unit: str
    better: str
    goal: float | None
    met: bool | None

    def as_dict(self) -> dict[str, Any]:
        """Return everything as builtins, for JSON."""
        return asdict(self)


def figures(found: Iterable[Series]) -> list[Figure]:
    """Return what the series say of the claims, in the claims' order."""
    by_key = {one.key: one for one in found}
    return [figure for claim in CLAIMS if (figure := claim.of(by_key))]


# -- the table ----------------------------------------------------------------------------------------------------

_SHORT = {
    ways.HUB: "hub",
    ways.TRANSFORMERS: "transformers",
    ways.META: "safetensors",
    ways.FAST: "fastsafetensors",
    ways.PT: "pt",
    ways.H5: "h5",
    ways.OURS: "auto",
    ways.TORCH: "torch",
    ways.ONNX: "onnxruntime",
    ways.OPENVINO: "openvino",
    ways.MANY_OURS: "many",
    first.COMMAND: "command",
}
"""Of ways, for the figures' keys."""


def _times(
    clock: str, model: str, text: str, ours: str, peer: str, goal: float | None = None, beside: str = ""
) -> Claim:
    """Claim that a peer takes so many times as much as ours."""
    key = f"{clock}.{model}.{_SHORT[ours]}.{_SHORT[peer]}"
    over, under = f"{clock}/{model}/{peer}", f"{clock}/{model}/{ours}"
    return Claim(key, text, beside or peer, over, under, AT_LEAST, goal)


def _within(key: str, text: str, over: str, goal: float | None) -> Claim:
    """Claim that something is at most so much."""
    return Claim(key, text, "", over, "", AT_MOST, goal)


def _ready() -> list[Claim]:
    text = "{} ready, warm `{}`, after imports"
    goals = {ways.HUB: 150.0, ways.TRANSFORMERS: 8.0, ways.META: None, ways.FAST: None}
    claims = [
        _times("ready", "DPT_Large", text.format("DPT_Large", f".{_SHORT[ours]}"), ours, peer, goal)
        for ours in (ways.PT, ways.H5)
        for peer, goal in goals.items()
    ]
    over, under = f"ready/DPT_Large/{ways.H5}", f"ready/DPT_Large/{ways.PT}"
    h5 = Claim("ready.DPT_Large.h5.pt", "DPT_Large ready, `.h5`", "`.pt`", over, under, AT_MOST, 1.2)
    small = _times("ready", "MiDaS_small", text.format("MiDaS_small", ".pt"), ways.PT, ways.HUB)
    return [*claims, h5, small]


def _first() -> list[Claim]:
    text = "{}: fresh process to first depth"
    goals = {ways.HUB: 4.0, ways.TRANSFORMERS: 1.7, ways.META: None}
    large = [
        _times("first", "DPT_Large", text.format("DPT_Large"), ways.OURS, peer, goal)
        for peer, goal in goals.items()
    ]
    small = [
        claim
        for model in ("MiDaS_small", "Depthmap_Tiny")
        for claim in (
            _times("first", model, text.format(model), ways.OURS, ways.HUB, 5.0),
            _within(f"first.{model}.auto", text.format(model), f"first/{model}/{ways.OURS}", 0.8),
            _within(
                f"first.{model}.command",
                f"{model}: `depthmap predict`, two pictures written",
                f"first/{model}/{first.COMMAND}",
                0.8,
            ),
        )
    ]
    return large + small


def _cold() -> list[Claim]:
    text = "DPT_Large: cold page cache to first depth"
    ours = f"cold/DPT_Large/{ways.OURS}"
    bound, read = f"cold/DPT_Large/{cold.BOUND}", f"cold/DPT_Large/{cold.READ}"
    return [
        Claim("cold.DPT_Large.auto.bound", text, cold.BOUND, bound, ours, AT_LEAST, 0.9),
        Claim("cold.DPT_Large.auto.read", text, cold.READ, read, ours, AT_LEAST),
        _times("cold", "DPT_Large", text, ways.OURS, ways.META, 1.0),
        _times("cold", "DPT_Large", text, ways.OURS, ways.TRANSFORMERS),
    ]


def _steady() -> list[Claim]:
    goals = {"MiDaS_small": 2.0, "MiDaS": 1.4, "DPT_Large": 1.15, "Depthmap_Tiny": None}
    text = "{}: steady inference, {}"
    names = {ways.MANY_OURS: "the engine for many pictures", ways.TORCH: "torch"}
    names |= {ways.ONNX: "ONNX Runtime", ways.OPENVINO: "OpenVINO"}
    return [
        _times(
            "steady",
            model,
            text.format(model, name),
            way,
            ways.HUB,
            goal if way == ways.MANY_OURS else None,
            "torch eager",
        )
        for model, goal in goals.items()
        for way, name in names.items()
    ]


def _sharing() -> list[Claim]:
    text = "DPT_Large, 8 processes loaded and used{}: ΣPSS of the weights, of the file"
    own = "DPT_Large: a process's private memory{}"
    ours = {ways.OURS: "", ways.TORCH: ", by torch"}
    shared = [
        _within(f"sharing.{_SHORT[way]}", text.format(how), f"{sharing.SHARED}/DPT_Large/{way}", 1.05)
        for way, how in ours.items()
    ]
    return shared + [
        _times("private", "DPT_Large", own.format(how), way, peer)
        for way, how in ours.items()
        for peer in (ways.HUB, ways.TRANSFORMERS)
    ]


def _verify() -> list[Claim]:
    over, under = f"verify/DPT_Large/{verifying.BARE}", f"verify/DPT_Large/{verifying.OURS}"
    return [Claim("verify", "DPT_Large: verify, all cores", verifying.BARE, over, under, AT_LEAST, 0.9)]


def _commands() -> list[Claim]:
    listing, text = f"command//{commands.LIST}", f"`{commands.LIST}`"
    alone = f"command//{imports.ALONE}"
    return [
        _within("list", text, listing, 0.1),
        Claim("list.alone", text, "`python -c pass`", listing, alone, AT_MOST, 6.0),
        _within("serve", f"`{commands.SERVE}` answers", f"command//{commands.SERVE}", 1.0),
    ]


def _growth() -> list[Claim]:
    load = "`.pt` ready, 9 MB to 1.4 GB: the slowest"
    linear = "`models list`: a file more, from 500 to 1,000 files"
    return [
        Claim(
            "growth.load",
            load,
            "the quickest",
            f"load//{growth.LONGEST}",
            f"load//{growth.SHORTEST}",
            AT_MOST,
            3.0,
        ),
        Claim(
            "growth.list",
            linear,
            "of the first 500",
            f"list//{growth.UPPER}",
            f"list//{growth.LOWER}",
            AT_MOST,
            1.5,
        ),
        _within("growth.list.1000", "`models list --json`, 1,000 files", "list//1000 files", 0.3),
    ]


CLAIMS: tuple[Claim, ...] = tuple(
    claim
    for part in (_ready, _first, _cold, _sharing, _verify, _steady, _commands, _growth)
    for claim in part()
)
"""In the order of the page."""
