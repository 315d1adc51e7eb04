"""A strict reader of binary glTF 2.0: what its specification says of a file such as ours, checked field by field.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import io
import json
import struct
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

TYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
ARRAY, ELEMENTS, TRIANGLES = 34962, 34963, 4


class Gltf(NamedTuple):
    """The JSON of a file, and the arrays of its accessors."""

    tree: dict[str, Any]
    arrays: list[np.ndarray]
    image: Image.Image | None

    @property
    def surface(self) -> dict[str, np.ndarray]:
        """The attributes of the one primitive, and its indices (F, 3)."""
        primitive = self.tree["meshes"][0]["primitives"][0]
        named = {name: self.arrays[index] for name, index in primitive["attributes"].items()}
        return {**named, "faces": self.arrays[primitive["indices"]].reshape(-1, 3)}


def read(data: bytes) -> Gltf:
    tree, binary = _chunks(data)
    assert tree["asset"]["version"] == "2.0"
    assert set(tree.get("extensionsUsed", [])) <= {"KHR_materials_unlit"}
    assert "extensionsRequired" not in tree
    views = [_view(view, tree, binary) for view in tree.get("bufferViews", [])]
    arrays = [_accessor(accessor, tree, views) for accessor in tree.get("accessors", [])]
    _scene(tree)
    for mesh in tree.get("meshes", []):
        for primitive in mesh["primitives"]:
            _primitive(primitive, tree, arrays)
    used = [accessor["bufferView"] for accessor in tree.get("accessors", [])]
    used += [image["bufferView"] for image in tree.get("images", [])]
    assert sorted(used) == list(range(len(views)))
    return Gltf(tree, arrays, _image(tree, views))


def _chunks(data: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    assert length % 4 == 0
    chunks, at = [], 12
    while at < length:
        size, kind = struct.unpack_from("<I4s", data, at)
        assert size % 4 == 0
        assert at + 8 + size <= length
        chunks.append((kind, data[at + 8 : at + 8 + size]))
        at += 8 + size
    assert [kind for kind, _ in chunks] == [b"JSON", b"BIN\0"][: len(chunks)]
    text = chunks[0][1]
    assert text[:1] == b"{"
    assert text.rstrip(b" ")[-1:] == b"}"
    tree = json.loads(text)
    binary = chunks[1][1] if len(chunks) > 1 else b""
    buffers = tree.get("buffers", [])
    assert len(buffers) == (1 if binary else 0)
    if buffers:
        assert "uri" not in buffers[0]
        assert 0 <= len(binary) - buffers[0]["byteLength"] <= 3
    return tree, binary


def _view(view: dict[str, Any], tree: dict[str, Any], binary: bytes) -> bytes:
    start, length = view.get("byteOffset", 0), view["byteLength"]
    assert view["buffer"] == 0
    assert length > 0
    assert start % 4 == 0
    assert start + length <= tree["buffers"][0]["byteLength"]
    assert "byteStride" not in view
    return binary[start : start + length]


def _accessor(accessor: dict[str, Any], tree: dict[str, Any], views: list[bytes]) -> np.ndarray:
    kind, width = np.dtype(TYPES[accessor["componentType"]]), WIDTHS[accessor["type"]]
    start, count = accessor.get("byteOffset", 0), accessor["count"]
    view = views[accessor["bufferView"]]
    assert count > 0
    assert start % kind.itemsize == 0
    assert start + count * width * kind.itemsize <= len(view)
    array = np.frombuffer(view, kind, count * width, start).reshape(count, width)
    assert np.isfinite(array).all()
    for name, found in (("min", array.min(axis=0)), ("max", array.max(axis=0))):
        if name in accessor:
            assert np.array_equal(np.array(accessor[name], kind), found), name
    return array


def _scene(tree: dict[str, Any]) -> None:
    scene = tree["scenes"][tree["scene"]]
    children = [child for node in tree["nodes"] for child in node.get("children", [])]
    assert len(children) == len(set(children))
    assert not set(scene["nodes"]) & set(children)
    assert set(scene["nodes"]) | set(children) == set(range(len(tree["nodes"])))
    meshes = [node["mesh"] for node in tree["nodes"] if "mesh" in node]
    assert sorted(meshes) == list(range(len(tree.get("meshes", []))))
    for node in tree["nodes"]:
        assert not {"matrix", "rotation", "scale", "translation"} & set(node), "nothing is moved"


def _primitive(primitive: dict[str, Any], tree: dict[str, Any], arrays: list[np.ndarray]) -> None:
    position = tree["accessors"][primitive["attributes"]["POSITION"]]
    assert (position["type"], position["componentType"]) == ("VEC3", 5126)
    assert {"min", "max"} <= set(position)
    assert primitive.get("mode", TRIANGLES) == TRIANGLES
    for index in primitive["attributes"].values():
        accessor = tree["accessors"][index]
        assert accessor["count"] == position["count"]
        assert tree["bufferViews"][accessor["bufferView"]]["target"] == ARRAY
    indices = tree["accessors"][primitive["indices"]]
    assert indices["type"] == "SCALAR"
    assert indices["componentType"] in (5121, 5123, 5125)
    assert indices["count"] % 3 == 0
    assert tree["bufferViews"][indices["bufferView"]]["target"] == ELEMENTS
    assert arrays[primitive["indices"]].max() < position["count"]
    material = tree["materials"][primitive["material"]]
    assert material["extensions"] == {"KHR_materials_unlit": {}}
    colour = material["pbrMetallicRoughness"]["baseColorTexture"]
    assert f"TEXCOORD_{colour.get('texCoord', 0)}" in primitive["attributes"]
    assert colour["index"] < len(tree["textures"])


def _image(tree: dict[str, Any], views: list[bytes]) -> Image.Image | None:
    for texture in tree.get("textures", []):
        assert texture["source"] < len(tree["images"])
    for image in tree.get("images", []):
        assert image["mimeType"] in ("image/jpeg", "image/png")
        opened = Image.open(io.BytesIO(views[image["bufferView"]]))
        assert f"image/{opened.format}".lower() == image["mimeType"]
        opened.load()
        return opened
    return None
