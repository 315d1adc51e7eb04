"""From data to weights, scores, pictures and card: ``python -m training --data FOLDER --run RUN [--install]``.

FOLDER holds ``train/``, ``val/`` and ``photos/``. Trains (or goes on with) the run, then writes into ``RUN/export``
what ships: the weights, their scores, the contact sheets, and the card with its table. ``--install`` copies them into
the package and the docs.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from . import evaluate, export, pictures, train

ROOT = Path(__file__).parents[1]
CARD = ROOT / "docs" / "embedded-model.md"
IMAGES = ROOT / "docs" / "images"


def deliver(weights: Path, data: Path, out: Path) -> None:
    """Write into ``out`` what ships of averaged weights."""
    out.mkdir(parents=True, exist_ok=True)
    shipped = out / evaluate.SHIPPED.name
    print(export.export(weights, shipped))
    state = torch.load(shipped, map_location="cpu", weights_only=True)
    scores = evaluate.score_model(state, data / "val")
    (out / "scores.json").write_text(json.dumps(evaluate.as_json(scores), indent=1), encoding="utf-8")
    rows = evaluate.full_table(scores, data / "val")
    card = evaluate.between_markers(CARD.read_text(encoding="utf-8"), rows)
    (out / CARD.name).write_text(card, encoding="utf-8")
    pictures.write(state, data, out)
    print(rows)


def install(out: Path) -> None:
    """Copy what ships to where it ships from. The catalogue's bytes and digest are changed by hand."""
    for target in (evaluate.SHIPPED, CARD, *(IMAGES / name for name in pictures.SHEETS)):
        shutil.copyfile(out / target.name, target)


def main() -> None:
    """Train, then deliver."""
    parser = train.parser(__doc__)
    parser.add_argument(
        "--install", action="store_true", help="copy the result into the package and the docs"
    )
    options = parser.parse_args()
    train.run(options)
    out = options.run / "export"
    deliver(options.run / "ema.pt", options.data, out)
    if options.install:
        install(out)


if __name__ == "__main__":
    main()
