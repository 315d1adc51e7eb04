"""``.pkl`` files that are well-formed and say nonsense. The model beside them is whole."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .table import PKL_DOORS, add

Change = Callable[[dict[str, Any]], Any]
"""Changes a sound description in place."""


def _sound() -> dict[str, Any]:
    from depthmap.catalog import EMBEDDED

    stamp = {"size": 3, "sha256": "0" * 64, "leaves": bytes(32), "stamp": [3, 1, 1], "tensors": "{}"}
    return {
        "name": "hostile",
        "spec": EMBEDDED.renamed("hostile").to_dict(),
        "provenance": {"how": "imported", "url": "x", "sha256": "0" * 64, "date": "2026-01-01T00:00:00Z"},
        "files": {"pt": stamp, "h5": dict(stamp)},
        "pinned": False,
    }


def _laughs() -> list[Any]:
    value: list[Any] = ["ha"]
    for _ in range(30):
        value = [value, value]
    return value


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


_NONSENSE: dict[str, Any] = {
    "text": "x", "a number": 3, "a negative number": -1, "2**200": 2**200, "half": 0.5, "not a number": float("nan"),
    "nothing": None, "truth": True, "a list": [1, 2], "a dictionary": {"a": 1}, "bytes": b"\xff", "laughter": _laughs(),
}  # fmt: skip
_FIELDS = {
    "schema": ("schema",), "spec": ("spec",), "provenance": ("provenance",), "files": ("files",), "pin": ("pinned",),
    "what was before": ("previous",), "record": ("files", "pt"), "size": ("files", "pt", "size"),
    "digest": ("files", "pt", "sha256"), "leaves": ("files", "pt", "leaves"), "stamp": ("files", "pt", "stamp"),
    "places of tensors": ("files", "pt", "tensors"),
    "name": ("spec", "name"), "network": ("spec", "network"), "input size": ("spec", "input_size"),
    "resize": ("spec", "resize"), "mean": ("spec", "mean"), "std": ("spec", "std"), "path": ("spec", "path"),
    "bytes": ("spec", "bytes"), "published digest": ("spec", "sha256"), "parameters": ("spec", "parameters"),
    "licence": ("spec", "licence"), "embedded file": ("spec", "embedded"), "other names": ("spec", "hub_names"),
    "source": ("spec", "base"), "origin": ("provenance", "url"),
}  # fmt: skip


def _replace(data: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    for key in keys[:-1]:
        data = data[key]
    data[keys[-1]] = value


def _drop(data: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys[:-1]:
        data = data[key]
    data.pop(keys[-1], None)


_CHANGES: dict[str, Change] = {
    "a newer schema": lambda d: d.update(
        schema=99, more={"a": [1]}, files={**d["files"], "onnx": {"hash": 1}}
    ),
    "an older schema": lambda d: [d.update(schema=0), d.pop("provenance"), d.pop("files"), d.pop("pinned")],
    "a name that is a path": lambda d: d["spec"].update(name="../../escaped"),
    "a name that is absolute": lambda d: d["spec"].update(name="/etc/passwd"),
    "the name of another model": lambda d: d["spec"].update(name="DPT_Large"),
    "another network": lambda d: d["spec"].update(network="dpt_large"),
    "an unknown network": lambda d: d["spec"].update(network="os.system"),
    "an embedded file outside the package": lambda d: d["spec"].update(
        embedded="../../../../../../../etc/passwd"
    ),
    "an embedded file": lambda d: d["spec"].update(embedded="depthmap_tiny.pt"),
    "a source on this machine": lambda d: d["spec"].update(
        path="passwd", base="file:///etc/", sha256="0" * 64, bytes=9
    ),
    "a stamp of two numbers": lambda d: d["files"]["pt"].update(stamp=[3, 1]),
    "a stamp of a million numbers": lambda d: d["files"]["pt"].update(stamp=[1] * 900_000),
    "leaves of another length": lambda d: d["files"]["pt"].update(leaves=bytes(31)),
    "a size of exabytes": lambda d: d["files"]["pt"].update(size=2**62),
    "leaves that are a number": lambda d: d["files"]["pt"].update(leaves=2**36),
    "a digest of capitals": lambda d: d["files"]["pt"].update(sha256="A" * 64),
    "files of unknown formats": lambda d: d.update(files={"../x": d["files"]["pt"], "": {}, 3: None}),
    "itself before": lambda d: d.update(previous=dict(d, previous=dict(d))),
    "a std of zero": lambda d: d["spec"].update(std=[0, 0, 0]),
    "an input size of millions": lambda d: d["spec"].update(input_size=10**7),
    "laughter under a digest": lambda d: d.update(provenance=_laughs(), digest="0" * 64),
    "nesting without end under a digest": lambda d: d.update(provenance=_nested(90), digest="0" * 64),
    "one text named without end": lambda d: d.update(provenance=["x" * 1_000_000] * 100_000, digest="0" * 64),
    "control characters in its texts": lambda d: d["spec"].update(
        about="\x1b[2J\x1b]0;owned\x07", licence="\r\n\0"
    ),
}


def _enter(name: str, change: Change, doors: tuple[str, ...] = PKL_DOORS) -> None:
    def make(path: Path, trace: Path) -> None:
        from depthmap.formats import metadata

        data = _sound()
        change(data)
        # not by metadata.dumps: its digest of laughter would never end
        path.write_bytes(pickle.dumps({"schema": metadata.SCHEMA, **data}, 4))

    add(f"a description with {name}", "A .pkl that says nonsense.", ".pkl", make, doors)


for _name, _change in _CHANGES.items():
    _enter(_name, _change)
for _field, _keys in _FIELDS.items():
    _enter(f"no {_field}", lambda data, keys=_keys: _drop(data, keys))
    for _kind, _value in _NONSENSE.items():
        _doors = PKL_DOORS if _kind == "laughter" else ("metadata",)
        _enter(f"{_kind} for its {_field}", lambda data, k=_keys, v=_value: _replace(data, k, v), _doors)
