"""From data to weights, scores, pictures and card: ``python -m training --data FOLDER --run RUN [--install]``.

Or from photos alone, by a model of the cache: ``python -m training --teacher MODEL --photos FOLDER``.

FOLDER holds ``train/``, ``val/`` and ``photos/``. Trains (or goes on with) the run, then writes into ``RUN/export``
what ships: the weights, their scores, the contact sheets, and the card with its table. ``--install`` copies them into
the package and the docs. With ``--teacher`` the pairs are made first, and ``RUN/export`` gets the weights, and how far
they are from the teacher on photos kept apart.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch

from . import evaluate, export, pictures, teacher, train

ROOT = Path(__file__).parents[1]
CARD = ROOT / "docs" / "embedded-model.md"
IMAGES = ROOT / "docs" / "images"


def deliver(weights: Path, data: Path, out: Path) -> None:
    """Write into ``out`` what ships of averaged weights."""
    state, scores = _scored(weights, data, out)
    rows = evaluate.full_table(scores, data / "val")
    card = evaluate.between_markers(CARD.read_text(encoding="utf-8"), rows)
    (out / CARD.name).write_text(card, encoding="utf-8")
    pictures.write(state, data, out)
    print(rows)


def _scored(weights: Path, data: Path, out: Path) -> tuple[dict[str, torch.Tensor], evaluate.Scores]:
    """Write into ``out`` the weights as they ship, and their scores; return both."""
    out.mkdir(parents=True, exist_ok=True)
    shipped = out / evaluate.SHIPPED.name
    print(export.export(weights, shipped))
    state = torch.load(shipped, map_location="cpu", weights_only=True)
    scores = evaluate.score_model(state, data / "val")
    (out / "scores.json").write_text(json.dumps(evaluate.as_json(scores), indent=1), encoding="utf-8")
    return state, scores


def install(out: Path) -> None:
    """Copy what ships to where it ships from. The catalogue's bytes and digest are changed by hand."""
    for target in (evaluate.SHIPPED, CARD, *(IMAGES / name for name in pictures.SHEETS)):
        shutil.copyfile(out / target.name, target)


def distil(options: argparse.Namespace) -> None:
    """Make pairs of the photos by the teacher, train on them alone, and write what came of it."""
    options.run = options.run or Path(teacher.SOURCE)
    options.data, options.config = options.run / "data", teacher.SOURCE
    pairs = teacher.label(options.teacher, teacher.photos_in(options.photos), options.data)
    print(f"{pairs} pairs by {options.teacher} in {options.data}")
    train.run(options)
    _scored(options.run / "ema.pt", options.data, options.run / "export")


def main() -> None:
    """Train, then deliver."""
    parser = train.parser(__doc__)
    parser.add_argument(
        "--install", action="store_true", help="copy the result into the package and the docs"
    )
    parser.add_argument("--teacher", metavar="MODEL", help="make the pairs by this model of the cache")
    parser.add_argument("--photos", type=Path, help="folder with the photos that the teacher sees")
    options = parser.parse_args()
    if options.teacher:
        if not options.photos or options.data or options.install:
            parser.error("--teacher takes --photos, and neither --data nor --install")
        distil(options)
        return
    if not options.data or not options.run:
        parser.error("--data and --run are needed")
    train.run(options)
    out = options.run / "export"
    deliver(options.run / "ema.pt", options.data, out)
    if options.install:
        install(out)


if __name__ == "__main__":
    main()
