"""From averaged weights to all that ships."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from scenes import random_state, scene

from training import __main__ as make
from training import evaluate, export, pictures


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three rendered sources of three pictures, and two photos."""
    for source in evaluate.EXACT:
        for part in ("rgb", "inverse_depth"):
            (tmp_path / "val" / source / part).mkdir(parents=True)
        for i in range(3):
            picture, depth = scene(i)
            Image.fromarray(picture).save(tmp_path / "val" / source / "rgb" / f"{i}.jpg")
            Image.fromarray(depth).save(tmp_path / "val" / source / "inverse_depth" / f"{i}.png")
    (tmp_path / "photos").mkdir()
    for i in range(2):
        Image.fromarray(scene(i)[0]).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path


@pytest.mark.slow
def test_weights_become_file_scores_card_and_pictures(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, out = data / "ema.pt", data / "run" / "export"
    torch.save(random_state(), weights)
    make.deliver(weights, data, out)
    assert {p.name for p in out.iterdir()} == {
        evaluate.SHIPPED.name,
        "scores.json",
        make.CARD.name,
        *pictures.SHEETS,
    }
    assert f"bytes={(out / evaluate.SHIPPED.name).stat().st_size:_}" in capsys.readouterr().out
    assert (out / evaluate.SHIPPED.name).stat().st_size < export.LIMIT
    assert "| outdoor (3) | Depthmap_Tiny |" in (out / make.CARD.name).read_text(encoding="utf-8")
    package = data / "package"
    package.mkdir()
    monkeypatch.setattr(evaluate, "SHIPPED", package / evaluate.SHIPPED.name)
    monkeypatch.setattr(make, "CARD", package / make.CARD.name)
    monkeypatch.setattr(make, "IMAGES", package)
    make.install(out)
    assert {p.name: p.read_bytes() for p in package.iterdir()} == {
        p.name: p.read_bytes() for p in out.iterdir() if p.name != "scores.json"
    }
