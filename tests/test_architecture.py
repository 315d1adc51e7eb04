"""Imports run downward, and light things stay light."""

from __future__ import annotations

import ast
from pathlib import Path

import depthmap
from support import python

ROOT = Path(depthmap.__file__).parent
# Each layer may import from those before it.
LAYERS = [
    {"errors", "signatures", "families", "containers"},
    {"spec", "extras"},
    {"published", "licences"},
    {"catalog"},
    {"settings", "checkpoints", "areas", "resizing", "input_sizes"},
    {"networks", "formats", "transforms", "pixels", "fetching", "ranges", "camera", "calibration"},
    {"colours", "exif", "store", "engines"},
    {"images", "geometry", "known_points"},
    {"depth", "readings"},
    {"download"},
    {"cache"},
    {"loader"},
    {"plain"},
    {"opener"},
    {"estimator", "outputs"},
    {"batch", "inspection", "video"},
    {"cli", "web", "generative", "utils"},
]
LEVEL = {name: number for number, layer in enumerate(LAYERS) for name in layer}
# `depthmap serve` starts the app; `Depth.save` and its kin are only a short way to write
SIDEWAYS = {("cli", "web"), ("depth", "outputs")}


def imports_of(path: Path) -> set[str]:
    """Return the top-level parts of the package that a module imports, wherever in it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    package = parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                names = (
                    [node.module.split(".")[0]] if node.module and not base else [a.name for a in node.names]
                )
                found |= {base[0]} if base else set(names)
            elif (node.module or "").split(".")[0] == "depthmap":
                inner = (node.module or "").split(".")[1:]
                found |= {inner[0]} if inner else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("depthmap.")}
    return found & set(LEVEL)


def test_every_part_of_the_package_has_its_layer() -> None:
    modules = {path.stem for path in ROOT.glob("*.py")}
    parts = modules | {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert parts - set(LEVEL) <= {"__init__", "__main__", "embedded"}


def test_imports_run_downward_only() -> None:
    wrong = []
    for path in ROOT.rglob("*.py"):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for other in imports_of(path) - {part}:
            if part in LEVEL and LEVEL[other] >= LEVEL[part] and (part, other) not in SIDEWAYS:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert wrong == []


def test_only_old_names_are_built_on_nothing_inside() -> None:
    users = [p for p in ROOT.rglob("*.py") if imports_of(p) & {"generative", "utils"}]
    assert [p for p in users if p.relative_to(ROOT).parts[0] not in ("generative", "utils")] == []


def test_the_store_knows_neither_torch_nor_http() -> None:
    for path in (ROOT / "store").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import torch" not in text
        assert "import httpx" not in text


def test_importing_the_package_imports_neither_torch_nor_numpy() -> None:
    heavy = "{'torch', 'numpy', 'h5py', 'httpx', 'fastapi', 'rich', 'PIL'}"
    code = f"import sys, depthmap, depthmap.cache; depthmap.ModelCache().models(); print({heavy} & set(sys.modules))"
    done = python(code)
    assert done.stdout.strip() == "set()", done.stderr


def test_the_public_names_are_these() -> None:
    assert depthmap.__all__ == [
        "estimate",
        "DepthEstimator",
        "Depth",
        "ModelCache",
        "ModelSpec",
        "CATALOG",
        "load",
        "LoadedModel",
        "DepthmapError",
        "__version__",
    ]
    for name in depthmap.__all__:
        assert getattr(depthmap, name) is not None
        assert name in dir(depthmap)


def test_no_code_resolves_pickles_or_loads_more_than_weights() -> None:
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("pickle.load", "pickle.loads", "eval", "exec", "os.system"), path
                if called == "torch.load":
                    assert "weights_only=True" in ast.unparse(node), path
