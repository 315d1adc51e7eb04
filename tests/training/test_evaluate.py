"""How maps are scored, and what is said of it."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training.metrics import Errors

from training import evaluate, metrics

RNG = np.random.default_rng(5)
REFERENCE = np.linspace(0.1, 1, 48 * 64, dtype=np.float32).reshape(48, 64)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (40.0, -3.0), (1e-3, 8.0)])
def test_a_map_is_scored_up_to_scale_and_shift(scale: float, shift: float) -> None:
    errors = metrics.aligned_errors(scale * REFERENCE.astype(np.float64) + shift, REFERENCE)
    assert errors.d125 == 0
    assert errors.absrel < 1e-4
    assert errors.rmse < 1e-4


def test_an_upside_down_map_scores_as_a_constant_one() -> None:
    constant = metrics.aligned_errors(np.ones_like(REFERENCE), REFERENCE)
    assert metrics.aligned_errors(-REFERENCE, REFERENCE) == constant
    assert constant.d125 > 30


def test_errors_agree_with_least_squares_done_by_numpy() -> None:
    prediction = REFERENCE + RNG.normal(0, 0.1, REFERENCE.shape)
    design = np.stack([prediction.ravel(), np.ones(prediction.size)], 1)
    (scale, shift), *_ = np.linalg.lstsq(design, REFERENCE.ravel().astype(np.float64), rcond=None)
    aligned = np.maximum(scale * prediction + shift, REFERENCE.min())
    ratio = np.maximum(aligned / REFERENCE, REFERENCE / aligned)
    errors = metrics.aligned_errors(prediction, REFERENCE)
    assert errors.d125 == pytest.approx(100 * (ratio > 1.25).mean(), abs=0.05)
    assert errors.rmse == pytest.approx(
        np.sqrt(((aligned - REFERENCE) ** 2).mean()) / REFERENCE.max(), rel=1e-4
    )


def test_invalid_and_far_pixels_are_not_scored() -> None:
    reference = REFERENCE.copy()
    reference[:10] = 0
    reference[10:20] = 1 / 65535
    prediction = reference.copy()
    prediction[:20] = RNG.uniform(0, 5, (20, 64))
    assert metrics.aligned_errors(prediction, reference).d125 == 0


@pytest.fixture
def val(tmp_path: Path) -> Path:
    """A source whose depth recedes upwards and one whose depth lies in the picture's brightness."""
    lower = np.repeat(np.linspace(500, 65535, 32)[:, None], 48, 1)
    bright = RNG.uniform(2000, 65535, (4, 6)).repeat(8, 0).repeat(8, 1)
    for (name, depth), i in itertools.product({"bright": bright, "lower": lower}.items(), range(12)):
        for part in ("rgb", "inverse_depth"):
            (tmp_path / name / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(depth.astype(np.uint16)).save(tmp_path / name / "inverse_depth" / f"{i:05}.png")
        Image.fromarray((depth / 257).astype(np.uint8)).save(
            tmp_path / name / "rgb" / f"{i:05}.jpg", quality=95
        )
    return tmp_path


def brightness(path: Path, shape: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L").resize(shape[::-1])).astype(np.float32)


def test_each_method_meets_the_source_that_suits_it(val: Path) -> None:
    scores = evaluate.score(val, {"brightness": brightness, **evaluate.BASELINES})
    assert scores["lower"]["lower is nearer"].d125 < 1 < scores["bright"]["lower is nearer"].d125
    assert scores["bright"]["brightness"].d125 < scores["bright"]["constant"].d125
    numbers = evaluate.counts(val)
    assert numbers == {"bright": 12, "lower": 12}
    assert evaluate.lost_to_baseline(scores, numbers, "brightness") == ["lower"]
    assert "| lower (12) | brightness |" in evaluate.table(scores, numbers)


def test_a_tie_with_a_baseline_is_lost_unless_the_source_is_tiny() -> None:
    even = {"room": {"model": Errors(0.2, 30.0, 0.1), "constant": Errors(0.3, 30.0, 0.2)}}
    assert evaluate.lost_to_baseline(even, {"room": 50}, "model") == ["room"]
    assert evaluate.lost_to_baseline(even, {"room": 2}, "model") == []


def test_means_and_the_first_version_stand_beside_the_model(tmp_path: Path) -> None:
    now = {
        name: {evaluate.MODEL: Errors(0.1, share, 0.1)}
        for name, share in (("a", 10.0), ("b", 20.0), ("c", 90.0))
    }
    path = tmp_path / "first.json"
    path.write_text(json.dumps({"a": asdict(Errors(0.2, 30.0, 0.1)), "b": asdict(Errors(0.2, 40.0, 0.1))}))
    both = evaluate.beside({name: now[name] for name in "ab"}, path)
    assert [e.d125 for e in both["a"].values()] == [10.0, 30.0]
    means, numbers = evaluate.with_means(both, {"a": 50, "b": 60})
    assert [e.d125 for e in means["mean of sources"].values()] == [15.0, 35.0]
    assert numbers["mean of sources"] == 110
    few, _ = evaluate.with_means(now, {"a": 50, "b": 60, "c": 2})
    assert few["mean of sources"][evaluate.MODEL].d125 == 15.0
    assert "| mean of sources (110) | Depthmap_Tiny | **15.0** |" in evaluate.table(means, numbers)


def test_published_figures_stand_beside_the_model_which_has_seen_the_set() -> None:
    found = {evaluate.MODEL: Errors(0.1, 20.0, 0.1), "constant": Errors(0.3, 50.0, 0.2)}
    rows = evaluate.table({"nyu": found, "stk": found}, {"nyu": 60, "stk": 70}).splitlines()[2:]
    assert [row.split("|")[2:4] for row in rows] == [
        [" Depthmap_Tiny\\* ", " **20.0** "],
        [" constant ", " 50.0 "],
        [" MiDaS_small, as published ", " 13.4 "],
        [" Depthmap_Tiny ", " **20.0** "],
        [" constant ", " 50.0 "],
    ]


def test_the_first_version_does_not_stand_beside_itself(tmp_path: Path) -> None:
    scores = {"a": {evaluate.MODEL: Errors(0.2, 30.0, 0.1)}}
    (tmp_path / "first.json").write_text(json.dumps(evaluate.as_json(scores)))
    assert evaluate.beside(scores, tmp_path / "first.json") == scores


def test_contours_are_scored_where_depth_is_exact(val: Path) -> None:
    (val / "bright").rename(val / "indoor")
    scores = evaluate.score(val, {"brightness": brightness})
    assert scores["indoor"]["brightness"].edge_completeness < 2
    assert math.isnan(scores["lower"]["brightness"].edge_completeness)


def test_the_table_replaces_what_stands_between_the_markers() -> None:
    card = f"before\n{evaluate.BEGIN}\nold\n{evaluate.END}\nafter"
    once = evaluate.between_markers(card, "new")
    assert once == f"before\n{evaluate.BEGIN}\nnew\n{evaluate.END}\nafter"
    assert evaluate.between_markers(once, "new") == once
