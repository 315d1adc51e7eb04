"""Assets from Debian's packages and one of npm: ``python -m training.render.assets FOLDER`` fetches and unpacks them.

Only what is used is unpacked. ``LICENCES.md`` in the folder names the packages; their copyright files are kept.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from . import games
from .parameters import HELD_OUT_TRACKS


@dataclass(frozen=True)
class Package:
    """A package of Debian's main archive."""

    name: str
    version: str
    wanted: tuple[str, ...]
    licence: str


DEBIAN = (
    Package("sweethome3d-furniture", "1.8-1", ("*.sh3f",), "CC-BY 3.0, CC0"),
    Package("sweethome3d", "7.0.2+dfsg-3", ("*/sweethome3d.jar",), "GPL-2+, CC-BY 4.0"),
    Package(
        "supertuxkart-data",
        "1.4+dfsg-2",
        tuple(f"*/supertuxkart/data/{part}/*" for part in ("tracks", "textures", "library", "models")),
        "CC-BY-SA 3.0 and 4.0, CC-BY 3.0, CC0, GPL, public domain",
    ),
    Package(
        "redeclipse-data",
        "1.6.0-1",
        ("*/redeclipse/data/*.jpg", "*/redeclipse/data/*.png"),
        "CC-BY-SA 3.0, CC-BY, zlib, CC0",
    ),
    Package("0ad-data", "0.0.26-1", ("*/mods/public/public.zip",), "CC-BY-SA 3.0, GPL-2+"),
    Package(
        "megaglest-data",
        "3.13.0-3",
        ("*/megaglest/tilesets/*/models/*", "*/megaglest/techs/*/units/*/models/*"),
        "CC-BY-SA 3.0",
    ),
    Package(
        "torcs-data",
        "1.3.7+dfsg-5",
        tuple(
            f"*/torcs/{part}" for part in ("tracks/*.ac*", "tracks/*.rgb", "tracks/*.png", "data/textures/*")
        ),
        "Free Art License, GPL-2+",
    ),
    *(
        Package(f"openarena-{part}", version, ("*/openarena/baseoa/*.pk3",), "GPL-2+")
        for part, version in (
            ("data", "0.8.5split-14"),
            ("081-maps", "0.8.5split-14"),
            ("081-textures", "0.8.5split-14"),
            ("081-misc", "0.8.5split-14"),
            ("085-data", "0.8.5split-14"),
            ("088-data", "0.8.8-12"),
            ("oacmp1", "3-7"),
        )
    ),
    Package(
        "tuxpaint-stamps-default",
        "2022.06.04-1",
        ("*/tuxpaint/stamps/*.png", "*/tuxpaint/stamps/*.txt"),
        "GPL-2+",
    ),
    Package("mate-backgrounds", "1.26.0-1", ("*.jpg",), "GPL-2+, CC-BY-SA 4.0"),
)
NPM = Package("@pmndrs/assets", "1.7.0", ("package/hdri/*.exr.js",), "CC0")
KEPT_ALWAYS = "*/doc/*/copyright"
UNUSED = "*.ogg"
SWEETHOME_TEXTURES = "com/eteks/sweethome3d/io/resources/textures/"

NOT_COLOUR = re.compile(
    r"(_(n|nm|norm|normal|nrm|nor|local|s|spec|g|gloss|glow|add|mask|h|b|ddn|bump|height|disp|r|data|dot3|e|emit)"
    r"|norm|normal|gloss|glow|spec|mask|lightmap|displacement|envmap)\d?$",
    re.IGNORECASE,
)
KINDS = {
    "any": r".",
    "grass": r"grass(?!.*(road|dirt))(?<!road_grass)",
    "road": r"^(?!.*(grass|dirt|snow|lava)).*(road|asphalt|concrete|street|gravel)",
    "pavement": r"pav|tile|stone|cobble|brick",
    "wall": r"brick|wall|stone|plaster|concrete|wood|roughcast",
    "soil": r"sand|dirt|ground|earth|snow|gravel|mud|soil|cliff|rock|forestfloor|dune|field|savanna",
    "roof": r"roof|tile|wood",
    "floor": r"wood|floor|plank|tile|carpet|parquet|marble|stone|concrete|pav|sweethome",
}
"""Textures of a kind of surface, by name."""
OUTDOORS = re.compile(r"bridge|city|dawn|esplanade|forest|park|sky|sunrise|sunset|venice")
INDEX = "textures.json"
RECORD = "LICENCES.md"


