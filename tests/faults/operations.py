"""What the children of the fork server do: each operation on the cache of the environment, by name."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import filelock  # noqa: F401  # imported here, once, and not by every child
import h5py  # noqa: F401  # as above
import httpx  # noqa: F401  # as above
import torch

from depthmap import formats, loader, networks
from depthmap.cache import ModelCache
from depthmap.engines.artefact import properties_of, weights_id
from depthmap.errors import DepthmapError
from depthmap.store import names
from depthmap.store.names import ARTEFACT, TENSOR_FORMATS

for _part in ("store", "cache", "formats", "networks", "download", "engines"):
    for _module in pkgutil.walk_packages(
        getattr(importlib.import_module(f"depthmap.{_part}"), "__path__", [])
    ):
        importlib.import_module(f"depthmap.{_part}.{_module.name}")


def fingerprint(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return a digest of tensors by name: the same for the same numbers, whatever the file's format."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        check = zlib.crc32(
            tensor.view(-1).numpy()
        )  # the files' bytes are hashed elsewhere; this must be quick
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} {check}\n".encode())
    return digest.hexdigest()[:16]


def download(name: str, formats: list[str] | None = None) -> list[str]:
    return sorted(ModelCache().download(name, formats or TENSOR_FORMATS))


def import_file(source: str, name: str, replace: bool = False) -> str:
    return ModelCache().import_file(source, name, replace=replace).name


def export(name: str, target: str, format: str) -> str:
    return str(ModelCache().export(name, target, format))


def repair(name: str) -> list[dict[str, Any]]:
    return ModelCache().repair(name)


def optimize() -> dict[str, Any]:
    return ModelCache().optimize()


def evict(max_bytes: int) -> list[str]:
    return ModelCache().evict(max_bytes)


def delete(name: str) -> list[str]:
    return [str(path) for path in ModelCache().delete(name)]


def compile(name: str) -> str:
    return str(ModelCache().compile(name)["path"])


def pin(name: str) -> None:
    ModelCache().pin(name)


def clear() -> int:
    return len(ModelCache().clear())


def adopt(name: str) -> str:
    return str(ModelCache().adopt(name) or "")


def unlink(path: str) -> None:
    Path(path).unlink()


def load(name: str) -> str:
    """Load a network as a user does; return the fingerprint of its numbers."""
    return fingerprint(loader.load(name, ModelCache()).network.state_dict())


def reference(path: str) -> dict[str, str]:
    """Return the fingerprints that a checkpoint has as tensors and as a loaded network."""
    tensors = formats.load(Path(path))
    network = networks.build("depthmap_tiny")
    networks.fill(network, tensors)
    return {"tensors": fingerprint(tensors), "network": fingerprint(network.state_dict())}


def tensors_of(path: str) -> str:
    return fingerprint(formats.load(Path(path)))


def contents() -> dict[str, dict[str, str]]:
    """Return {model: {format: fingerprint, or what is wrong}} of the published files; changes nothing."""
    store = ModelCache().shelf.store
    return {
        slug: {format: _content(path) for format, path in paths.items()}
        for slug, paths in store.files().items()
    }


def _content(path: Path) -> str:
    try:
        if path.suffix == ".pkl":
            from depthmap.store import Manifest

            return Manifest.load(path).spec.name
        if path.name.endswith(f".{ARTEFACT}"):
            return _artefact(path)
        return fingerprint(formats.load(path))
    except DepthmapError as error:
        return f"damaged: {error}"


def _artefact(path: Path) -> str:
    """Return "bound", if an artefact names the weights that are recorded beside it."""
    store = ModelCache().shelf.store
    slug, _ = names.parse(path.name) or ("", "")
    record = store.record(slug, "pt")
    named = properties_of(path).get("weights")
    return "bound" if record and named == weights_id("pt", record.digest.sha256) else f"damaged: {named}"


def examine() -> dict[str, Any]:
    """Return the contents, what `verify` finds wrong, and which models have partial files."""
    cache = ModelCache()
    return {
        "contents": contents(),
        "wrong": [f"{entry['path']}: {entry['error']}" for entry in cache.verify() if not entry["ok"]],
        "partial": sorted({slug for slug, _ in cache.shelf.store.partial()}),
    }


OPERATIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        download, import_file, export, repair, optimize, evict, delete, compile, pin, clear, adopt,
        unlink, load, reference, tensors_of, contents, examine,
    )
}  # fmt: skip
