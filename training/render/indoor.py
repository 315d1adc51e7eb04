"""Rooms, corridors, halls and patios: furniture that stands free, clutter, pictures, lamps."""

from __future__ import annotations

import math
from functools import partial

from .camera import Stand, View, pick_lens, through
from .catalogue import Item
from .materials import any_colour, plain, textured
from .parameters import FURNISHED, ROOM_LENSES, ROOMS
from .room import Block, Room, build_shell
from .scenes import Kit, Scene

MOST_ITEMS = 20
SMALL = 0.55
TABLE = (0.3, 1.25)
"""Heights that small things are put on."""


def build(kit: Kit) -> Scene:
    """Build a room."""
    rng = kit.rng
    kind = rng.choices(list(ROOMS), [share for share, *_ in ROOMS.values()])[0]
    _, *spans = ROOMS[kind]
    width, length, height = (rng.uniform(*span) for span in spans)
    room = Room(kit, kind, width, length, height)
    build_shell(room)
    _columns(room)
    tables = _furnish(room)
    _floor_clutter(room)
    kit.stage.settle()
    _table_clutter(room, tables)
    _pictures(room)
    _light(room)
    return Scene(kind, str(kit.seed), partial(_view, room), apart=0.8)


def _columns(room: Room) -> None:
    kit, rng = room.kit, room.kit.rng
    material, kind = kit.palette.wall(0.6), rng.choice(("box", "cylinder"))
    for _ in range(rng.randint(1, 5) if room.kind == "hall" else 0):
        thick = rng.uniform(0.25, 0.7)
        block = Block(*room.spot(0.85), thick, thick, room.height)
        if room.free(block):
            kit.stage.solid(kind, (block.x, block.y, 0), (thick, thick, room.height), material)
            room.blocks.append(block)


def _furnish(room: Room) -> list[Block]:
    """Place furniture; return what small things may stand on."""
    kit, rng, tables = room.kit, room.kit.rng, []
    categories = rng.choice(FURNISHED)
    pool = [
        item
        for item in kit.library.items
        if item.category in categories and not item.opening and max(item.size[:2]) < 4 and item.longest > 0.4
    ]
    number = min(rng.uniform(0.5, 1.1) * room.width * room.length + 4, MOST_ITEMS)
    for _ in range(int(number)):
        person = rng.random() < 0.06
        item = kit.one_of("people") if person else rng.choice(pool)
        against = not person and max(item.size[:2]) > 0.5 and rng.random() < 0.62
        for _ in range(25):
            x, y, turn, width, depth = _place(room, item, against)
            foot = item.elevation if item.elevation + item.size[2] < room.height else 0.0
            if item.category == "Lights" and foot > 1 and not against:
                foot = max(0.0, room.height - item.size[2])
            block = Block(x, y, width, depth, foot + item.size[2])
            if room.free(block):
                kit.furniture.put(item, (x, y, foot), turn)
                room.blocks.append(block)
                flat = TABLE[0] < block.height < TABLE[1] and min(width, depth) > 0.35
                if flat and item.category not in ("Bathroom", "Characters"):
                    tables.append(block)
                break
    return tables


def _place(room: Room, item: Item, against: bool) -> tuple[float, float, float, float, float]:
    """Draw a place: x, y, turn, and the width and depth it takes in the room's axes."""
    rng = room.kit.rng
    quarter = rng.randrange(4)
    turn = quarter * math.pi / 2
    if not against:
        turn += rng.gauss(0, 0.15) if rng.random() < 0.5 else rng.uniform(0, 2 * math.pi)
    c, s = abs(math.cos(turn)), abs(math.sin(turn))
    width, depth = item.size[0] * c + item.size[1] * s, item.size[0] * s + item.size[1] * c
    x, y = room.spot()
    if against:  # the back of a model is at +y
        x = (x, -room.width / 2 + 0.1 + width / 2, x, room.width / 2 - 0.1 - width / 2)[quarter]
        y = (room.length / 2 - 0.1 - depth / 2, y, -room.length / 2 + 0.1 + depth / 2, y)[quarter]
    return x, y, turn, width, depth


def _floor_clutter(room: Room) -> None:
    kit, rng = room.kit, room.kit.rng
    for _ in range(rng.randint(3, 12) if room.kind == "hall" else rng.choice((0, 0, 1, 2, 4, 7))):
        size = kit.sides(0.15, 0.9)
        reach = max(size[:2]) * 1.3
        block = Block(*room.spot(), reach, reach, size[2])
        if room.free(block):
            kit.odd_thing((block.x, block.y, 0), size)
            room.blocks.append(block)
    if rng.random() < 0.4:
        size = (rng.uniform(1, 0.8 * room.width + 0.3), rng.uniform(1, 0.7 * room.length), 0.016)
        kit.stage.box((*room.spot(0.1), 0.008), size, kit.palette.thing(), rng.choice((0, rng.uniform(0, 6))))


