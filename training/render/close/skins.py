"""What surfaces look like: noise, coats of fur, painted faces of things. Colours are sRGB, 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from .solids import Array, Skin

CELLS = 32
COATS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "ginger": ((0.80, 0.55, 0.33), (0.58, 0.33, 0.16), (0.95, 0.87, 0.76)),
    "tabby": ((0.62, 0.53, 0.43), (0.24, 0.19, 0.15), (0.86, 0.80, 0.72)),
    "grey": ((0.55, 0.56, 0.58), (0.27, 0.28, 0.30), (0.84, 0.84, 0.85)),
    "black": ((0.13, 0.12, 0.12), (0.05, 0.05, 0.06), (0.32, 0.30, 0.29)),
    "white": ((0.92, 0.91, 0.88), (0.72, 0.70, 0.67), (0.98, 0.98, 0.97)),
    "cream": ((0.87, 0.78, 0.64), (0.68, 0.55, 0.40), (0.96, 0.92, 0.84)),
    "chocolate": ((0.40, 0.26, 0.17), (0.20, 0.12, 0.08), (0.62, 0.47, 0.35)),
    "fox": ((0.76, 0.42, 0.18), (0.22, 0.12, 0.08), (0.95, 0.92, 0.88)),
    "tan": ((0.70, 0.54, 0.36), (0.15, 0.11, 0.09), (0.85, 0.72, 0.55)),
}
"""Of each coat the main colour, that of its marks, and that of chin and chest."""
SKINS = ((0.93, 0.76, 0.66), (0.87, 0.67, 0.54), (0.72, 0.51, 0.38), (0.52, 0.35, 0.25), (0.33, 0.22, 0.16))
"""People's."""


