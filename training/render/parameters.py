"""Every number that decides what is rendered and what is kept. Lengths in metres, angles in degrees."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]

HELD_OUT_TRACKS = frozenset({"cocoa_temple", "olivermath", "snowtuxpeak"})
"""Tracks of the validation set: never rendered."""
FIRST_SEED = 7000
"""The first rendered data, validation's scenes among them, used seeds below it."""


@dataclass(frozen=True)
class Lens:
    """What a kind of view looks like: picture shapes (width, height) and how it is held."""

    shapes: tuple[tuple[int, int], ...]
    fov: Range
    height: Range
    pitch: tuple[float, float]
    """Mean and standard deviation."""
    roll: float = 2.0
    share: float = 1.0


PLAIN = ((256, 192),)
STRIPS = ((256, 192), (448, 192), (512, 160), (512, 160))
DRIVING = Lens(STRIPS, (70, 95), (1.2, 2.0), (-2, 2), 1, share=0.4)
WALKING = Lens(PLAIN, (45, 88), (0.5, 2.5), (-1, 6), share=0.45)
AERIAL = Lens(PLAIN, (45, 88), (5, 30), (-32, 10), share=0.15)
STREET_LENSES = (DRIVING, WALKING, AERIAL)
OPEN_LENSES = (
    Lens(PLAIN, (45, 88), (0.5, 2.5), (-1, 6), share=0.6),
    Lens(((448, 192), (512, 160)), (70, 95), (1.0, 2.2), (-2, 3), share=0.27),
    Lens(PLAIN, (45, 88), (5, 30), (-32, 10), share=0.13),
)
ROOM_LENSES = (
    Lens(PLAIN, (45, 88), (1.0, 1.8), (-8, 9), share=0.6),
    Lens(PLAIN, (45, 88), (0.3, 1.0), (-4, 9), share=0.2),
    Lens(PLAIN, (45, 88), (1.6, 2.6), (-22, 10), share=0.2),
)


@dataclass(frozen=True)
class Limits:
    """What a glance along a coarse grid of rays must show for a view to be worth rendering."""

    nearest: float
    """No surface may be nearer: the camera would be inside an object, or before a wall."""
    crowded: tuple[float, float]
    """This percentile of depth must be at least that far."""
    span: float
    """The far parts must be this many times as far as the near ones."""
    sky: float
    plane: float = 0.6
    """No single plane may cover more of the picture."""
    surfaces: int = 8


LIMITS = {
    "outdoor": Limits(nearest=0.5, crowded=(15, 1.2), span=2.5, sky=0.5),
    "stk": Limits(nearest=0.5, crowded=(15, 1.0), span=2.5, sky=0.55),
    "indoor": Limits(nearest=0.25, crowded=(30, 0.6), span=1.5, sky=0.6, plane=0.55, surfaces=7),
}
FAR = {"outdoor": 3500.0, "stk": 7000.0, "indoor": 2000.0}
"""Beyond it lies the sky, or a background that is a picture of one."""
VIEWS = {"outdoor": (9, 13), "stk": (16, 24), "indoor": (9, 13), "close": (1, 1)}
"""How many frames a scene gives."""
QUICK = ("outdoor", "stk")
"""Sources that OpenGL can draw."""
REDRESSED, CHANGED = 0.6, 0.7
"""The share of scenes drawn by OpenGL that are dressed anew, and of their textures that are then others."""
QUICK_VIEWS = 2
"""So many times as many when they are drawn by OpenGL: then building the scene is what takes time."""
AGREEMENT = 0.05
"""The most by which rendered depth may differ from what rays found, of 1; usual is less than 0.01."""
TRIES = 20
"""Views drawn for each frame before a scene is given up."""


