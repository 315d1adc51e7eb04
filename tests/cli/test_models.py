"""``depthmap models``: every command does what design and documentation say, with real files."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from cli.conftest import Run
from depthmap.cache import ModelCache
from depthmap.catalog import CATALOG, RECOMMENDED
from support import PHOTO, arrays_of, flip, save_checkpoint, sha256


def cache_dir() -> Path:
    return ModelCache().cache_dir


def test_list_names_the_catalogue_and_what_is_cached(run: Run, mine: str) -> None:
    listed = {row["name"]: row["status"] for row in run("models", "list", "--json").document["models"]}
    assert listed["DPT_Large"] == "available"
    assert listed["Depthmap_Tiny"] == "embedded"
    assert listed["mine"] == "cached"
    only = run("models", "list", "--format", "h5", "--json").document["models"]
    assert [row["name"] for row in only] == ["mine"]
    assert "DPT_Large" in run("models", "list").out


def test_the_list_shows_what_one_has_and_some_of_each_family_and_all_of_them_when_asked(
    run: Run, mine: str
) -> None:
    short, full = run("models", "list"), run("models", "list", "--all")
    shown, everything = ({line.split(" ")[0] for line in done.out.splitlines()} for done in (short, full))
    names = {spec.name for spec in CATALOG.values()}
    assert shown & names == {spec.name for spec in CATALOG.values() if spec.short}
    assert everything >= names
    assert mine in shown & everything
    assert f"{sum(not spec.short for spec in CATALOG.values())} more with --all" in short.err
    for done in (short, full):
        assert max(map(len, done.out.splitlines())) <= 80
        assert next(line for line in done.out.splitlines() if "recommended" in line).startswith(RECOMMENDED)
        assert next(line for line in done.out.splitlines() if line.startswith("mine ")).endswith("cached")


def test_the_list_says_what_a_model_gives_and_which_licence_asks_to_be_accepted(run: Run) -> None:
    shown = run("models", "list", "--all").out.splitlines()
    lines = {line.split(" ")[0]: line for line in shown if ": " not in line}
    assert "metric" in lines["DepthAnythingV2_Metric_Indoor_Small"]
    assert "relative" in lines["DPT_Large"]
    assert "~99 MB" in lines["DepthAnythingV1_Small"]  # nobody has published how large it is
    for spec in CATALOG.values():
        assert spec.licence_name in lines[spec.name]
    assert "CC-BY-NC-4.0" in run("models", "list", "--all").err
    assert "CC-BY-NC-4.0" not in run("models", "list").err


def test_json_lists_all_models_with_or_without_all_and_begins_as_it_always_did(run: Run) -> None:
    short, full = (
        run(*args, "--json").document for args in (["models", "list"], ["models", "list", "--all"])
    )
    assert short == full
    assert [row["name"] for row in full["models"]] == [spec.name for spec in CATALOG.values()]
    assert list(full["models"][0])[:10] == [
        "name", "slug", "status", "formats", "size_mb", "download_mb", "pinned", "parameters", "licence", "about",
    ]  # fmt: skip


def test_a_model_of_ones_own_catalogue_is_in_the_short_list(run: Run, mirror: Path) -> None:
    assert "\nToy " in run("models", "list").out


def test_info_of_a_model_says_what_is_published_of_it(run: Run) -> None:
    about = run("models", "info", "DepthAnythingV2_Metric_Indoor_Base", "--json").document["published"]
    assert (about["kind"], about["terms"]) == ("metric depth", "CC-BY-NC-4.0")
    assert "fine-tuned from weights under CC-BY-NC-4.0" in about["licence"]
    assert about["terms_url"].startswith("https://creativecommons.org/")
    said = run("models", "info", "DPT_Large").out
    assert "δ < 1.25: NYU 91.7 %, KITTI 91.5 %" in said
    assert CATALOG["dpt_large"].url in said


def test_info_has_the_keys_that_users_know(run: Run, mine: str) -> None:
    info = run("models", "info", "--json").document
    assert set(info) == {"cache_dir", "models", "total_size_mb", "total_files", "formats", "stats"}
    assert info["formats"] == {"pt": 1, "h5": 1, "pkl": 1}
    keys = {"formats", "total_size_mb", "last_modified", "source_sha256", "digest"}
    assert set(info["models"]["mine"]) == keys
    detailed = run("models", "info", "--detailed", "--json").document["models"]["mine"]
    assert detailed["network"] == "depthmap_tiny"
    assert detailed["provenance"]["how"] == "imported"
    assert run("models", "info", "nosuch").status == 2


def test_download_gives_both_formats_or_the_one_asked_for(run: Run, mirror: Path) -> None:
    done = run("models", "download", "--model", "toy", "--format", "h5", "--json")
    assert done.status == 0, done.err
    assert sorted(p.name for p in cache_dir().glob("midas_*")) == [
        "midas_toy.engine.onnx",
        "midas_toy.h5",
        "midas_toy.pkl",
    ]
    again = run("models", "download", "Toy")
    assert again.status == 0, again.err
    assert again.out.split() == [str(cache_dir() / "midas_toy.pt"), str(cache_dir() / "midas_toy.h5")]
    assert sha256(cache_dir() / "midas_toy.pt") == sha256(mirror)
    mirror.unlink()
    assert run("models", "download", "Toy").status == 0  # whole: not fetched again


@pytest.mark.usefixtures("no_engines")
def test_of_several_downloads_some_may_fail(run: Run, mirror: Path) -> None:
    done = run("models", "download", "Toy", "DPT_Large", "--json")
    assert done.status == 3
    assert [m["model"] for m in done.document["models"]] == ["Toy"]
    assert done.document["failed"][0]["error"] == "DownloadError"
    assert "DEPTHMAP_MIRRORS" in done.err  # the remedy
    alone = run("models", "download", "DPT_Large", "--json")
    assert alone.status == 1
    assert alone.document["error"] == "DownloadError"


def test_the_embedded_model_needs_no_download(run: Run) -> None:
    done = run("models", "download", "depthmap_tiny")
    assert (done.status, done.out) == (0, "")
    assert "ships with depthmap" in done.err


@pytest.mark.parametrize("format", ["pt", "h5", "safetensors", "pkl"])
def test_an_export_is_a_file_of_its_format(run: Run, mine: str, tmp_path: Path, format: str) -> None:
    target = tmp_path / "exported"
    done = run("models", "export", "--model", "Mine", "--output", target, "--format", format)
    assert (done.status, done.out.strip()) == (0, str(target)), done.err
    count = len(arrays_of(cache_dir() / "midas_mine.pt"))
    if format == "pt":
        assert sha256(target) == sha256(cache_dir() / "midas_mine.pt")
    elif format == "h5":
        with h5py.File(target) as file:
            assert len(file) == count
    elif format == "safetensors":
        assert len(arrays_of(target)) == count
    else:
        assert b"depthmap_tiny" in target.read_bytes()


def test_what_was_exported_can_be_imported_under_another_name(run: Run, mine: str, tmp_path: Path) -> None:
    for format in ("pt", "h5", "safetensors"):
        target = tmp_path / f"out.{format}"
        assert run("models", "export", mine, "-o", target).status == 0
        done = run("models", "import", target, "--name", f"from_{format}", "--json")
        assert done.status == 0, done.err
        assert done.document["network"] == "depthmap_tiny"
        assert sorted(done.document["files"]) == ["h5", "pkl", "pt"]


def test_import_keeps_a_name_that_is_taken_unless_forced(run: Run, mine: str, tiny_checkpoint: Path) -> None:
    again = ["models", "import", "--input", tiny_checkpoint, "--name", mine]
    refused = run(*again)
    assert refused.status == 2
    assert "--force" in refused.err
    assert run(*again, "--force", "--format", "pt").status == 0


def test_import_is_told_of_which_kind_a_file_is_in_one_way(run: Run, tiny_checkpoint: Path) -> None:
    args = ["models", "import", tiny_checkpoint, "--name", "mine"]
    assert run(*args, "--as", "Depthmap_Tiny", "--network", "depthmap_tiny").status == 2
    assert run(*args, "--as", "DPT_Large").status == 2
    assert run(*args, "--as", "depthmap_tiny").status == 0


def test_import_refuses_what_it_cannot_use(run: Run, tmp_path: Path) -> None:
    save_checkpoint({"weight": np.zeros(3)}, tmp_path / "other.pt")
    done = run("models", "import", tmp_path / "other.pt", "--name", "other", "--json")
    assert done.status == 1
    assert done.document["error"] == "UnrecognisedFile"
    assert run("models", "import", tmp_path / "nosuch.pt", "--name", "other").status == 2
    assert run("models", "import", "--name", "other").status == 2
    assert not list(cache_dir().glob("midas_*"))


def test_import_says_which_prefix_it_took_off_and_what_it_left_out(
    run: Run, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    state = arrays_of(tiny_checkpoint)
    whole = {f"model.{name}": tensor for name, tensor in state.items()} | {"loss.weight": np.ones(3)}
    save_checkpoint(whole, tmp_path / "last.ckpt")
    done = run("models", "import", tmp_path / "last.ckpt", "--name", "trained", "--json")
    assert (done.status, done.document["prefix"]) == (0, "model.")
    assert "began with 'model.'" in done.err
    assert "not part of the network: 1 (loss.weight)" in done.err
    assert "model." in run("models", "info", "trained").out


def test_a_picture_and_a_directory_are_no_checkpoints_and_what_to_do_is_said(
    run: Run, tiny_checkpoint: Path
) -> None:
    done = run("models", "import", PHOTO, "--name", "mine")
    assert done.status == 1
    assert "This is a picture" in done.err
    assert f"depthmap predict {PHOTO}" in " ".join(done.err.split())
    done = run("models", "import", tiny_checkpoint.parent, "--name", "mine")
    assert done.status == 2
    assert "tiny.pt" in done.err


def test_verify_finds_a_flipped_byte_and_repair_mends_it(run: Run, mine: str) -> None:
    assert run("models", "verify").status == 0
    flip(cache_dir() / "midas_mine.h5", 1_000_000)
    done = run("models", "verify", mine, "--json")
    assert done.status == 3  # one of three files
    assert [f["format"] for f in done.document["files"] if not f["ok"]] == ["h5"]
    assert "Model file corrupted" in done.err
    repaired = run("models", "repair", "--model", mine, "--json")
    assert repaired.status == 0, repaired.err
    assert {f["format"]: f["action"] for f in repaired.document["files"]} == {"pt": "whole", "h5": "mended"}
    assert run("models", "verify", mine).status == 0


@pytest.mark.usefixtures("no_engines")
def test_repair_fetches_the_damaged_part_of_a_published_file(run: Run, mirror: Path) -> None:
    run("models", "download", "Toy", "--format", "pt")
    flip(cache_dir() / "midas_toy.pt", 1_500_000)
    done = run("models", "repair", "--json").document["files"]
    assert done == [
        {"model": "toy", "format": "pt", "action": "fetched", "leaves": 1, "bytes_fetched": 1 << 20}
    ]
    assert sha256(cache_dir() / "midas_toy.pt") == sha256(mirror)


def test_optimize_mends_damage_or_removes_it_and_nothing_else(run: Run, mine: str) -> None:
    foreign = cache_dir() / "notes.txt"
    foreign.write_text("mine")
    flip(cache_dir() / "midas_mine.pt", 1_000_000)
    rehearsed = run("models", "optimize", "--dry-run", "--json").document
    assert (rehearsed["files_removed"], rehearsed["repaired"]) == (0, [str(cache_dir() / "midas_mine.pt")])
    assert run("models", "verify", mine).status == 3
    done = run("models", "optimize", "--json").document
    assert {"files_checked", "files_removed", "space_freed_mb", "errors"} <= set(done)
    assert run("models", "verify", mine).status == 0
    (cache_dir() / "midas_mine.h5").unlink()
    flip(cache_dir() / "midas_mine.pt", 1_000_000)
    assert run("models", "optimize", "--json").document["files_removed"] == 2  # and what described it
    assert not (cache_dir() / "midas_mine.pt").exists()
    assert foreign.read_text() == "mine"


def test_clear_asks_what_is_meant(run: Run, mine: str) -> None:
    refused = run("models", "clear", "--json")
    assert refused.status == 2
    assert "--confirm" in refused.document["message"]
    assert run("models", "list", "--format", "pt", "--json").document["models"]


def test_clear_removes_one_model_or_all(run: Run, mine: str, tiny_checkpoint: Path) -> None:
    run("models", "import", "-i", tiny_checkpoint, "-n", "second", "--format", "pt")
    assert run("models", "clear", "--model", mine).status == 0
    assert [p.name for p in cache_dir().glob("midas_*.pt")] == ["midas_second.pt"]
    assert run("models", "clear", "--confirm").status == 0
    assert not list(cache_dir().glob("midas_*"))
    assert run("models", "clear", "--model", "nosuch").status == 2


def test_a_model_whose_description_is_lost_can_be_cleared(run: Run, mine: str) -> None:
    (cache_dir() / "midas_mine.pkl").write_bytes(b"junk")
    (cache_dir() / "midas_mine.h5").unlink()
    assert run("models", "clear", "--model", mine).status == 0
    assert not list(cache_dir().glob("midas_*"))


def test_evict_spares_what_is_pinned(run: Run, mine: str, tiny_checkpoint: Path) -> None:
    run("models", "import", "-i", tiny_checkpoint, "-n", "second", "--format", "pt")
    assert run("models", "pin", "--model", mine, "--json").document == {"model": "mine", "pinned": True}
    assert run("models", "evict", "--max-size", "1MB", "--dry-run", "--json").document["evicted"] == [
        "second"
    ]
    done = run("models", "evict", "--max-size", "1MB")
    assert (done.status, done.out) == (0, "second\n")
    assert "pinned" in done.err
    run("models", "unpin", mine)
    assert run("models", "evict", "--max-size", "0").out == "mine\n"
    assert run("models", "evict", "--max-size", "lots").status == 2


def test_adopt_takes_what_torch_hub_has(
    run: Run, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("models", "adopt").status == 0
    hub = tmp_path / "torch" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    shutil.copy(mirror, hub / "toy-hub.pt")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert run("models", "adopt", "--dry-run", "--json").document["adopted"] == {
        "Toy": str(hub / "toy-hub.pt")
    }
    assert run("models", "adopt", "--model", "toy").status == 0
    assert os.stat(cache_dir() / "midas_toy.pt").st_ino == os.stat(hub / "toy-hub.pt").st_ino
    again = run("models", "adopt", "--model", "toy", "--json")
    assert (again.status, again.document["adopted"], again.document["cached"]) == (0, {}, ["Toy"])
    missing = run("models", "adopt", "--model", "DPT_Large", "--json")
    assert (missing.status, missing.document["missing"]) == (1, ["DPT_Large"])


def test_du_adds_up(run: Run, mine: str) -> None:
    usage = run("models", "du", "--json").document
    sizes = [path.stat().st_size for path in cache_dir().glob("midas_mine.*")]
    assert usage["total"] == sum(usage["models"]["mine"].values()) == sum(sizes)
    assert "mine" in run("models", "du").out


def test_cache_dir_goes_before_the_environment(run: Run, mine: str, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "elsewhere")
    for args in (["models", "info", "--cache-dir", elsewhere], ["--cache-dir", elsewhere, "models", "info"]):
        info = run(*args, "--json").document
        assert (info["cache_dir"], info["total_files"]) == (elsewhere, 0)


def test_a_cache_that_cannot_be_written_is_said_to_be_so(
    run: Run, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    args = [
        "models",
        "import",
        tiny_checkpoint,
        "-n",
        "x",
        "--cache-dir",
        tmp_path / "file" / "cache",
        "--json",
    ]
    done = run(*args)
    assert done.status == 1
    assert done.document["message"].startswith("Cache directory not writable")


@pytest.fixture
def closed(mirror: Path, tmp_path: Path) -> str:
    """The name of a model whose licence is to be accepted."""
    path = tmp_path / "catalog.json"
    (toy,) = json.loads(path.read_text())["models"]
    path.write_text(json.dumps({"models": [toy | {"licence": "CC-BY-NC-4.0", "terms": "CC-BY-NC-4.0"}]}))
    return "Toy"


@pytest.mark.usefixtures("no_engines")
@pytest.mark.parametrize(
    "command",
    [
        ["models", "download"],
        ["predict", PHOTO, "-f", "npy", "-o", "out", "-m"],
        ["setup", "--yes", "--models"],
    ],
    ids=lambda command: command[0],
)
def test_a_licence_is_asked_for_once_by_every_command_that_downloads(
    run: Run, closed: str, command: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run(*command, closed, "--json")
    assert refused.status in (1, 3)
    assert "LicenceNotAccepted" in refused.out
    assert "--accept-licence" in refused.err
    assert not ModelCache().is_cached("toy")
    assert "LicenceNotAccepted" not in run(*command, closed, "--accept-licence", "--json").out
    assert ModelCache().is_cached("toy")
    assert "DEPTHMAP_ACCEPT" not in os.environ
    assert "licence accepted" in run("models", "info", closed).out


def test_a_rehearsed_download_says_that_a_licence_is_to_be_accepted(run: Run, closed: str) -> None:
    assert "--accept-licence" in run("models", "download", closed, "--dry-run").err
    assert "--accept-licence" not in run("models", "download", "DPT_Hybrid", "--dry-run").err