def _table_clutter(room: Room, tables: list[Block]) -> None:
    kit, rng = room.kit, room.kit.rng
    indoors = ("Bathroom", "Bedroom", "Kitchen", "Living room", "Office", "Miscellaneous", "Lights")
    pool = [i for i in kit.library.items if i.category in indoors and not i.opening and i.longest <= SMALL]
    for table in tables:
        for _ in range(rng.randint(0, 4)):
            x, y = (
                table.x + rng.uniform(-0.4, 0.4) * table.width,
                table.y + rng.uniform(-0.4, 0.4) * table.depth,
            )
            hit = kit.stage.cast((x, y, table.height + 0.05), (0, 0, -1))
            if hit is None or hit[1].z < 0.9 or hit[0].z < 0.25:
                continue
            if rng.random() < 0.6:
                kit.furniture.put(rng.choice(pool), hit[0], rng.uniform(0, 6.28))
            else:
                kit.odd_thing(hit[0], kit.sides(0.04, 0.3))


def _pictures(room: Room) -> None:
    kit, rng = room.kit, room.kit.rng
    for side in room.sides:
        for _ in range(rng.choice((0, 0, 1, 2, 3))):
            w, h = rng.uniform(0.25, 1.3), rng.uniform(0.25, 1.0)
            along = rng.uniform(0.3 + w / 2, max(0.31 + w / 2, side.length - 0.3 - w / 2))
            taken = any(along + w / 2 + 0.1 > a and along - w / 2 - 0.1 < b for a, b, *_ in side.openings)
            if taken or along > side.length - 0.2 - w / 2:
                continue
            up = min(room.height - 0.2 - h / 2, rng.uniform(1.2, 1.8))
            if rng.random() < 0.25:  # a shelf
                kit.stage.box(
                    (0, 0, 0), (w, 0.25, 0.03), kit.palette.thing(), within=side.matrix(along, up, 0.2)
                )
                continue
            frame = plain(any_colour(rng, 0.02, 0.8))
            kit.stage.box((0, 0, 0), (w + 0.08, 0.06, h + 0.08), frame, within=side.matrix(along, up, 0.08))
            image = rng.choice(kit.assets.photos() if rng.random() < 0.6 else kit.assets.textures("any"))
            corners = [(w / 2, 0, -h / 2), (-w / 2, 0, -h / 2), (-w / 2, 0, h / 2), (w / 2, 0, h / 2)]
            uv = [(0, 0), (1, 0), (1, 1), (0, 1)]
            sheet = kit.stage.mesh(corners, [(0, 1, 2, 3)], textured(rng, image, None), uv)
            sheet.matrix_world = side.matrix(along, up, 0.115)


def _light(room: Room) -> None:
    kit, rng, stage = room.kit, room.kit.rng, room.kit.stage
    stage.sky(rng, kit.assets.panoramas(outdoors=rng.random() < 0.8), chance=0.75)
    if rng.random() < 0.5:
        stage.sun(rng)
    if room.kind == "patio":
        return
    warm = rng.random()
    colour = (1, 1 - 0.25 * warm, 1 - 0.5 * warm)
    area = room.width * room.length
    number, kind = 1 if area < 20 else rng.randint(2, 6), rng.choices(("AREA", "POINT"), (0.65, 0.35))[0]
    power = area * rng.uniform(3, 12) / number
    for _ in range(number):
        below, size = (0.03, rng.uniform(0.3, 1.2)) if kind == "AREA" else (rng.uniform(0.2, 0.8), 0.15)
        stage.lamp(kind, (*room.spot(0.65), room.height - below), power, colour, size)
    if rng.random() < 0.25:
        stage.lamp("POINT", (*room.spot(0.85), rng.uniform(0.4, 1.7)), rng.uniform(10, 60), (1, 0.75, 0.45))


def _view(room: Room) -> View | None:
    rng = room.kit.rng
    x, y = room.spot(0.9)
    target = rng.choice(room.blocks) if room.blocks and rng.random() < 0.45 else None
    tx, ty = (target.x, target.y) if target else room.spot(0.8)
    if math.hypot(tx - x, ty - y) < 0.6:
        return None
    yaw = math.atan2(ty - y, tx - x) if rng.random() < 0.75 else rng.uniform(0, 2 * math.pi)
    view = through(pick_lens(ROOM_LENSES, rng), Stand((x, y, 0.0), yaw), rng)
    z = view.position[2]
    if z > room.height - 0.15 or any(b.holds(x, y, 0.15) and z < b.height + 0.15 for b in room.blocks):
        return None
    return view
