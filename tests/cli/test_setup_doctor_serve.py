"""``depthmap setup``, ``doctor`` and ``serve``."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.terminals import on_terminal
from depthmap.cache import ModelCache
from depthmap.web.binding import is_loopback
from support import flip


def test_setup_without_a_network_leaves_a_working_model(run: Run) -> None:
    done = run("setup", "--yes", "--json")
    assert done.status == 0, done.err
    assert [m["model"] for m in done.document["ready"]] == ["Depthmap_Tiny"]
    assert [m["model"] for m in done.document["missing"]] == ["DPT_Large"]
    assert "Not available now: DPT_Large" in done.err


def test_setup_fetches_what_is_named_and_loads_it(run: Run, mirror: Path) -> None:
    done = run("setup", "--models", "toy,depthmap_tiny", "--formats", "h5", "--yes", "--json")
    assert done.status == 0, done.err
    assert {m["model"]: m["source"] for m in done.document["ready"]} == {
        "Toy": "h5",
        "Depthmap_Tiny": "embedded",
    }
    assert sorted(p.suffix for p in ModelCache().cache_dir.glob("midas_toy.*")) == [".h5", ".onnx", ".pkl"]
    assert run("setup", "--models", "none", "--yes").out.split() == ["Depthmap_Tiny"]


@pytest.mark.usefixtures("no_engines")
def test_setup_takes_what_torch_hub_has_and_downloads_nothing(
    run: Run, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = tmp_path / "torch" / "hub" / "checkpoints" / "toy-hub.pt"
    hub.parent.mkdir(parents=True)
    shutil.copy(mirror, hub)
    mirror.unlink()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    done = run("setup", "--models", "toy", "--yes", "--json")
    assert done.status == 0, done.err
    toy = next(model for model in done.document["ready"] if model["model"] == "Toy")
    assert (toy["adopted"], toy["source"], set(toy["files"])) == (str(hub), "pt", {"pt", "h5"})
    assert "linked from" in done.err
    again = run("setup", "--models", "toy", "--yes", "--json").document["ready"][0]
    assert (again["model"], again["adopted"]) == ("Toy", None)


@pytest.mark.usefixtures("no_engines")
def test_setup_downloads_no_pt_beside_an_h5_unless_it_is_named(run: Run, mirror: Path) -> None:
    run("setup", "--models", "toy", "--formats", "h5", "--yes")
    mirror.unlink()
    assert run("setup", "--models", "toy", "--yes", "--json").document["ready"][0]["source"] == "h5"
    named = run("setup", "--models", "toy", "--formats", "pt,h5", "--yes", "--json").document
    assert [model["model"] for model in named["missing"]] == ["Toy"]


def test_setup_means_by_all_the_models_of_midas_and_ones_own(run: Run, mirror: Path) -> None:
    mirror.unlink()
    done = run("setup", "--models", "all", "--yes", "--json").document
    asked = [model["model"] for model in done["missing"]]
    assert asked == ["DPT_Large", "DPT_Hybrid", "MiDaS", "MiDaS_small", "Toy"]


def test_setup_refuses_names_that_there_are_not(run: Run) -> None:
    assert run("setup", "--models", "nosuch", "--yes").status == 2
    assert run("setup", "--formats", "zip", "--yes").status == 2


def test_setup_fails_when_the_bytes_are_wrong(run: Run, mirror: Path) -> None:
    size = mirror.stat().st_size
    mirror.unlink()
    mirror.write_bytes(bytes(size))
    done = run("setup", "--models", "Toy", "--yes", "--json")
    assert done.status == 3  # the embedded model is ready
    assert done.document["failed"][0]["error"] == "DigestMismatch"


def test_setup_asks_on_a_terminal(mirror: Path) -> None:
    import pty

    leader, follower = pty.openpty()
    args = [sys.executable, "-m", "depthmap", "setup"]
    process = subprocess.Popen(
        args, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    os.close(follower)
    os.write(leader, b"toy\npt\n")
    out, err = process.communicate(timeout=120)
    os.close(leader)
    assert process.returncode == 0, err
    assert out.split() == ["Toy", "Depthmap_Tiny"]
    assert "DPT_Hybrid" in err  # the choice
    assert ModelCache().is_cached("toy", "pt")
    assert not ModelCache().is_cached("toy", "h5")


@pytest.mark.parametrize(("answer", "cached"), [(b"y", True), (b"n", False)])
def test_setup_asks_on_a_terminal_before_it_accepts_a_licence(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, cached: bool
) -> None:
    catalog = tmp_path / "closed.json"
    (toy,) = json.loads(Path(os.environ["DEPTHMAP_CATALOG"]).read_text())["models"]
    catalog.write_text(json.dumps({"models": [toy | {"licence": "CC-BY-NC-4.0", "terms": "CC-BY-NC-4.0"}]}))
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(catalog))
    status, shown = on_terminal(["setup", "--models", "toy", "--formats", "pt"], typed=answer + b"\n")
    assert "not for commercial use" in shown
    assert "creativecommons.org" in shown
    assert ModelCache().is_cached("toy") == cached
    assert (status == 0) == cached


def test_doctor_loads_and_predicts_with_every_model_and_format(run: Run, mine: str) -> None:
    done = run("doctor", "--json")
    assert done.status == 0, done.err
    said = {check["check"]: check["said"] for check in done.document["checks"]}
    assert {"versions", "cache", "disk", "engines", "Depthmap_Tiny", "mine"} <= set(said)
    assert re.search(r"onnxruntime \(error \de-0[4-9]\)", said["engines"])
    assert re.match(r"pt in .* s, h5 in .* s, predicts in .* s by (torch|onnxruntime) on cpu", said["mine"])
    assert said["Depthmap_Tiny"].startswith("embedded in ")
    assert all(len(line) <= 80 for line in run("doctor", "--no-predict").out.splitlines())


def test_doctor_finds_what_is_broken(run: Run, mine: str, tmp_path: Path) -> None:
    for format in ("pt", "h5"):
        flip(ModelCache().cache_dir / f"midas_mine.{format}", 1_000_000)
    done = run("doctor", "--no-predict")
    assert done.status == 1
    assert re.search(r"^broken  mine: ", done.out, re.MULTILINE)
    assert re.search(r"^ok      Depthmap_Tiny: ", done.out, re.MULTILINE)
    (tmp_path / "file").write_text("")
    unwritable = run("doctor", "--no-predict", "--cache-dir", tmp_path / "file", "--json").document
    assert next(c["said"] for c in unwritable["checks"] if c["status"] == "broken").startswith(
        "Cache directory not writable"
    )


def test_serve_answers_at_loopback_until_it_is_interrupted() -> None:
    args = [sys.executable, "-m", "depthmap", "serve", "--port", "0"]
    process = subprocess.Popen(args, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    seen = ""
    while not (match := re.search(r"http://127\.0\.0\.1:(\d+)", seen)):
        line = process.stderr.readline()
        assert line, seen
        seen += line
    with urllib.request.urlopen(f"{match[0]}/api/models/status", timeout=30) as reply:
        assert json.load(reply)["success"] is True
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode in (0, 130)
    assert "Traceback" not in rest
    assert "warning" not in seen


def test_serve_says_what_it_means_to_ask_others_for_no_token(run: Run) -> None:
    done = run(
        "serve", "--host", "192.0.2.1", "--no-token"
    )  # an address that no machine has: it ends at once
    assert done.status != 0
    assert done.err.startswith("warning: Other machines can reach 192.0.2.1. Without a token")
    assert "warning" not in run("serve", "--host", "192.0.2.1").err


@pytest.mark.parametrize(
    ("host", "stays"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org")),
    ],
)
def test_loopback_is_what_stays_on_this_machine(host: str, stays: bool) -> None:
    assert is_loopback(host) is stays