@dataclass(frozen=True)
class Texture:
    """What an image looks like as a whole, of 1."""

    path: str
    brightness: float
    contrast: float
    saturation: float

    @property
    def useful(self) -> bool:
        """Whether it is neither nearly black nor a mask."""
        mask = self.saturation < 0.03 and self.contrast > 0.2
        return self.brightness > 0.13 and self.contrast < 0.3 and not mask


@dataclass(frozen=True)
class Assets:
    """The folder of unpacked packages."""

    folder: Path

    @property
    def karts(self) -> Path:
        """SuperTuxKart's data."""
        return self.folder / "usr/share/games/supertuxkart/data"

    @property
    def circuits(self) -> Path:
        """TORCS's tracks."""
        return self.folder / "usr/share/games/torcs/tracks"

    @property
    def arenas(self) -> Path:
        """OpenArena's maps and their images."""
        return self.folder / "arenas"

    @property
    def furniture(self) -> Path:
        """Sweet Home 3D's libraries of models."""
        return self.folder / "furniture"

    @cached_property
    def _textures(self) -> list[Texture]:
        index = self.folder / INDEX
        if not index.exists():
            index.write_text(json.dumps([asdict(t) for t in scan_textures(self.folder)]), encoding="utf-8")
        found = [Texture(**entry) for entry in json.loads(index.read_text(encoding="utf-8"))]
        return [texture for texture in found if texture.useful]

    def textures(self, kind: str) -> list[Path]:
        """Return the textures of a kind of surface, in a fixed order."""
        pattern = re.compile(KINDS[kind], re.IGNORECASE)
        return [
            self.folder / t.path for t in self._textures if pattern.search("/".join(Path(t.path).parts[-2:]))
        ]

    def photos(self) -> list[Path]:
        """Return photographs and paintings, for pictures on walls."""
        return sorted((self.folder / "usr/share/backgrounds").rglob("*.jpg"))

    def panoramas(self, outdoors: bool = True) -> list[Path]:
        """Return backgrounds of all directions."""
        found = sorted((self.folder / "hdri").glob("*.exr"))
        return [path for path in found if not outdoors or OUTDOORS.search(path.stem)]


def scan_textures(folder: Path) -> list[Texture]:
    """Look at every image that may be a texture of colours."""
    games = folder / "usr/share/games"
    places = (
        games / "redeclipse/data",
        games / "supertuxkart/data/textures",
        games / "supertuxkart/data/tracks",
    )
    named = re.compile("|".join(p for k, p in KINDS.items() if k != "any") + "|marble|metal|bark|moss", re.I)
    found = [path for place in places for path in sorted(place.rglob("*")) if path.suffix in (".png", ".jpg")]
    found = [p for p in found if "supertuxkart" not in p.parts or named.search(p.stem)]
    found += sorted((folder / "textures").rglob("*.jpg"))
    seen = (measure(path, folder) for path in found if not NOT_COLOUR.search(path.stem))
    return [texture for texture in seen if texture is not None]


def measure(path: Path, folder: Path) -> Texture | None:
    """Return what an image looks like, or None if it is no opaque, roughly square texture."""
    try:
        with Image.open(path) as image:
            sides = image.size
            small = np.asarray(image.convert("RGBA").resize((64, 64)), np.float32) / 255
    except (UnidentifiedImageError, OSError, SyntaxError):  # Pillow's word for a broken PNG is SyntaxError
        return None
    if min(sides) < 64 or max(sides) > 2.01 * min(sides) or (small[..., 3] < 0.98).mean() > 0.02:
        return None
    colours = small[..., :3]
    red, green, blue = colours.mean((0, 1))
    if blue > 0.75 and abs(red - 0.5) < 0.12 and abs(green - 0.5) < 0.12:  # a map of normals
        return None
    spread = (colours.max(2) - colours.min(2)).mean()
    values = (colours.mean(), colours.std((0, 1)).mean(), spread)
    return Texture(path.relative_to(folder).as_posix(), *(round(float(v), 3) for v in values))


def is_wanted(name: str, package: Package) -> bool:
    """Whether a package's file is used. Tracks that are held out do not even get unpacked."""
    if fnmatch(name, UNUSED) or HELD_OUT_TRACKS.intersection(PurePosixPath(name).parts):
        return False
    return any(fnmatch(name, p) for p in (*package.wanted, KEPT_ALWAYS))


