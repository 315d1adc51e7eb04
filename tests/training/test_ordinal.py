"""What the test of the near and the far holds, and how it is counted."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training.ordinal import marks, score
from training.ordinal.marks import CLASSES, PICTURES, Pair

from training import evaluate

PAIRS = marks.pairs()
ORIGINS = marks.origins()
BORDER = 8
"""Pixels between a point and the edge of its picture."""


def pair(nearer: marks.Point, farther: marks.Point, kind: str = "food") -> Pair:
    return Pair("food-coffee.jpg", kind, nearer, farther)


def test_there_are_at_least_60_pictures_and_4_pairs_in_each() -> None:
    pairs = Counter(pair.picture for pair in PAIRS)
    assert len(pairs) >= 60
    assert min(pairs.values()) >= 4


def test_every_class_has_at_least_7_pictures_and_there_is_no_other() -> None:
    pictures = Counter(kind for _, kind in {(pair.picture, pair.kind) for pair in PAIRS})
    assert set(pictures) == set(CLASSES)
    assert min(pictures.values()) >= 7
    assert pictures.total() == len({pair.picture for pair in PAIRS})  # each picture is of one class


def test_no_pair_is_there_twice() -> None:
    assert len(set(PAIRS)) == len(PAIRS)


def test_every_picture_is_the_one_whose_origin_is_told_and_small() -> None:
    assert {path.name for path in PICTURES.iterdir()} == ORIGINS.keys() == {pair.picture for pair in PAIRS}
    for name, origin in ORIGINS.items():
        assert hashlib.sha256((PICTURES / name).read_bytes()).hexdigest() == origin.sha256, name
        assert all((origin.package, origin.path, origin.author, origin.licence)), name
        with Image.open(PICTURES / name) as picture:
            assert max(picture.size) <= 512, name
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 5e6


def test_every_point_is_inside_its_picture_and_not_at_its_border() -> None:
    for marked in PAIRS:
        with Image.open(marked.path) as picture:
            size = picture.size
        for point in (marked.nearer, marked.farther):
            for part, length in zip(point, size, strict=True):
                assert BORDER <= part * length <= length - BORDER, marked


def test_the_points_of_a_pair_are_apart() -> None:
    assert all(math.dist(pair.nearer, pair.farther) > 0.05 for pair in PAIRS)


def test_lower_in_the_picture_alone_does_not_decide() -> None:
    shares = score.shares(score.lower_is_nearer(PAIRS))
    assert shares["mean of classes"] < 60
    assert max(shares.values()) < 80


def test_a_pair_is_right_if_the_nearer_point_has_the_larger_value() -> None:
    ramp = np.tile(np.linspace(0, 1, 512, dtype=np.float32), (341, 1))
    right, wrong = pair((0.9, 0.5), (0.1, 0.5)), pair((0.1, 0.5), (0.9, 0.5))
    assert score.answers([right, wrong], lambda _, shape: ramp) == {right: True, wrong: False}


def test_equal_and_unknown_values_are_wrong() -> None:
    marked = pair((0.9, 0.5), (0.1, 0.5))
    for value in (1.0, math.nan):
        flat = np.full((341, 512), value, np.float32)
        assert score.answers([marked], lambda _, shape, flat=flat: flat) == {marked: False}


def test_a_map_is_asked_for_in_the_size_of_its_picture_and_once_for_all_pairs_of_it() -> None:
    asked = []

    def method(path: Path, shape: tuple[int, int]) -> np.ndarray:
        asked.append((path.name, shape))
        return np.zeros(shape, np.float32)

    score.answers(PAIRS, method)
    assert len(asked) == len(ORIGINS)
    assert ("food-coffee.jpg", (341, 512)) in asked


def test_the_table_has_a_row_for_each_class_and_the_mean_of_the_classes() -> None:
    answers = {pair: pair.kind != "face" for pair in PAIRS}
    face, *others, mean = score.table({"mine": answers, "other": answers}).splitlines()[2:]
    counted = [pair for pair in PAIRS if pair.kind == "face"]
    assert face == f"| face | {len({p.picture for p in counted})} | {len(counted)} | 0 % | 0 % |"
    assert len(others) == len(CLASSES) - 1
    assert all(row.endswith("| 100 % | 100 % |") for row in others)
    assert mean == f"| mean of classes | {len(ORIGINS)} | {len(PAIRS)} | 90 % | 90 % |"


def test_a_class_weighs_the_same_however_many_pairs_it_has() -> None:
    answers = {pair: pair.kind == "animal" for pair in PAIRS}
    assert score.shares(answers)["mean of classes"] == pytest.approx(100 / len(CLASSES))


def test_the_table_goes_between_its_own_markers() -> None:
    card = f"a\n{evaluate.BEGIN}\nerrors\n{evaluate.END}\nb\n{score.BEGIN}\nold\n{score.END}\nc"
    written = evaluate.between_markers(card, "new", score.BEGIN, score.END)
    assert written == card.replace("old", "new")