@dataclass(frozen=True)
class Keep:
    """What a finished frame must be to be kept."""

    inverse_span: float = 0.08
    """The 5th and 95th percentile of inverse depth, nearest = 1, are at least this far apart."""
    sky: float = 0.75
    mean: float = 18.0
    deviation: float = 15.0
    """Of the picture's values, 0 to 255."""
    black: float = 0.45
    """The share of values below 12: more is a cave without a lamp."""
    bright: float = 0.45
    """The share of values above 250: more is burnt out."""
    difference: float = 7.0
    """Thumbnails of a scene's frames differ by at least this much on average, or they are near-duplicates."""


KEEP = Keep()


@dataclass(frozen=True)
class Style:
    """A kind of street."""

    road: Range
    pavement: Range | None
    setback: Range
    storeys: tuple[int, int]
    built: float
    """The chance that a plot has a building; trees stand on the others."""
    trees: float
    """The chance of a row of trees along a side; likewise the others."""
    hedge: float
    rail: float
    parked: float
    moving: tuple[int, int]
    people: tuple[int, int]
    bend: float
    """The tightest radius."""
    rise: float
    """The highest hill of the road."""


STYLES = {
    "city": Style((6, 12), (1.5, 4), (0, 1), (2, 9), 0.9, 0.5, 0.05, 0.05, 0.5, (2, 7), (5, 20), 300, 0.5),
    "residential": Style((5, 8), (1, 2.2), (1, 8), (1, 3), 0.7, 0.5, 0.5, 0.0, 0.4, (1, 4), (1, 7), 160, 2.0),
    "country": Style((4.5, 7), None, (4, 20), (1, 2), 0.12, 0.5, 0.4, 0.25, 0.02, (0, 4), (0, 2), 160, 3.5),
    "highway": Style((11, 18), None, (12, 30), (1, 6), 0.15, 0.3, 0.15, 0.8, 0.0, (4, 14), (0, 0), 400, 2.5),
}
STYLE_SHARES = {"city": 0.38, "residential": 0.34, "country": 0.16, "highway": 0.12}
LENGTH = (80, 170)
WAVE = (150, 300)
"""From one hill of a road to the next."""
VERGE = 120.0
"""How far the ground beside a road goes along with it: less than any bend's radius, or it would fold."""
KINDS = {
    "outdoor": {"street": 0.35, "park": 0.4, "portrait": 0.2, "circuit": 0.05},
    "stk": {"wild": 0.4, "track": 0.1, "circuit": 0.2, "arena": 0.3},
}
"""Sources of several kinds of scenes, and the share of each. Of tracks there are few."""


@dataclass(frozen=True)
class Portrait:
    """Close-ups."""

    shares: dict[str, float]
    """What is portrayed, by the choices of the catalogue."""
    subjects: tuple[int, int]
    size: Range
    """The least length of a subject; the smaller ones are enlarged."""
    lens: Lens
    fill: Range
    """The share of the picture's height or width that a subject takes; above 1 it is cut off."""
    aim: Range
    """Where the camera points, from a subject's feet to its head."""
    lowest: float
    """The camera is at least this far above the subject's feet."""
    aside: float
    """The standard deviation by which it is not in the middle, as a share of the field of view."""


PORTRAIT = Portrait(
    shares={"animals": 0.35, "people": 0.2, "seated": 0.1, "things": 0.15, "rocks": 0.05, "finds": 0.15},
    subjects=(5, 9),
    size=(1.5, 2.0),
    lens=Lens(((256, 192), (256, 192), (192, 256)), (35, 75), (0, 0), (-4, 9)),
    fill=(0.7, 2.5),
    aim=(0.4, 0.95),
    lowest=0.25,
    aside=0.12,
)


@dataclass(frozen=True)
class Wild:
    """A wilderness; the names are of SuperTuxKart's library."""

    covers: tuple[str, ...]
    hills: tuple[float, ...]
    reach: Range
    rocks: tuple[int, int]
    walls: tuple[int, int]
    plants: tuple[str, ...]
    kinds_of_plants: tuple[int, int]
    number_of_plants: tuple[int, int]
    plant_scales: Range
    things: tuple[str, ...]
    kinds_of_things: tuple[int, int]
    number_of_things: tuple[int, int]
    thing_scales: Range
    models: tuple[tuple[str, int, tuple[int, int], Range], ...]
    """Of the catalogue: the choice, how many different ones, how many, their scales."""


