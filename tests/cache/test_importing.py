"""Checkpoints as trainings leave them are imported: under prefixes, among other things, in any type of number."""

from __future__ import annotations

import argparse
import ast
import collections
import enum
import functools
import json
import logging
import shutil
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from cache.conftest import small
from depthmap import ModelCache, formats, loader, networks
from depthmap.checkpoints import places
from depthmap.errors import UnrecognisedFile, UnsafeFile, UsageError
from support import python, sha256

State = dict[str, torch.Tensor]
NUMBER = torch.float32
THEIRS = Path(__file__).parents[1] / "data" / "huggingface" / "depth_anything_small.txt"


@pytest.fixture
def cache() -> ModelCache:
    return ModelCache()


@pytest.fixture
def state(tiny_checkpoint: Path) -> State:
    return dict(formats.load(tiny_checkpoint))


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def written(state: Any, path: Path) -> Path:
    """Write a file in the way its suffix says: .old is a .pt of before torch 1.6."""
    if path.suffix in (".h5", ".safetensors"):
        formats.get(path.suffix[1:]).save(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=path.suffix != ".old")
    return path


def require_imported(cache: ModelCache, name: str, state: State) -> None:
    """Check that both formats hold the network's tensors under its own names, and that it loads."""
    for format in ("pt", "h5"):
        loaded = formats.load(cache.shelf.cached(name)[format])
        assert loaded.keys() == state.keys()
        assert all(torch.equal(loaded[key], tensor) for key, tensor in state.items())
    assert loader.load(name, cache).source == "pt"


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "net.", "_orig_mod.", "module._orig_mod.", "student.depth/"]
)
@pytest.mark.parametrize("suffix", [".pt", ".old", ".safetensors", ".h5"])
def test_a_prefix_before_all_names_is_taken_off(
    cache: ModelCache, tmp_path: Path, state: State, prefix: str, suffix: str
) -> None:
    if suffix == ".h5":
        prefix = prefix.replace("/", ".")  # which HDF5 reads as groups
    cache.import_file(written(prefixed(state, prefix), tmp_path / f"x{suffix}"), "mine")
    require_imported(cache, "mine", state)
    assert cache.detail("mine")["provenance"]["prefix"] == prefix


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prefix=st.text(max_size=20))
def test_any_prefix_is_found_and_no_other(prefix: str) -> None:
    shapes = dict(networks.expected_shapes("depthmap_tiny"))
    (place,) = places.find({"loss.weight": (3,)} | {prefix + name: shape for name, shape in shapes.items()})
    assert (place.network, place.prefix, place.left_out) == ("depthmap_tiny", prefix, ("loss.weight",))
    assert place.tensors == {name: prefix + name for name in shapes}


class AttributeDict(dict[str, Any]):
    """As Lightning keeps hyper-parameters: pickled as a class, its items, and its attributes."""


class ModelCheckpoint:
    """Stands for a callback, of which older files have the class as a key."""


class Stage(enum.Enum):
    TRAINING = "train"


@pytest.fixture
def lightning(state: State, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Lightning's `Trainer.save_checkpoint` writes, with objects of modules that are not there to read it."""
    module = ModuleType("lightning_that_is_not_installed")
    for kind in (AttributeDict, ModelCheckpoint, Stage):
        monkeypatch.setattr(kind, "__module__", module.__name__)
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    model = torch.nn.Linear(3, 4)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, 3)).sum().backward()
    optimizer.step()
    hyper = AttributeDict(lr=1e-3, path=Path("data"), shape=(3, 4), kinds={"a"}, more=AttributeDict(depth=2))
    hyper["self"] = hyper
    return {
        "epoch": 3,
        "global_step": np.int64(100),
        "pytorch-lightning_version": "2.4.0",
        "state_dict": collections.OrderedDict(prefixed(state, "model."), **{"loss.weight": torch.ones(3)}),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 4}}}},
        "callbacks": {ModelCheckpoint: {"best_model_score": torch.tensor(0.5), "best": Path("x.ckpt")}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{"milestones": collections.Counter([3, 4]), "fn": functools.partial(max, 1)}],
        "hparams_name": "kwargs",
        "hyper_parameters": hyper,
        "args": argparse.Namespace(seed=1, device=torch.device("cpu"), dtype=NUMBER, stage=Stage.TRAINING),
        "rng": {
            "numpy": np.random.default_rng(0).bit_generator.state,
            "state": np.arange(4),
            None: 1,
            (1,): 2,
        },
        "mean": torch.zeros(3),
    }