class Noise:
    """Values from 0 to 1 that change smoothly over space, about one bump a unit."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.table = rng.random(CELLS**3, np.float32)

    def __call__(self, points: Array, octaves: int = 1) -> Array:
        """Return the value at points (N, 3); each further octave is twice as fine and half as strong."""
        total, weight = np.zeros(len(points), np.float32), 0.0
        for octave in range(octaves):
            total += self._smooth(points * 2**octave + 17 * octave) * 0.5**octave
            weight += 0.5**octave
        return np.asarray(total / weight)

    def _smooth(self, points: Array) -> Array:
        cell = np.floor(points)
        part = (points - cell).astype(np.float32)
        u, v, w = (part * part * (3 - 2 * part)).T
        low = cell.astype(np.int32).T % CELLS
        strides = np.array((CELLS * CELLS, CELLS, 1), np.int32)[:, None]
        (x0, y0, z0), (x1, y1, z1) = low * strides, (low + 1) % CELLS * strides
        rows = []
        for yz in (y0 + z0, y1 + z0, y0 + z1, y1 + z1):
            here, there = self.table.take(x0 + yz), self.table.take(x1 + yz)
            rows.append(here + (there - here) * u)
        near, far = rows[0] + (rows[1] - rows[0]) * v, rows[2] + (rows[3] - rows[2]) * v
        return np.asarray(near + (far - near) * w)


def step(low: float, high: float, values: Array) -> Array:
    """Return 0 below ``low``, 1 above ``high``, and a smooth rise between them."""
    x = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def mixed(one: Array, other: Array, share: Array) -> Array:
    """Return colours between two, (N, 3), by the share (N,) of the other."""
    return np.asarray(one + (other - one) * share[:, None])


def jittered(colour: Sequence[float], rng: Random, by: float = 0.06) -> Array:
    """Return nearly the colour."""
    return np.asarray(np.clip([c + rng.gauss(0, by) for c in colour], 0.02, 0.98))


def any_colour(rng: Random) -> Array:
    """Draw a colour, one of three times a grey."""
    grey = rng.betavariate(0.7, 0.7)
    if rng.random() < 0.35:
        return np.full(3, 0.03 + 0.94 * grey)
    colour = np.array([0.03 + 0.94 * rng.betavariate(0.7, 0.7) for _ in range(3)])
    return np.asarray(colour.mean() + rng.random() ** 0.6 * (colour - colour.mean()))


def plain(colour: Array, noise: Noise, grain: float = 0.06, fineness: float = 3.0) -> Skin:
    """Return the skin of one colour, a little uneven."""
    return lambda unit, model: colour * (1 - grain + 2 * grain * noise(model * fineness, 3))[:, None]


def fur(rng: Random, noise: Noise, pattern: str, palette: str) -> Skin:
    """Return a coat: hair that flows back from the nose, which points along -z, and a pattern on it."""
    main, mark, pale = (jittered(c, rng, 0.04) for c in COATS[palette])
    stripes, bend, spots = rng.uniform(7, 14), rng.uniform(2, 5), rng.uniform(3, 7)
    pale_chin, contrast = rng.uniform(0, 1), rng.uniform(0.35, 0.9)
    fine, long = rng.uniform(14, 34), rng.uniform(2.5, 6)

    def coat(unit: Array, model: Array) -> Array:
        x, y, z = model.T
        back = np.arctan2(np.hypot(x, y), -z)
        around = np.arctan2(y, x)
        hair = noise(np.stack([np.cos(around) * fine, np.sin(around) * fine, back * long], 1), 2)
        ragged = noise(model * 3, 2)
        marks = {
            "plain": 0.3 * ragged,
            "stripes": step(-0.1, 0.5, np.sin(stripes * (back + 0.35 * np.abs(x)) + bend * ragged)),
            "spots": step(0.55, 0.65, noise(model * spots)),
            "patches": step(0.47, 0.53, noise(model * 1.2, 2)),
            "mask": step(0.25, 0.5, ragged * 0.3 + np.exp(-4 * (y + 0.1) ** 2) * (np.abs(x) > 0.2)),
        }[pattern]
        colour = mixed(np.broadcast_to(main, model.shape), mark, contrast * marks)
        chin = step(0.15, 0.5, y - 0.3 * z - 0.2 + 0.3 * ragged) * (np.abs(x) < 0.75)
        return np.asarray(mixed(colour, pale, pale_chin * chin) * (0.62 + 0.7 * hair)[:, None])

    return coat


def eye(rng: Random, slit: bool, white: bool) -> Skin:
    """Return an eye that looks along -z: a pupil, an iris, perhaps white around it, and a dark rim."""
    iris = jittered(
        rng.choice(((0.62, 0.62, 0.25), (0.35, 0.22, 0.10), (0.55, 0.38, 0.12), (0.35, 0.5, 0.6))), rng
    )
    wide, size = rng.uniform(0.3, 0.9), rng.uniform(0.45, 0.6) if white else rng.uniform(0.85, 0.95)
    rim = np.array((0.92, 0.9, 0.88)) if white else np.array((0.05, 0.04, 0.04))

    def look(unit: Array, model: Array) -> Array:
        x, y, z = unit.T
        across = np.hypot(x / (0.5 * wide if slit else 1), y)
        pupil = step(0.02, -0.02, across - (0.72 if slit else 0.5) * size)
        within = step(0.03, -0.03, np.hypot(x, y) - size) * (z < 0)
        ringed = mixed(np.broadcast_to(iris, unit.shape), iris * 0.4, step(0.6, 1, np.hypot(x, y) / size))
        shine = step(0.16, 0.1, np.hypot(x + 0.25, y + 0.3)) * (z < 0)
        seen = mixed(np.broadcast_to(rim, unit.shape), ringed * (1 - pupil)[:, None] + 0.02, within)
        return np.asarray(mixed(seen, np.ones(3), 0.9 * shine))

    return look


def painted(image: Array, edge: Array) -> Skin:
    """Return a skin that shows an image (H, W, 3) on what faces -z, and a colour on the other sides."""
    height, width = image.shape[:2]

    def look(unit: Array, model: Array) -> Array:
        column = np.clip(((unit[:, 0] + 1) / 2 * width).astype(int), 0, width - 1)
        row = np.clip(((unit[:, 1] + 1) / 2 * height).astype(int), 0, height - 1)
        front = unit[:, 2] < -0.98
        return np.where(front[:, None], image[row, column], edge)

    return look


def wood(rng: Random, noise: Noise) -> Skin:
    """Return wood with its grain along one axis."""
    dark = jittered(rng.choice(((0.45, 0.28, 0.15), (0.62, 0.44, 0.27), (0.3, 0.18, 0.1))), rng)
    light, rings = dark + rng.uniform(0.08, 0.22), rng.uniform(2, 9)
    stretch = np.array((1, 0.12, 1)) if rng.random() < 0.5 else np.array((0.12, 1, 1))

    def look(unit: Array, model: Array) -> Array:
        values = noise(model * stretch * rings, 3)
        return mixed(np.broadcast_to(dark, model.shape), light, 0.5 + 0.5 * np.sin(25 * values))

    return look


def photo_on(picture: Array, scale: float) -> Skin:
    """Return a piece of a picture (H, W, 3), repeated and mirrored, over the model's x and y: cloth, a worn wall."""
    picture = picture[: picture.shape[0] // 3, : picture.shape[1] // 3]
    height, width = picture.shape[:2]

    def look(unit: Array, model: Array) -> Array:
        column, row = (np.abs((v * scale) % 2 - 1) for v in (model[:, 0], model[:, 1] + 0.7 * model[:, 2]))
        return np.asarray(picture[(row * (height - 1)).astype(int), (column * (width - 1)).astype(int)])

    return look


def ball_game(rng: Random, noise: Noise) -> Skin:
    """Return the panels and seams of a ball: great and small circles divide it, and some panels differ in colour."""
    planes = [(np.array([rng.gauss(0, 1) for _ in range(3)]), rng.uniform(-0.5, 0.5)) for _ in range(4)]
    planes = [(n / np.linalg.norm(n), d) for n, d in planes[: rng.randint(1, 4)]]
    colours = [any_colour(rng) if rng.random() < 0.6 else jittered((0.92,) * 3, rng) for _ in range(3)]
    seam, width = any_colour(rng) * 0.4, rng.choice((0.0, 0.012, 0.03))
    emblem = emblem_of(rng) if rng.random() < 0.5 else None
    grain = rng.uniform(0, 0.12)

    def look(unit: Array, model: Array) -> Array:
        sides = np.stack([unit @ n - d for n, d in planes])
        panel = (sides > 0).T @ (2 ** np.arange(len(planes)))
        colour = np.stack(colours)[panel * 7 % 3]
        close = np.abs(sides).min(0)
        colour = mixed(colour, seam, step(width + 0.01, width, close) if width else np.zeros(len(unit)))
        if emblem is not None:
            inside = (np.abs(unit[:, :2]) < 0.55).all(1) & (unit[:, 2] < 0)
            place = ((unit[inside, :2] / 1.1 + 0.5) * (len(emblem) - 1)).astype(int)
            drawn = emblem[place[:, 1], place[:, 0]]
            colour[inside] = mixed(colour[inside], drawn[:, :3], drawn[:, 3])
        return np.asarray(colour * (1 - grain + grain * 2 * noise(unit * 25))[:, None])

    return look


def _ink(rng: Random) -> tuple[int, int, int]:
    red, green, blue = (any_colour(rng) * 255).astype(int)
    return int(red), int(green), int(blue)


def emblem_of(rng: Random, size: int = 128) -> Array:
    """Draw a badge with alpha, (H, W, 4): discs, bands, lines like words."""
    image = Image.new("RGBA", (size, size))
    pen = ImageDraw.Draw(image)
    pen.ellipse((8, 8, size - 8, size - 8), (*_ink(rng), 255), (*_ink(rng), 255), rng.randint(1, 6))
    for _ in range(rng.randint(2, 6)):
        x, y, r = rng.uniform(0.2, 0.8) * size, rng.uniform(0.2, 0.8) * size, rng.uniform(0.05, 0.3) * size
        box, ink = (x - r, y - r * rng.uniform(0.2, 1), x + r, y + r), (*_ink(rng), 255)
        if rng.random() < 0.33:
            pen.arc(box, rng.uniform(0, 180), rng.uniform(180, 360), ink, rng.randint(2, 8))
        elif rng.random() < 0.5:
            pen.ellipse(box, ink)
        else:
            pen.rectangle(box, ink)
    return np.asarray(image, np.float32) / 255


def words(
    pen: ImageDraw.ImageDraw, box: Sequence[float], line: float, ink: tuple[int, int, int], rng: Random
) -> None:
    """Draw lines of what looks like words."""
    left, upper, right, lower = box
    y = upper
    while y + line * 0.6 < lower:
        x, end = left, right - rng.choice((0, 0, 0, rng.uniform(0, 0.6) * (right - left)))
        while x < end:
            w = rng.uniform(0.8, 4) * line
            pen.rectangle((x, y, min(x + w, end), y + line * rng.uniform(0.35, 0.55)), ink)
            x += w + line * 0.6
        y += line


def page(rng: Random, photo: Array | None) -> Array:
    """Draw a page or a poster, (H, W, 3): a heading, columns of words, a picture or a drawing."""
    width, height = 320, int(320 * rng.uniform(0.7, 1.5))
    dark = rng.random() < 0.15
    paper = tuple(int(v) for v in (jittered((0.1,) * 3 if dark else (0.93, 0.92, 0.88), rng) * 255))
    ink = (220, 220, 215) if dark else (rng.randint(5, 80),) * 3
    image = Image.new("RGB", (width, height), paper)
    pen = ImageDraw.Draw(image)
    y = height * rng.uniform(0.03, 0.1)
    if rng.random() < 0.7:
        size = rng.uniform(14, 40)
        words(pen, (24, y, width - 24, y + size * rng.uniform(1, 2.2)), size, _ink(rng), rng)
        y += size * 2.4
    if photo is not None and rng.random() < 0.7:
        w, h = int(width * rng.uniform(0.4, 1)), int(height * rng.uniform(0.2, 0.7))
        shown = Image.fromarray((photo * 255).astype(np.uint8)).resize((w, h))
        image.paste(shown, (int((width - w) * rng.random()), int(y)))
        y += h + 8
    columns, size = rng.randint(1, 2), rng.uniform(6, 14)
    for number in range(columns):
        left = 20 + number * (width - 30) / columns
        words(pen, (left, y, left + (width - 50) / columns, height - 14), size, ink, rng)
    return np.asarray(image, np.float32) / 255


def panel(rng: Random) -> Array:
    """Draw the face of a device, (H, W, 3): a display, labels, keys, sockets, a dial."""
    width, height = 240, int(240 * rng.uniform(0.6, 1.9))
    image = Image.new("RGB", (width, height), _ink(rng))
    pen = ImageDraw.Draw(image)
    label, key = _ink(rng), _ink(rng)
    y = height * rng.uniform(0.03, 0.1)
    if rng.random() < 0.75:
        end = y + height * rng.uniform(0.12, 0.5)
        pen.rectangle((20, y, width - 20, end), _ink(rng), _ink(rng), rng.randint(1, 8))
        if rng.random() < 0.6:
            words(pen, (32, y + 8, width - 32, end - 8), rng.uniform(8, 26), _ink(rng), rng)
        y = end + height * 0.04
    rows, columns = rng.randint(0, 5), rng.randint(1, 5)
    w, h = (width - 40) / columns, (height - y - 10) / max(rows, 1)
    shape = rng.choice((pen.rectangle, pen.ellipse))
    for row in range(rows):
        for column in range(columns):
            box = (
                20 + (column + 0.15) * w,
                y + (row + 0.2) * h,
                20 + (column + 0.85) * w,
                y + (row + 0.8) * h,
            )
            shape(box, key if rng.random() < 0.85 else _ink(rng), label)
            words(pen, (box[0] + 4, box[1] + 2, box[2] - 4, box[3]), max(h / 4, 3), label, rng)
    for _ in range(rng.randint(0, 10)):
        a = rng.uniform(0, 2 * math.pi)
        x, v = width / 2 + 0.38 * width * math.cos(a), height * 0.6 + 0.38 * width * math.sin(a)
        words(pen, (x - 10, v - 4, x + 10, v + 4), 8, label, rng)
    return np.asarray(image, np.float32) / 255