# fmt: off
WILD = Wild(
    covers=("grass", "soil", "soil", "any"),
    hills=(0.8, 3, 7, 14),
    reach=(25, 100),
    rocks=(0, 25),
    walls=(0, 12),
    plants=(
        "accacia", "agave", "autumnBirch", "autumnSmallBush", "autumnTree", "autumnWillow", "cabbage", "cattail",
        "cocoaTree", "cornPlant", "cypress", "deadBranch", "deadTree", "fern", "jungleTree", "liana", "lowPalmTree",
        "lowPineTree", "mushroom", "palmTree", "pinetree", "pumpkin", "redFlowerBush", "redSeaweed", "reef", "roots",
        "sagebrush", "seaweed", "snowRocks", "snowSmallBush", "treeStump", "tropicalPlant", "waterLily",
    ),
    kinds_of_plants=(2, 7),
    number_of_plants=(0, 120),
    plant_scales=(0.6, 2.0),
    things=(
        "ReedBoat", "animalPig", "armchair", "asianWoodPost", "aztecFountain", "aztecHouse", "aztecHut", "aztecVase",
        "bench", "bigAirBlower", "blueRadioTower", "boxGrid", "carousel", "chimney", "classchair", "cliffGrassEarth",
        "electricalBox", "electricalFence", "entranceGuardianMale", "fishSkeleton", "fitchBarrel", "gnuMeditation",
        "gramophone", "hayBall", "hexajet", "igloo", "jackOLantern", "kiki", "konqi", "logBarrier", "lowRockBarrier",
        "luggage", "mailbox", "mermaid", "metalSupportBeam", "modernHousing", "monkeyCheering", "mudpot", "oldCar",
        "old_house", "pallet", "pirateVertical", "poseidon", "ranchPortal", "redCrab", "redToriiPortal", "sandCastle",
        "silvianClock", "silvianFence", "silvianGirl", "silvianHouse", "silvianKiosk", "silvianTower",
        "slivianFountain", "steamLocomotive", "tetrapodUnderwater", "tiresBarrier", "trijet", "tvVan",
        "umbrellaBeach", "watertower", "windpump", "woodLittleBridge", "woodLodge",
    ),
    kinds_of_things=(3, 9),
    number_of_things=(5, 30),
    thing_scales=(0.8, 1.6),
    models=(
        ("trees", 5, (0, 50), (0.4, 1.5)),
        ("bushes", 6, (0, 90), (0.6, 2.5)),
        ("rocks", 4, (0, 25), (0.4, 2.0)),
        ("houses", 4, (0, 14), (0.4, 1.2)),
        ("finds", 4, (0, 14), (0.6, 2.0)),
        ("animals", 2, (0, 6), (0.8, 2.0)),
    ),
)
# fmt: on

ROOMS: dict[str, tuple[float, Range, Range, Range]] = {
    "room": (0.68, (2.8, 7), (3, 8), (2.3, 3.2)),
    "corridor": (0.10, (1.6, 2.8), (6, 16), (2.3, 3.2)),
    "hall": (0.14, (8, 16), (8, 22), (3, 6)),
    "patio": (0.08, (4, 9), (4, 10), (2.3, 3.2)),
}
"""Share, width, length, height."""
FURNISHED = (
    ("Living room", "Miscellaneous"),
    ("Bedroom", "Miscellaneous"),
    ("Kitchen", "Living room"),
    ("Kitchen", "Miscellaneous", "Living room"),
    ("Office", "Living room", "Miscellaneous"),
    ("Bathroom", "Miscellaneous"),
    ("Living room", "Bedroom", "Office", "Kitchen", "Miscellaneous"),
)
"""The categories of furniture that share a room."""
