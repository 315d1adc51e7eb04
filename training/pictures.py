"""The pictures of the card: ``python -m training.pictures --data FOLDER --out docs/images``.

FOLDER holds ``photos/`` and ``val/``. Photos stand beside their maps, maps of val beside the
reference.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from .data import DEPTH_SCALE, stems
from .evaluate import EXACT, SHIPPED
from .predict import Method, predictor

SHEETS = ("embedded-photos.png", "embedded-val.png")
RAMP = ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191))
"""Dark is far, bright is near: five colours of a ramp of steadily rising lightness."""
HEIGHT = 150
MARGIN = 4
INVALID = (90, 110, 130)


def coloured(inverse_depth: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:
    """Colour a map (H, W) whose values from ``low`` to ``high`` matter, as RGB (H, W, 3)."""
    x = np.clip((inverse_depth - low) / max(high - low, 1e-9), 0, 1) * (len(RAMP) - 1)
    channels = [np.interp(x, range(len(RAMP)), [colour[c] for colour in RAMP]) for c in range(3)]
    colours: NDArray[np.uint8] = np.stack(channels, 2).round().astype(np.uint8)
    return colours


def stretched(inverse_depth: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colour a map from its 1st to its 99th percentile."""
    low, high = np.percentile(inverse_depth, (1, 99))
    return coloured(inverse_depth, float(low), float(high))


def tile(picture: Image.Image | NDArray[np.uint8]) -> Image.Image:
    """Return the picture at the height of a row."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    return image.resize(
        (max(round(image.width * HEIGHT / image.height), 1), HEIGHT), Image.Resampling.LANCZOS
    )


def sheet(groups: list[list[Image.Image]], columns: int) -> Image.Image:
    """Lay groups of tiles side by side, ``columns`` groups a row."""
    widths = [sum(t.width for t in group) + MARGIN * (len(group) + 1) for group in groups]
    rows = [range(i, min(i + columns, len(groups))) for i in range(0, len(groups), columns)]
    width = max(sum(widths[i] for i in row) for row in rows)
    canvas = Image.new("RGB", (width, len(rows) * (HEIGHT + MARGIN) + MARGIN), "white")
    for y, row in enumerate(rows):
        x = 0
        for i in row:
            place = x + MARGIN
            for t in groups[i]:
                canvas.paste(t, (place, y * (HEIGHT + MARGIN) + MARGIN))
                place += t.width + MARGIN
            x += widths[i]
    return canvas


def photos(folder: Path, method: Method) -> Image.Image:
    """Return the photos of ``folder`` beside their maps."""
    groups = []
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg")):
        picture = Image.open(path).convert("RGB")
        groups.append([tile(picture), tile(stretched(method(path, (picture.height, picture.width))))])
    return sheet(groups, columns=3)


def references(folder: Path, method: Method, sources: tuple[str, ...], each: int) -> Image.Image:
    """Return, of each source, ``each`` evenly chosen maps beside the reference; the pictures stay where they are."""
    groups = []
    for source in sources:
        names = stems(folder / source)
        for stem in names[len(names) // (2 * each) :: len(names) // each][:each]:
            depth = Image.open(folder / source / "inverse_depth" / f"{stem}.png")
            reference = np.asarray(depth).astype(np.float32) / DEPTH_SCALE
            shown = coloured(reference, 0, float(np.percentile(reference[reference > 0], 99)))
            shown[reference == 0] = INVALID
            predicted = method(folder / source / "rgb" / f"{stem}.jpg", reference.shape)
            groups.append([tile(stretched(predicted)), tile(shown)])
    return sheet(groups, columns=3)


def write(state: Mapping[str, Tensor], data: Path, out: Path) -> None:
    """Write both sheets."""
    method = predictor(state)
    out.mkdir(parents=True, exist_ok=True)
    photos(data / "photos", method).save(out / SHEETS[0], optimize=True)
    rendered = references(data / "val", method, EXACT, each=3)
    rendered.save(out / SHEETS[1], optimize=True)


def main() -> None:
    """Read the command line and write both sheets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with photos/ and val/")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(2)
    write(torch.load(options.weights, map_location="cpu", weights_only=True), options.data, options.out)


if __name__ == "__main__":
    main()
