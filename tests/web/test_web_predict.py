"""A picture goes in, depth comes out: as a form or as the body, in every output, by name or by Accept."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import depthmap
import gltf
from depthmap.colours import COLOUR_MAPS, colour_table
from depthmap.images import MAX_PIXELS
from depthmap.outputs import DEFAULT_OUTPUTS, OUTPUTS
from depthmap.settings import Settings
from depthmap.web.predicting import PIXELS
from support import PHOTO

from .conftest import MODEL, WebServer, is_failure
from .uploading import PREDICT, picture, send, send_form, values

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
TINY = "Depthmap_Tiny"


def expected(data: bytes, model: str = TINY, **options: object) -> np.ndarray:
    return depthmap.DepthEstimator(model, pictures=8, **options).predict(data)


def test_a_form_and_a_raw_body_give_what_python_gives(shared: WebServer) -> None:
    data = PHOTO.read_bytes()
    by_form = send_form(shared, data, name="china.jpg", outputs="npy")
    by_body = send(shared, data, accept="application/x-npy")
    assert np.allclose(values(by_form), expected(data), rtol=1e-4, atol=1e-4)
    assert np.array_equal(values(by_form), values(by_body))


def test_a_model_and_a_size_can_be_named(shared: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHMAP_CACHE_DIR", str(shared.cache_dir))
    data = picture(96, 64)
    named = values(send(shared, data, outputs="npy", model=MODEL, size=128))
    assert np.allclose(named, expected(data, MODEL, size=128), rtol=1e-4, atol=1e-4)
    assert not np.allclose(named, values(send(shared, data, outputs="npy")))


def test_json_says_what_the_numbers_mean_and_how_long_each_step_took(shared: WebServer) -> None:
    fields = send_form(shared, name="Größe.png").json()
    assert fields["success"] is True
    assert fields["depth"]["kind"] == "relative inverse depth"
    assert fields["depth"]["model"] == TINY
    assert fields["depth"]["picture"] == {"name": "Größe.png", "width": 64, "height": 48}
    assert list(fields["seconds"]) == ["wait", "read", "predict", "write"]
    assert "files" not in fields


def test_json_has_the_sizes_of_the_outputs_that_are_named(shared: WebServer) -> None:
    fields = send(shared, accept="application/json", outputs="npy,colour").json()
    assert fields["files"]["npy"] == {
        "name": "picture_depth.npy",
        "media_type": "application/x-npy",
        "bytes": 64 * 48 * 4 + 128,
    }
    assert fields["files"]["colour"]["bytes"] == len(send(shared, outputs="colour").content)


def test_a_file_comes_with_its_name_its_facts_and_the_times(shared: WebServer) -> None:
    reply = send_form(shared, name="C:\\photos\\Größe 1.jpeg", outputs="glb")
    facts = json.loads(reply.headers["depthmap-facts"])
    assert reply.headers["content-type"] == "model/gltf-binary"
    assert reply.headers["content-disposition"] == (
        "attachment; filename=\"Gr__e 1_mesh.glb\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201_mesh.glb"
    )
    assert facts == send_form(shared, name="C:\\photos\\Größe 1.jpeg").json()["depth"]
    assert [step.partition(";dur=")[0] for step in reply.headers["server-timing"].split(", ")] == [
        "wait", "read", "predict", "write",
    ]  # fmt: skip
    assert reply.headers["x-content-type-options"] == "nosniff"


def png(data: bytes) -> tuple[int, int, int, int]:
    """Return width, height, bits and colour type, as the PNG specification has them, after checking every CRC."""
    import zlib

    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    place, header = 8, b""
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        (crc,) = struct.unpack_from(">I", data, place + 8 + length)
        assert crc == zlib.crc32(kind + body)
        header = header or body
        place += 12 + length
    assert kind == b"IEND"
    return struct.unpack_from(">IIBB", header)


def opened(name: str, data: bytes) -> tuple[int, ...]:
    """Open an output with a reader that is not the writer, and return the size it is of."""
    import cv2
    import OpenEXR
    import tifffile
    import trimesh

    if name in ("png16", "colour", "normal", "stereo", "side-by-side", "anaglyph"):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert image.dtype == (np.uint16 if name == "png16" else np.uint8)
        assert png(data)[:2] == image.shape[1::-1]
        return image.shape[:2]
    if name == "npy":
        return np.load(io.BytesIO(data)).shape
    if name == "npz":
        return np.load(io.BytesIO(data))["values"].shape
    if name == "pfm":
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).shape
    if name in ("tiff", "rgbd"):
        return tifffile.imread(io.BytesIO(data), key=-1).shape
    if name == "exr":
        (channel,) = OpenEXR.File(io.BytesIO(data), separate_channels=True).channels().values()
        return channel.pixels.shape
    if name == "ply":
        return trimesh.load(io.BytesIO(data), file_type="ply").vertices.shape
    read = gltf.read(data)
    assert len(read.surface["faces"]) > 0
    assert read.image is not None
    return read.image.size[::-1]


SIZES = {"stereo": (48, 128), "side-by-side": (48, 128), "ply": (64 * 48, 3)}


@pytest.mark.extra
@pytest.mark.parametrize("name", OUTPUTS)
def test_another_program_opens_each_output(shared: WebServer, name: str) -> None:
    reply = send_form(shared, outputs=name)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == OUTPUTS[name].media_type
    assert opened(name, reply.content) == SIZES.get(name, (48, 64))


def test_several_outputs_come_as_one_zip_with_what_lies_beside_them(shared: WebServer) -> None:
    reply = send_form(shared, name="../../etc/photo.png", outputs=["npy", "png16,pfm"])
    assert reply.headers["content-type"] == "application/zip"
    assert 'filename="photo_depth.zip"' in reply.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(reply.content))
    assert archive.testzip() is None
    assert archive.namelist() == [
        "photo_depth.npy", "photo_depth.npy.json", "photo_depth.png", "photo_depth.pfm", "photo_depth.pfm.json",
    ]  # fmt: skip
    assert json.loads(archive.read("photo_depth.npy.json")) == json.loads(reply.headers["depthmap-facts"])


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("image/png", "image/png"),
        ("image/*", "image/png"),
        ("image/webp,image/*;q=0.8", "image/png"),
        ("application/x-npy", "application/x-npy"),
        ("image/tiff", "image/tiff"),
        ("image/tiff, image/png;q=0.9", "image/tiff"),
        ("application/zip", "application/zip"),
        ("model/gltf-binary", "model/gltf-binary"),
        ("application/ply", "application/ply"),
        ("model/ply", "model/ply"),
        ("IMAGE/PNG; Q=0.5, application/json; q=0", "image/png"),
        ("*/*, application/json;q=0", "image/png"),
    ],
)
def test_accept_chooses_where_no_output_is_named(shared: WebServer, accept: str, media_type: str) -> None:
    reply = send(shared, accept=accept)
    assert (reply.status_code, reply.headers["content-type"]) == (200, media_type)


@pytest.mark.parametrize(
    "accept", ["text/html", "image/webp", "application/json;q=0", "nonsense", "image/png;q=x"]
)
def test_what_cannot_be_given_is_refused_before_anything_is_predicted(shared: WebServer, accept: str) -> None:
    assert is_failure(send(shared, accept=accept), 406, "NotAcceptable")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/x-npy"),
        ("image/png", "application/x-npy"),
        ("application/json, text/plain, */*", "application/x-npy"),
        ("application/json", "application/json"),
        ("application/json, */*;q=0.1", "application/json"),
    ],
)
def test_an_output_that_is_named_comes_unless_json_is_wanted(
    shared: WebServer, accept: str, media_type: str
) -> None:
    assert send(shared, accept=accept, outputs="npy").headers["content-type"] == media_type


def test_the_query_wins_over_the_form_and_empty_fields_are_none(shared: WebServer) -> None:
    files = {"image": ("photo.png", picture())}
    fields = {"outputs": "npy", "colours": "", "size": " "}
    reply = shared.client.post(f"{PREDICT}?outputs=png16", files=files, data=fields)
    assert reply.headers["content-type"] == "image/png"


def test_options_of_outputs_change_them(shared: WebServer) -> None:
    pictures = [send(shared, outputs="colour", colours=name).content for name in ("inferno", "GREY")]
    assert Image.open(io.BytesIO(pictures[0])).tobytes() != Image.open(io.BytesIO(pictures[1])).tobytes()
    assert send(shared, outputs="stereo", eyes=1).content != send(shared, outputs="stereo", eyes=5).content


def test_points_of_known_distance_give_metres(shared: WebServer) -> None:
    data = PHOTO.read_bytes()
    inverse = values(send(shared, data, outputs="npy"))
    height, width = inverse.shape
    near = np.unravel_index(inverse.argmax(), inverse.shape)
    calibrate = [f"{near[1]},{near[0]}=2"]
    fields = send(shared, data, calibrate=calibrate, far=50).json()["depth"]
    assert (fields["kind"], fields["units"]) == ("metric depth", "metres")
    assert (fields["picture"]["width"], fields["picture"]["height"]) == (width, height)
    scale, shift = fields["calibration"]["scale"], fields["calibration"]["shift"]
    again = values(send(shared, data, outputs="npy", calibration=f"{scale},{shift}"))
    ahead = inverse * scale + shift > 1e-3
    assert np.allclose(again[ahead], 1 / (inverse[ahead] * scale + shift), rtol=1e-3)


def test_the_camera_can_be_named(shared: WebServer) -> None:
    camera = send(shared, fov=90).json()["depth"]["camera"]
    assert camera["fx"] == pytest.approx(32)
    assert send(shared, focal=28).json()["depth"]["camera"]["source"] != "assumed"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"colour": "inferno"}, "colour"),
        ({"outputs": "jpeg"}, "jpeg"),
        ({"outputs": ","}, "output"),
        ({"colours": "rainbow"}, "rainbow"),
        ({"size": "31"}, "32"),
        ({"size": "1.5"}, "whole"),
        ({"fov": "180"}, "180"),
        ({"fov": "nan"}, "nan"),
        ({"focal": "0"}, "0.1"),
        ({"fov": "60", "focal": "28"}, "fov"),
        ({"ratio": "1"}, "above 1"),
        ({"ratio": "inf"}, "inf"),
        ({"eyes": "21"}, "20"),
        ({"calibrate": "1,2"}, "X,Y=METRES"),
        ({"calibrate": "1,2=3"}, "two points"),
        ({"calibrate": ["1,2=3", "9999,2=4"]}, "outside"),
        ({"far": "3"}, "point"),
        ({"calibration": "1"}, "SCALE,SHIFT"),
        ({"calibration": "-1,0"}, "scale"),
        ({"calibration": "1,0", "calibrate": ["1,2=3", "4,5=6"]}, "contradict"),
        ({"fov": ["60", "70"]}, "twice"),
    ],
)
def test_an_option_that_cannot_be_is_named(
    shared: WebServer, query: dict[str, str | list[str]], said: str
) -> None:
    reply = send(shared, **query)
    assert is_failure(reply, 422, "UsageError")
    assert said in reply.json()["message"]


def test_a_model_that_is_not_here_is_never_downloaded(shared: WebServer) -> None:
    assert is_failure(send(shared, model="DPT_Large"), 409, "ModelUnavailable")
    assert is_failure(send(shared, model="nothing"), 404, "UnknownModel")
    assert not list(shared.cache_dir.glob(".partial/*"))


def test_another_output_of_the_same_picture_needs_no_second_inference(shared: WebServer) -> None:
    data = picture(seed=7)
    first = send(shared, data).json()["seconds"]
    second = send_form(shared, data, outputs="png16")
    assert first["predict"] > 0
    assert "predict;dur=0.0" in second.headers["server-timing"]
    other = send(shared, data, size=64).json()["seconds"]
    assert other["predict"] > 0


def test_the_same_picture_keeps_its_own_name_and_options(shared: WebServer) -> None:
    data = picture(seed=8)
    for name, fov in (("one.png", 40), ("two.png", 80)):
        facts = send_form(shared, data, name=name, fov=fov).json()["depth"]
        assert facts["picture"]["name"] == name
        assert facts["camera"]["fx"] == pytest.approx(32 / np.tan(np.radians(fov / 2)))


def test_outputs_are_listed_with_all_that_a_page_needs(shared: WebServer) -> None:
    listed = shared.client.get("/api/outputs").json()
    assert [one["name"] for one in listed["outputs"]] == list(OUTPUTS)
    assert all(one["available"] or one["install"] for one in listed["outputs"])
    assert {one["name"] for one in listed["outputs"] if one["install"]} == {"exr", "ply", "glb"}
    for name in COLOUR_MAPS:
        table = np.frombuffer(bytes.fromhex(listed["colour_maps"][name]), np.uint8).reshape(256, 3)
        assert np.array_equal(table, colour_table(name))
    assert listed["defaults"]["outputs"] == list(DEFAULT_OUTPUTS)
    assert listed["limits"] == {"bytes": 64 << 20, "pixels": MAX_PIXELS}
    assert PIXELS == MAX_PIXELS


def test_a_replaced_model_is_loaded_again(
    start: Callable[..., WebServer], settings: Settings, tmp_path: Path
) -> None:
    server = start(settings)
    before = values(send(server, outputs="npy", model=MODEL))
    cache = depthmap.ModelCache(settings=settings)
    cache.import_file(cache.export(TINY, tmp_path / "tiny.pt"), MODEL, replace=True)
    after = values(send(server, outputs="npy", model=MODEL))
    assert not np.array_equal(before, after)
    assert np.allclose(after, values(send(server, outputs="npy", model=TINY)), rtol=1e-3, atol=1e-3)


@needs_curl
def test_the_curl_lines_of_the_guide_give_files(shared: WebServer, tmp_path: Path) -> None:
    def curl(*arguments: str) -> None:
        subprocess.run(["curl", "-sSf", "--noproxy", "*", *arguments], check=True, timeout=120)

    address = f"http://localhost:{shared.port}{PREDICT}"
    curl("-F", f"image=@{PHOTO}", f"{address}?outputs=colour", "-o", str(tmp_path / "depth.png"))
    with Image.open(tmp_path / "depth.png") as image:
        assert image.mode == "RGB"
    curl(
        "--data-binary",
        f"@{PHOTO}",
        "-H",
        "Accept: application/x-npy",
        address,
        "-o",
        str(tmp_path / "depth.npy"),
    )
    assert np.load(tmp_path / "depth.npy").shape == image.size[::-1]


def test_a_larger_upload_can_be_allowed(start: Callable[..., WebServer], settings: Settings) -> None:
    data = picture(640, 480)
    assert is_failure(send_form(start(replace(settings, max_upload=100_000)), data), 413, "BodyTooLarge")
    assert send_form(start(replace(settings, max_upload=len(data))), data).status_code == 200