@pytest.mark.parametrize("name", ["last.ckpt", "last.old"])
def test_a_checkpoint_of_lightning_is_imported_and_the_user_told_what_was_left_out(
    cache: ModelCache,
    tmp_path: Path,
    state: State,
    lightning: dict[str, Any],
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = written(lightning, tmp_path / name)
    with caplog.at_level(logging.WARNING, "depthmap"):
        assert cache.import_file(path, "mine").network == "depthmap_tiny"
    require_imported(cache, "mine", state)
    assert "loss.weight" in caplog.text
    assert "'numpy.dtype'" in caplog.text
    origin = cache.detail("mine")["provenance"]
    assert (origin["prefix"], origin["left out"]) == ("model.", "1 (loss.weight)")
    assert b"lightning" not in cache.shelf.cached("mine")["pt"].read_bytes()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_file_of_transformers_is_imported_under_the_published_names(
    cache: ModelCache, tmp_path: Path, suffix: str
) -> None:
    lines = (line.split(" ", 1) for line in THEIRS.read_text().splitlines())
    shapes = {name: ast.literal_eval(rest.rsplit(" ", 1)[0]) for name, rest in lines}
    theirs = {name: torch.full(shape, float(n)) for n, (name, shape) in enumerate(shapes.items())}
    spec = cache.import_file(
        written(theirs, tmp_path / f"model{suffix}"), "mine", ("pt",), like="DepthAnythingV1_Small"
    )
    own = formats.load(cache.shelf.cached("mine")["pt"])
    assert spec.network == "depth_anything_v1_small"
    assert own.keys() == networks.expected_shapes(spec.network).keys()
    parts = [
        theirs[f"backbone.encoder.layer.3.attention.attention.{part}.weight"]
        for part in ("query", "key", "value")
    ]
    assert torch.equal(own["pretrained.blocks.3.attn.qkv.weight"], torch.cat(parts))
    assert torch.equal(own["depth_head.scratch.output_conv1.bias"], theirs["head.conv1.bias"])
    assert cache.detail("mine")["provenance"]["names"] == "transformers'"


@pytest.mark.parametrize("key", ["state_dict", "generator", "checkpoint/weights"])
def test_a_state_dict_is_found_under_any_name(
    cache: ModelCache, tmp_path: Path, state: State, key: str
) -> None:
    outer, _, inner = key.partition("/")
    content = {outer: {inner: state} if inner else state, "epoch": 3, "best": torch.tensor(0.5)}
    cache.import_file(written(content, tmp_path / "x.pt"), "mine")
    require_imported(cache, "mine", state)


def test_a_file_whose_pickle_names_a_class_is_never_kept_as_it_is(
    cache: ModelCache, tmp_path: Path, state: State
) -> None:
    flat = collections.OrderedDict(state)
    flat.note = argparse.Namespace(seed=1)  # type: ignore[attr-defined]  # an attribute, not an item
    cache.import_file(written(flat, tmp_path / "x.pt"), "mine")
    require_imported(cache, "mine", state)
    assert b"Namespace" in (tmp_path / "x.pt").read_bytes()
    assert b"Namespace" not in cache.shelf.cached("mine")["pt"].read_bytes()


def test_a_flat_checkpoint_is_still_kept_byte_for_byte(cache: ModelCache, tiny_checkpoint: Path) -> None:
    cache.import_file(tiny_checkpoint, "mine")
    assert sha256(cache.shelf.cached("mine")["pt"]) == sha256(tiny_checkpoint)
    assert not {"prefix", "left out"} & cache.detail("mine")["provenance"].keys()


def test_a_whole_model_in_place_of_its_state_dict_is_refused_with_what_to_do(
    cache: ModelCache, tmp_path: Path
) -> None:
    torch.save(torch.nn.Linear(3, 4), tmp_path / "x.pt")
    with pytest.raises(UnsafeFile, match=r"torch\.nn.*state_dict\(\)"):
        cache.import_file(tmp_path / "x.pt", "mine")


def test_two_networks_in_one_file_are_refused_unless_they_are_equal(
    cache: ModelCache, tmp_path: Path, state: State
) -> None:
    twice = prefixed(state, "model.") | prefixed(state, "ema.")
    cache.import_file(written(twice, tmp_path / "equal.pt"), "mine")
    require_imported(cache, "mine", state)
    twice["ema.scratch.output_conv.4.bias"] = twice["ema.scratch.output_conv.4.bias"] + 1
    with pytest.raises(UnrecognisedFile, match=r"'model\.' and 'ema\.'"):
        cache.import_file(written(twice, tmp_path / "different.pt"), "other")


def test_a_network_with_more_tensors_in_its_parts_is_another_network(
    cache: ModelCache, tmp_path: Path, state: State
) -> None:
    other = prefixed(state, "model.") | {"model.scratch.attention.weight": torch.ones(3)}
    with pytest.raises(UnrecognisedFile, match=r"1 unexpected \(scratch\.attention\.weight\)"):
        cache.import_file(written(other, tmp_path / "x.pt"), "mine")


def test_an_incomplete_network_under_a_prefix_is_refused_with_what_is_missing(
    cache: ModelCache, tmp_path: Path, state: State
) -> None:
    del state["scratch.output_conv.4.bias"]
    with pytest.raises(UnrecognisedFile, match=r"1 missing \(scratch\.output_conv\.4\.bias\)"):
        cache.import_file(written(prefixed(state, "module."), tmp_path / "x.pt"), "mine")


@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype", ["float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"]
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_network_in_any_type_of_floats_is_imported_runs_and_is_exported_bit_for_bit(
    cache: ModelCache, tmp_path: Path, state: State, dtype: str, suffix: str
) -> None:
    kind = getattr(torch, dtype)
    short = {n: t.to(kind) if t.is_floating_point() else t for n, t in state.items()}
    cache.import_file(written(short, tmp_path / f"x{suffix}"), "mine")
    for format in ("pt", "h5"):
        assert formats.scan(cache.shelf.cached("mine")[format]).mapped
    network = loader.load("mine", cache).network
    assert {t.dtype for t in network.state_dict().values()} <= {torch.float32, torch.int64}
    for format in ("pt", "h5", "safetensors"):
        again = formats.load(cache.export("mine", tmp_path / f"out.{format}"))
        assert all(
            again[n].dtype == t.dtype
            and again[n].view(-1).view(torch.uint8).equal(t.view(-1).view(torch.uint8))
            for n, t in short.items()
        )


def test_tensors_that_are_no_plain_numbers_are_told_of_and_the_rest_is_imported(
    cache: ModelCache, tmp_path: Path, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    more = {
        "head.quantised": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "head.channels": torch.quantize_per_channel(
            torch.ones(3, 2), torch.ones(3), torch.zeros(3), 0, torch.quint8
        ),
        "head.sparse": torch.eye(3).to_sparse(),
    }
    for suffix in (".pt", ".old"):
        caplog.clear()
        cache.import_file(written(state | more, tmp_path / f"x{suffix}"), "mine", replace=True)
        require_imported(cache, "mine", state)
        assert "'head.quantised' (quantised)" in caplog.text
        assert "'head.sparse' (sparse)" in caplog.text


def test_numbers_that_a_network_cannot_have_are_refused_at_import_not_at_use(
    cache: ModelCache, tmp_path: Path, state: State
) -> None:
    state["scratch.output_conv.4.bias"] = state["scratch.output_conv.4.bias"].to(torch.complex64)
    with pytest.raises(UnrecognisedFile, match="kind of number"):
        cache.import_file(written(state, tmp_path / "x.pt"), "mine")
    assert cache.info()["models"] == {}


def test_what_is_no_checkpoint_is_told_by_what_it_is(cache: ModelCache, tmp_path: Path) -> None:
    beginnings = {
        "a video": (b"\0\0\0\x20ftypisom\0\0\x02\0", "depthmap predict"),
        "a PDF": (b"%PDF-1.7\n", "depthmap predict"),
        "a web page": (b"<!DOCTYPE html><title>model.pt</title>", "download the file itself"),
        "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        "an archive": (b"\x1f\x8b\x08\0", "Unpack it"),
        "a pickle": (b"\x80\x04}.", "state_dict"),
        "The file is empty": (b"", "Copy it again"),
    }
    for kind, (head, remedy) in beginnings.items():
        (tmp_path / "model.pt").write_bytes(head)
        with pytest.raises(UnrecognisedFile, match=f"{kind}.*{remedy}"):
            cache.import_file(tmp_path / "model.pt", "mine")


def test_an_archive_with_a_checkpoint_in_it_is_told_from_a_checkpoint(
    cache: ModelCache, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tiny_checkpoint, "model.pt")
    with pytest.raises(UnrecognisedFile, match=r"zip file is not .* unpack it"):
        cache.import_file(tmp_path / "x.zip", "mine")


def test_of_a_directory_the_checkpoint_in_it_is_named(
    cache: ModelCache, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    folder = tmp_path / "logs" / "version_0" / "checkpoints"
    folder.mkdir(parents=True)
    with pytest.raises(UsageError, match=r"is a directory .*Name a \.pt"):
        cache.import_file(tmp_path / "logs", "mine")
    shutil.copy(tiny_checkpoint, folder / "last.ckpt")
    (folder / "notes.pt").write_text("no checkpoint")
    with pytest.raises(UsageError, match=r"is a directory .*in it: .*last\.ckpt\.$"):
        cache.import_file(tmp_path / "logs", "mine")


@pytest.mark.parametrize(
    ("place", "tool"),
    [
        ("home/.cache/huggingface/hub", "Hugging Face"),
        ("home/.cache/huggingface/hub/models--Intel--dpt-large/snapshots/0123", "Hugging Face"),
        ("elsewhere/models--Intel--dpt-large", "Hugging Face"),
        ("home/.cache/torch/hub/checkpoints", "torch.hub"),
        ("elsewhere/hub/checkpoints", "torch.hub"),
    ],
)
def test_of_other_tools_directories_adopt_is_named(
    cache: ModelCache, tmp_path: Path, tiny_checkpoint: Path, place: str, tool: str
) -> None:
    (tmp_path / place).mkdir(parents=True)
    shutil.copy(tiny_checkpoint, tmp_path / place / "model.pt")
    with pytest.raises(UsageError, match=f"directory of {tool}.*depthmap models adopt"):
        cache.import_file(tmp_path / place, "mine")


@pytest.mark.parametrize("suffix", [".pt", ".old", ".h5", ".safetensors"])
def test_a_checkpoint_is_imported_without_torch(tmp_path: Path, state: State, suffix: str) -> None:
    source = written(prefixed(state, "module."), tmp_path / f"x{suffix}")
    done = python(f"""
import sys
sys.modules["torch"] = None
from depthmap import ModelCache
ModelCache().import_file({str(source)!r}, "mine")
""")
    assert done.returncode == 0, done.stderr
    require_imported(ModelCache(), "mine", state)


def test_weights_of_a_training_are_not_said_to_be_under_the_licence_of_the_published_ones(
    cache: ModelCache, state: State, tmp_path: Path
) -> None:
    assert cache.spec("Depthmap_Tiny").licence != "unknown"
    assert cache.import_file(written(state, tmp_path / "mine.pt"), "mine").licence == "unknown"


def test_a_published_file_under_another_name_keeps_its_licence(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps({"models": [small(tiny_checkpoint, licence="CC-BY-4.0")]}))
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(catalog))
    assert ModelCache().import_file(tiny_checkpoint, "mine").licence == "CC-BY-4.0"
