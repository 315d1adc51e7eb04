"""The operations that are broken, each with the state before and after it; and what must hold whatever happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from depthmap.store.names import ARTEFACT

from .forking import Outcome
from .places import Place

Models = Mapping[str, Mapping[str, str]]
"""{model: {format: "A" or "B", or "?" for a damaged file}}."""

BOTH = {"pt": "A", "h5": "A"}
SMALL = {"small": BOTH}
TWO = {"small": BOTH, "mine": {"pt": "B", "h5": "B"}}


@dataclass(frozen=True)
class Scenario:
    """An operation (see `operations`) on a state (see `places.STATES`).

    ``before`` and ``after`` are the models that the cache holds; ``exported`` the files that appear in ``run/out``.
    ``settled`` names the errors that a second run may give when the first had done everything.
    """

    name: str
    state: str
    operation: str
    arguments: Mapping[str, Any]
    before: Models
    after: Models
    exported: Mapping[str, str] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    row: int = 1

    def run(self, place: Place, **how: Any) -> Outcome:
        """Run the operation in a child; ``{a}``, ``{b}``, ``{foreign}``, ``{out}`` in its arguments are paths."""
        places = {"a": place.a, "b": place.b, "foreign": place.foreign, "out": place.out}
        filled = {
            key: value.format(**places) if isinstance(value, str) else value
            for key, value in self.arguments.items()
        }
        return place.run(self.operation, **filled, **how)


def _export(name: str, state: str, format: str, held: Mapping[str, str]) -> Scenario:
    target = {"name": "small", "target": f"{{out}}/x.{format}", "format": format}
    models = {"small": held}
    return Scenario(name, state, "export", target, models, models, {f"x.{format}": "A"}, row=13)


SCENARIOS = [
    Scenario("download", "empty", "download", {"name": "small"}, {}, SMALL),
    Scenario(
        "download of h5",
        "empty",
        "download",
        {"name": "small", "formats": ["h5"]},
        {},
        {"small": {"h5": "A"}},
    ),
    Scenario("download of another form", "empty", "download", {"name": "foreign"}, {}, {"foreign": BOTH}),
    Scenario("resume", "half", "download", {"name": "small"}, {}, SMALL),
    Scenario("conversion", "pt only", "download", {"name": "small"}, {"small": {"pt": "A"}}, SMALL),
    Scenario(
        "import",
        "empty",
        "import_file",
        {"source": "{a}", "name": "mine"},
        {},
        {"mine": BOTH},
        settled=("UsageError",),
        row=13,
    ),
    Scenario(
        "import of another form",
        "empty",
        "import_file",
        {"source": "{foreign}", "name": "mine"},
        {},
        {"mine": BOTH},
        settled=("UsageError",),
        row=13,
    ),
    Scenario(
        "replacing import",
        "imported",
        "import_file",
        {"source": "{b}", "name": "mine", "replace": True},
        {"mine": BOTH},
        {"mine": TWO["mine"]},
        row=13,
    ),
    _export("export", "cached", "pt", BOTH),
    _export("export of h5 as pt", "h5 only", "pt", {"h5": "A"}),
    _export("export of pt as h5", "pt only", "h5", {"pt": "A"}),
    _export("export to safetensors", "cached", "safetensors", BOTH),
    Scenario(
        "repair of pt", "damaged pt", "repair", {"name": "small"}, {"small": {"pt": "?", "h5": "A"}}, SMALL
    ),
    Scenario(
        "repair of h5", "damaged h5", "repair", {"name": "small"}, {"small": {"pt": "A", "h5": "?"}}, SMALL
    ),
    Scenario("optimise", "littered", "optimize", {}, {"small": {"pt": "A", "h5": "?"}}, SMALL),
    Scenario("evict", "two", "evict", {"max_bytes": 40_000_000}, TWO, {"mine": TWO["mine"]}),
    Scenario("delete", "two", "delete", {"name": "small"}, TWO, {"mine": TWO["mine"]}),
    Scenario(
        "delete an imported",
        "two",
        "delete",
        {"name": "mine"},
        TWO,
        SMALL,
        settled=("UnknownModel",),
    ),
    Scenario(
        "compile", "cached", "compile", {"name": "small"}, SMALL, {"small": {**BOTH, ARTEFACT: "bound"}}
    ),
    Scenario("pin", "two", "pin", {"name": "mine"}, TWO, TWO),
]


class Check:
    """The invariant, asked of a place in which a scenario was broken."""

    def __init__(self, place: Place, scenario: Scenario) -> None:
        self.place, self.scenario = place, scenario

    def sound(self, *, load: bool = False) -> None:
        """Nothing looks whole that is not; nothing is lost that was whole before and is to stay.

        ``load``: users load every model now, which sets damaged files aside.
        """
        before, after = self.scenario.before, self.scenario.after
        found = self.contents()
        for slug, formats in found.items():
            for format, held in formats.items():
                allowed = {before.get(slug, {}).get(format), after.get(slug, {}).get(format)}
                assert held in allowed or "?" in allowed, (
                    f"{slug}.{format} holds {held}, not one of {allowed}"
                )
        for slug, formats in after.items():
            for format in formats:
                if before.get(slug, {}).get(format) not in (None, "?"):
                    assert format in found.get(slug, {}), f"{slug}.{format} is gone"
        for path in self._visible():
            wanted = self.scenario.exported.get(path.name)
            assert self._holds(path) == wanted, f"{path.name} is there, and is not whole"
        if load:
            self._load(found)

    def _load(self, found: Models) -> None:
        before, after = self.scenario.before, self.scenario.after
        for slug in dict.fromkeys([*before, *after]):  # in this order, which is that of their use before
            outcome = self.place.run("load", mirror="", name=slug)
            whole = set(before.get(slug, {}).values()) | set(after.get(slug, {}).values())
            if outcome.end == "done":
                held = self.place.fingerprints.get(outcome.value, outcome.value)
                assert held in whole, f"{slug} loads as {held}"
            else:
                assert outcome.end == "failed", outcome.told()
                assert outcome.error["ours"], outcome.told()
                assert outcome.error["remedy"], outcome.told()
                there = set(found.get(slug, {}).values()) & {"A", "B"}
                assert not there, f"{slug} is there ({there}), and cannot be loaded: {outcome.told()}"

    def again(self, **how: Any) -> None:
        """The operation run again succeeds, and leaves what it would have left."""
        outcome = self.scenario.run(self.place, **how)
        if outcome.end != "failed" or outcome.error["class"] not in self.scenario.settled:
            assert outcome.end == "done", f"again: {outcome.told()}"
        self.finished()

    def finished(self) -> None:
        """The state is the one after the operation, and every byte is verified."""
        seen = self.place.run("examine").done()
        found = self._named(seen["contents"])
        assert found == self.scenario.after, f"the cache holds {found}"
        assert not seen["wrong"], seen["wrong"]
        partial = set(seen["partial"]) & set(self.scenario.after)
        assert not partial, f"partial files are left of {partial}"
        exported = {path.name: self._holds(path) for path in self._visible()}
        assert exported == self.scenario.exported, f"out holds {exported}"

    def contents(self) -> dict[str, dict[str, str]]:
        """Return what the published files hold; a damaged ``.pkl`` is an error at once."""
        return self._named(self.place.run("contents").done())

    def _named(self, found: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for slug, formats in found.items():
            described = formats.pop("pkl", "")
            assert not described.startswith("damaged"), f"{slug}.pkl: {described}"
        named = {
            slug: {format: self.place.fingerprints.get(held, held) for format, held in formats.items()}
            for slug, formats in found.items()
        }
        return {slug: formats for slug, formats in named.items() if formats}

    def _visible(self) -> list[Path]:
        return [path for path in sorted(self.place.out.iterdir()) if not path.name.startswith(".")]

    def _holds(self, path: Path) -> str:
        outcome = self.place.run("tensors_of", path=str(path))
        return self.place.fingerprints.get(outcome.value, "") if outcome.end == "done" else outcome.told()
