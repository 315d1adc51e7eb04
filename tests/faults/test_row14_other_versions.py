"""Metadata of other versions, models of which parts are missing, files of others: whole files serve, others stay."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from depthmap.formats import metadata
from support import FileServer

from .ledger import Ledger
from .places import Place
from .scenarios import SCENARIOS, Check

by_name = {scenario.name: scenario for scenario in SCENARIOS}
Change = Callable[[dict[str, Any]], Any]


def _without(*keys: str) -> Change:
    return lambda data: {key: value for key, value in data.items() if key not in keys}


def _with(**values: Any) -> Change:
    return lambda data: {**data, **values}


def _spec(change: Change) -> Change:
    return lambda data: {**data, "spec": change(data["spec"])}


def _files(change: Change) -> Change:
    return lambda data: {**data, "files": {name: change(entry) for name, entry in data["files"].items()}}


CHANGES: Mapping[str, Change] = {
    "schema 0": _with(schema=0),
    "schema 2": _with(schema=2),
    "schema 99 with more in it": _with(schema=99, engines={"onnx": 1}, future=[1, 2]),
    "schema 2 with files of another kind": lambda data: {
        **data, "schema": metadata.SCHEMA + 1, "files": {**data["files"], "onnx": {"path": "x.onnx", "blake3": "00"}},
    },
    "schema 2 with longer stamps": lambda data: {
        **_files(lambda entry: {**entry, "stamp": [*entry["stamp"], 1, 2, 3]})(data), "schema": metadata.SCHEMA + 1,
    },
    "schema 2 with other leaves": lambda data: {
        **_files(lambda entry: {**entry, "leaves": b"x" * 7})(data), "schema": metadata.SCHEMA + 1,
    },
    "schema 2 with a spec of more fields": lambda data: {
        **_spec(_with(licence="MIT", heads=4))(data), "schema": metadata.SCHEMA + 1,
    },
    "schema as text": _with(schema="1"),
    "negative schema": _with(schema=-1),
    "no schema": _without("schema"),
    "no files": _without("files"),
    "no spec": _without("spec"),
    "no provenance": _without("provenance"),
    "no pinned": _without("pinned"),
    "nothing but a schema": lambda data: {"schema": data["schema"]},
    "stamps of two numbers": _files(lambda entry: {**entry, "stamp": entry["stamp"][:2]}),
    "no stamps": _files(_without("stamp")),
    "a list": lambda data: [1, 2],
    "nothing": lambda data: None,
}  # fmt: skip
"""What another version, or an accident, may have written into the ``.pkl``."""
RAW = {"empty": b"", "zeros": bytes(700), "text": b"hello", "half": None}


def rewrite(path: Path, data: bytes) -> None:
    path.unlink()  # it may be a link to the template's
    path.write_bytes(data)


def serves(place: Place, web: FileServer) -> None:
    """The model loads, a download fetches nothing, and all is well afterwards."""
    assert place.fingerprints[place.run("load", mirror="", name="small").done()] == "A"
    place.run("download", mirror=web.url, name="small").done()
    assert web.requests == [], "what was whole was fetched again"
    Check(place, by_name["download"]).finished()


AFTERWARDS: Mapping[str, dict[str, Any]] = {
    "load": {"name": "small"},
    "optimize": {},
    "pin": {"name": "small"},
    "repair": {"name": "small"},
}


@pytest.mark.sampled(10)
@pytest.mark.parametrize("operation", AFTERWARDS)
@pytest.mark.parametrize("change", CHANGES)
def test_metadata_of_another_version(
    change: str, operation: str, place: Place, ledger: Ledger, web: FileServer
) -> None:
    with ledger.injection(14, f"{operation} with metadata: {change}"):
        place.reset("cached")
        path = place.cache / "midas_small.pkl"
        data = CHANGES[change](pickle.loads(path.read_bytes()))
        rewrite(path, pickle.dumps(data, protocol=4))
        outcome = place.run(operation, **AFTERWARDS[operation])
        assert outcome.end == "done" or outcome.error.get("ours"), outcome.told()
        serves(place, web)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("content", RAW)
def test_metadata_that_is_none(content: str, place: Place, ledger: Ledger, web: FileServer) -> None:
    with ledger.injection(14, f"metadata: {content}"):
        place.reset("cached")
        path = place.cache / "midas_small.pkl"
        whole = path.read_bytes()
        data = RAW[content]
        rewrite(path, whole[: len(whole) // 2] if data is None else data)
        serves(place, web)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("left", ["pt", "h5", "pkl", "pt h5", "pt pkl", "h5 pkl", ""])
def test_a_model_of_which_parts_are_missing(left: str, place: Place, ledger: Ledger) -> None:
    with ledger.injection(14, f"what is left of a model: {left or 'nothing'}"):
        place.reset("cached")
        for path in place.cache.glob("midas_*"):
            if path.suffix[1:] not in left.split():
                path.unlink()
        loaded = place.run("load", mirror="", name="small")
        if {"pt", "h5"} & set(left.split()):
            assert place.fingerprints[loaded.done()] == "A"
        else:
            assert loaded.error["class"] == "ModelUnavailable", loaded.told()
        Check(place, by_name["download"]).again()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", ["midas_small.pt", "midas_small.h5", "midas_small.pkl"])
@pytest.mark.parametrize("kind", ["empty", "one byte", "zeros of equal size", "directory"])
def test_a_model_file_that_is_nothing(kind: str, name: str, place: Place, ledger: Ledger) -> None:
    with ledger.injection(14, f"{name} is {kind}"):
        place.reset("cached")
        path = place.cache / name
        size = path.stat().st_size
        if kind == "directory":
            path.unlink()
            path.mkdir()
        else:
            rewrite(path, {"empty": b"", "one byte": b"P", "zeros of equal size": bytes(size)}[kind])
        assert place.fingerprints[place.run("load", mirror="", name="small").done()] == "A"
        outcome = place.run("download", name="small")
        if kind == "directory":  # it is somebody's: it stays, and the user is told
            assert outcome.end == "done" or outcome.error.get("ours"), outcome.told()
            assert path.is_dir()
        else:
            outcome.done()
            Check(place, by_name["download"]).finished()


STRANGERS = [
    "notes.txt", "midas_.pt", "midas_small.onnx", "midas_small.pt.bak", "midas_small.pt~", "small.pt", "midas_small",
    ".hidden", "sub/midas_small.pt", ".partial/mine", ".partial/notes.txt.12-ab", ".damaged/mine", ".locks/mine",
    ".used/notes.txt", "dpt_large_384.pt", "midas_small.pkl.old", "ünicode.pt",
]  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("optimize", {}), ("evict", {"max_bytes": 0}), ("clear", {}), ("delete", {"name": "small"}),
        ("repair", {"name": "small"}), ("download", {"name": "small"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_files_of_others_stay(operation: str, given: dict[str, Any], place: Place, ledger: Ledger) -> None:
    place.reset("damaged h5")
    for name in STRANGERS:
        path = place.cache / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"this is {name}")
        os.utime(path, (0, 0))  # however old
    place.run(operation, **given).done()
    for name in STRANGERS:
        with ledger.injection(14, f"{operation} beside {name}"):
            assert (place.cache / name).read_text() == f"this is {name}"