def unpack_debian(package: Package, archive: Path, folder: Path) -> None:
    """Extract what is wanted of a package."""
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as files,
    ):
        for member in files:
            if (member.isfile() or member.issym()) and is_wanted(member.name, package):
                files.extract(member, folder, filter="data")


def unpack_nested(folder: Path) -> None:
    """Extract the archives inside packages: furniture, and the textures of Sweet Home 3D."""
    for path in sorted((folder / "usr").rglob("*.sh3f")):
        with zipfile.ZipFile(path) as library:
            library.extractall(folder / "furniture" / path.stem)
        path.unlink()
    for path in sorted((folder / "usr").rglob("*.jar")):
        with zipfile.ZipFile(path) as jar:
            for name in jar.namelist():
                if name.startswith(SWEETHOME_TEXTURES) and name.endswith(".jpg"):
                    games.put(folder / "textures/sweethome3d" / PurePosixPath(name).name, jar.read(name))
        path.unlink()


def unpack_games(folder: Path) -> None:
    """Turn the models and images of games into files that Blender reads."""
    place = folder / "usr/share/games"
    for path in sorted(place.rglob("public.zip")):
        with zipfile.ZipFile(path) as archive:
            game = games.ZeroAD(archive)
            games.write(game.models(), folder / "furniture/0ad")
            for name, image in game.grounds():
                games.save(image, folder / "textures/0ad" / f"{name}.jpg")
        path.unlink()
    games.write(games.glest(place / "megaglest"), folder / "furniture/megaglest")
    games.convert_images(place / "torcs")
    with contextlib.ExitStack() as opened:
        paths = sorted((place / "openarena").rglob("*.pk3"))
        games.write_arenas([opened.enter_context(zipfile.ZipFile(path)) for path in paths], folder / "arenas")
    for path in paths:
        path.unlink()


def unpack_npm(archive: Path, folder: Path) -> None:
    """Decode the panoramas: each is a module of JavaScript around base64."""
    with tarfile.open(archive) as files:
        for member in files:
            content = files.extractfile(member)
            if content is not None and any(fnmatch(member.name, pattern) for pattern in NPM.wanted):
                text = re.search(rb"base64,([A-Za-z0-9+/=]+)", content.read())
                if text is None:
                    raise ValueError(f"{member.name} holds no base64")
                name = PurePosixPath(member.name).name.removesuffix(".js")
                games.put(folder / "hdri" / name, base64.b64decode(text[1]))


def fetch(folder: Path, only: Sequence[str] = ()) -> None:
    """Fetch and unpack every package, or only some, one at a time, and record them beside those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = recorded(folder)
    for package in (p for p in (*DEBIAN, NPM) if not only or p.name in only):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            archive = _download(package, Path(place))
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            if package is NPM:
                unpack_npm(archive, folder)
            else:
                unpack_debian(package, archive, folder)
        rows[package.name] = f"| {package.name} | {package.version} | {package.licence} | {digest} |"
    unpack_nested(folder)
    unpack_games(folder)
    (folder / INDEX).unlink(missing_ok=True)  # it knows nothing of what is new
    table = ["| package | version | licences | SHA-256 |", "|---|---|---|---|", *rows.values()]
    note = "Details: `usr/share/doc/PACKAGE/copyright`, `furniture/LIBRARY/LICENSE.TXT`.\n"
    (folder / RECORD).write_text("\n".join([*table, "", note]), encoding="utf-8")


def recorded(folder: Path) -> dict[str, str]:
    """Return the rows of the packages that were fetched before, by name."""
    record = folder / RECORD
    lines = record.read_text(encoding="utf-8").splitlines()[2:] if record.exists() else []
    return {line.split("|")[1].strip(): line for line in lines if line.startswith("|")}


def _download(package: Package, place: Path) -> Path:
    command = (
        ["npm", "pack", f"{package.name}@{package.version}"]
        if package is NPM
        else ["apt-get", "download", f"{package.name}={package.version}"]
    )
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
    return next(path for path in place.iterdir() if path.is_file())


def main() -> None:
    """Fetch into the folder given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--only",
        action="append",
        choices=[package.name for package in (*DEBIAN, NPM)],
        default=[],
        metavar="PACKAGE",
        help="fetch this package; may be given several times (default: all)",
    )
    options = parser.parse_args()
    fetch(options.folder, options.only)
    print(
        f"{len(Assets(options.folder).textures('any'))} textures, {len(Assets(options.folder).photos())} photos"
    )


if __name__ == "__main__":
    main()
