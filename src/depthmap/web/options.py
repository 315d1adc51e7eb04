"""What may be asked of a prediction: one table, of which the parser and the API's description are made.

Names and meanings are those of ``depthmap predict``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..catalog import SIZES
from ..colours import COLOUR_MAPS, DEFAULT_MAP
from ..errors import UsageError
from ..outputs import OUTPUTS, Options, require, split_names
from ..ranges import EYES, EYES_LIMITS, RATIO

if TYPE_CHECKING:
    from ..calibration import Calibration
    from ..depth import Depth
    from ..images import Photo
    from ..known_points import KnownPoints

Schema = Mapping[str, Any]


class Option(NamedTuple):
    """One option: ``schema`` is JSON Schema, ``parse`` makes a value of the texts that were given for it."""

    about: str
    schema: Schema
    parse: Callable[[str, Sequence[str], Schema], Any]


def _text(name: str, texts: Sequence[str], schema: Schema) -> str:
    if len(texts) > 1:
        raise UsageError("An option was given twice", name, "Give it once.")
    text = texts[0]
    allowed = schema.get("enum")
    if allowed and text.lower() not in allowed:
        raise UsageError(f"{text[:80]!r} is none of {', '.join(allowed)}", name, "Choose one of these.")
    return text.lower() if allowed else text


def _number(name: str, texts: Sequence[str], schema: Schema) -> float:
    text = _text(name, texts, {})
    number = _as_number(text, schema["type"])
    least, above = schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf)
    most, below = schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf)
    if number is None or not (math.isfinite(number) and least <= number <= most and above < number < below):
        raise UsageError(f"{text[:80]!r} is not {_described(schema)}", name, "Correct it, or leave it out.")
    return number


def _as_number(text: str, kind: str) -> float | None:
    try:
        return int(text) if kind == "integer" else float(text)
    except ValueError:
        return None


_LIMITS = {
    "minimum": "from {:g}",
    "exclusiveMinimum": "above {:g}",
    "maximum": "to {:g}",
    "exclusiveMaximum": "below {:g}",
}


def _described(schema: Schema) -> str:
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    return " ".join([kind, *(text.format(schema[key]) for key, text in _LIMITS.items() if key in schema)])


def _outputs(name: str, texts: Sequence[str], schema: Schema) -> tuple[str, ...]:
    names = split_names(texts)
    for one in names:
        require(one)
    return names


def _points(name: str, texts: Sequence[str], schema: Schema) -> Any:
    from ..known_points import Point

    return tuple(Point.parse(text[:80]) for text in texts)


def _calibration(name: str, texts: Sequence[str], schema: Schema) -> Any:
    from ..calibration import Calibration

    text = _text(name, texts, {})
    try:
        scale, shift = map(float, text.split(","))
    except ValueError:
        what = f"{text[:80]!r} is not SCALE,SHIFT, such as 0.02,0.1"
        raise UsageError(
            what, name, "Give the two numbers of 1 / metres = SCALE * inverse depth + SHIFT."
        ) from None
    return Calibration(scale, shift)


_NUMBER = r"[-+0-9.eE]+"
OPTIONS: dict[str, Option] = {
    "model": Option("A model that is here; by default the server's.", {"type": "string"}, _text),
    "outputs": Option(
        "The files that are wanted, several as a zip; may be repeated, or separated by commas.",
        {"type": "array", "items": {"type": "string", "enum": list(OUTPUTS)}},
        _outputs,
    ),
    "colours": Option(
        "Colour map of the colour outputs.",
        {"type": "string", "enum": list(COLOUR_MAPS), "default": DEFAULT_MAP},
        _text,
    ),
    "size": Option(
        "Longer side that the network sees, in pixels.",
        {"type": "integer", "minimum": SIZES[0], "maximum": SIZES[1]},
        _number,
    ),
    "fov": Option(
        "Field of view across the width, in degrees.",
        {"type": "number", "minimum": 0.1, "maximum": 179},
        _number,
    ),
    "focal": Option(
        "Focal length in 35 mm terms, in millimetres, instead of fov.",
        {"type": "number", "minimum": 0.1, "maximum": 100_000},
        _number,
    ),
    "calibrate": Option(
        "A point of known distance, X,Y=METRES. With two or more, files hold metres.",
        {"type": "array", "items": {"type": "string", "pattern": f"^{_NUMBER},{_NUMBER}={_NUMBER}m?$"}},
        _points,
    ),
    "far": Option(
        "Distance of the farthest thing, in metres; then one point is enough.",
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9},
        _number,
    ),
    "calibration": Option(
        "SCALE,SHIFT of 1 / metres = SCALE * inverse depth + SHIFT, instead of points.",
        {"type": "string", "pattern": f"^{_NUMBER},{_NUMBER}$"},
        _calibration,
    ),
    "ratio": Option(
        "Without metres, 3D outputs put the farthest so many times as far away as the nearest.",
        {"type": "number", "exclusiveMinimum": 1, "maximum": 1e6, "default": RATIO},
        _number,
    ),
    "eyes": Option(
        "Largest shift between the views of stereo and anaglyph, in % of the width.",
        {"type": "number", "minimum": EYES_LIMITS[0], "maximum": EYES_LIMITS[1], "default": EYES},
        _number,
    ),
}
"""By name; the order is that of the description."""


@dataclass(frozen=True)
class Asked:
    """What is asked of one prediction. ``camera`` has ``fov`` or ``focal``, or neither."""

    model: str | None = None
    outputs: tuple[str, ...] = ()
    size: int | None = None
    camera: Mapping[str, float] = field(default_factory=dict)
    known: KnownPoints | Calibration | None = None
    options: Options = field(default_factory=Options)

    def begin(self, photo: Photo) -> Photo:
        """Return the picture with its camera, from which some networks find metres."""
        from dataclasses import replace

        from ..camera import Camera

        height, width = photo.pixels.shape[:2]
        if "fov" in self.camera:
            return replace(photo, camera=Camera.from_fov(self.camera["fov"], width, height))
        if "focal" in self.camera:
            return replace(photo, camera=Camera.from_focal(self.camera["focal"], width, height))
        return photo

    def finish(self, depth: Depth) -> Depth:
        """Return the depth in metres, where something is known of them.

        Raises
        ------
        UsageError
            When the points do not fit the picture, or it is in metres already.
        """
        return depth if self.known is None else depth.calibrated(self.known).metric()


def read(query: Iterable[tuple[str, str]], fields: Iterable[tuple[str, str]] = ()) -> Asked:
    """Return what the options of the query and of a form's fields ask for; those of the query win. Empty ones are none.

    Raises
    ------
    UsageError
        When one is unknown or out of range, or two contradict each other.
    """
    texts = {**_grouped(fields), **_grouped(query)}
    if unknown := [name for name in texts if name not in OPTIONS]:
        raise UsageError(
            f"There is no option {unknown[0][:80]!r}", "", f"The options are {', '.join(OPTIONS)}."
        )
    values = {name: OPTIONS[name].parse(name, given, OPTIONS[name].schema) for name, given in texts.items()}
    camera: dict[str, float] = {name: values[name] for name in ("fov", "focal") if name in values}
    if len(camera) > 1:
        raise UsageError("fov and focal say the same in two ways", "fov, focal", "Give one of them.")
    looks = {name: values[name] for name in Options._fields if name in values}
    return Asked(
        values.get("model"),
        values.get("outputs", ()),
        values.get("size"),
        camera,
        _known(values.get("calibrate"), values.get("far"), values.get("calibration")),
        Options(**looks),
    )


def _grouped(items: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, text in items:
        if text.strip():
            grouped.setdefault(name, []).append(text.strip())
    return grouped


def _known(
    points: Any, far: float | None, calibration: Calibration | None
) -> KnownPoints | Calibration | None:
    if points and calibration:
        raise UsageError("calibrate and calibration contradict each other", "calibrate", "Give one of them.")
    if points:
        from ..known_points import KnownPoints

        return KnownPoints(points, far)
    if far is not None:
        raise UsageError("far needs a point beside it", "far", "Give one, as calibrate=X,Y=METRES.")
    return calibration
