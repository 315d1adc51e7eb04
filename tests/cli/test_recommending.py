"""``depthmap models recommend``: what is here is measured, the rest is an estimate and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Run
from depthmap.catalog import CATALOG, EMBEDDED, by_accuracy
from depthmap.cli.machine import Machine
from depthmap.cli.recommending import Row, chosen, rows_of
from depthmap.engines.memory import memory

MACHINE = Machine(4, 16 * 10**9, "")


def rows(machine: Machine = MACHINE, **measured: float) -> list[Row]:
    """Return the rows of the whole catalogue, of which some models were measured."""
    return rows_of(machine, list(CATALOG.values()), {slug: slug in measured for slug in CATALOG}, measured)


def test_what_is_here_is_measured_and_the_rest_is_marked_as_estimated(run: Run, mine: str) -> None:
    done = run("models", "recommend", "--json")
    assert done.status == 0, done.err
    found = {row["name"]: row for row in done.document["models"]}
    assert {name for name, row in found.items() if row["measured"]} == {EMBEDDED.name}
    assert found["DPT_Large"]["seconds"] > found["MiDaS_small"]["seconds"] > 0
    assert done.document["picture"] == [640, 480]
    assert done.document["machine"]["cores"] >= 1
    assert done.document["recommended"] in found
    shown = run("models", "recommend")
    lines = {line.split(" ")[0]: line for line in shown.out.splitlines()}
    assert max(map(len, shown.out.splitlines())) <= 80
    assert lines["DPT_Large"].endswith("estimate")
    assert "~" in lines["DPT_Large"].split("GB")[0]
    assert lines[EMBEDDED.name].endswith("measured")
    assert shown.out.count("(best here)") == 1
    assert "Recommended: " in shown.err


def test_a_cached_model_is_measured_too(run: Run, mirror: Path) -> None:
    assert run("models", "download", "Toy", "--format", "pt").status == 0
    found = {row["name"]: row for row in run("models", "recommend", "--json").document["models"]}
    assert found["Toy"]["measured"]
    assert found["Toy"]["cached"]


def test_the_most_accurate_that_is_quick_enough_is_chosen() -> None:
    there = rows(depthmap_tiny=EMBEDDED.work)  # so DPT_Large takes a second
    assert chosen(there, 10.0).spec.name == "DepthAnythingV1_Large"
    for within in (2.0, 1.0, 0.4, 0.03):
        best, order = chosen(there, within), [spec.name for spec in by_accuracy(CATALOG)]
        assert best.seconds <= within
        better = {
            row.spec.name: row for row in there if row.spec.name in order[: order.index(best.spec.name)]
        }
        assert all(row.seconds > within or not row.seconds for row in better.values())
    assert chosen(there, 2.0).spec.name == "DepthAnythingV1_Base"
    assert chosen(there, 0.0001).spec.name == "MiDaS_small"  # none is: the quickest


def test_no_model_of_metres_or_with_a_licence_to_accept_is_chosen_however_quick() -> None:
    quick = rows(**dict.fromkeys(CATALOG, 0.001))
    assert chosen(quick, 1.0).spec.name == "DepthAnythingV1_Large"
    closed = [row for row in quick if row.spec.terms or row.spec.kind == "metric depth" or row.spec.embedded]
    assert chosen(closed, 1.0).spec == EMBEDDED


def test_what_does_not_fit_into_memory_is_not_chosen() -> None:
    there = rows(Machine(4, 10**9, ""), depthmap_tiny=EMBEDDED.work)
    assert "too large" in {row.note for row in there if row.spec.name == "DPT_Large"}
    assert chosen(there, 10.0).spec.name not in ("DepthAnythingV1_Large", "DPT_Large")
    assert all(row.fits for row in rows(Machine(4, 0, "")))  # a system that does not tell


def test_a_network_that_sees_many_pixels_needs_memory_for_them() -> None:
    machine = Machine(4, 6 * 10**9, "")
    fits = {row.spec.name: row.fits for row in rows(machine)}
    assert fits["MoGe2_Large"]
    assert CATALOG["depthpro"].parameters * 4 < machine.memory
    assert not fits["DepthPro"]


def test_estimates_go_by_the_largest_model_that_was_measured() -> None:
    found = {row.spec.name: row for row in rows(depthmap_tiny=1.0, dpt_large=10.0)}
    assert found["DPT_Large"].seconds == 10.0
    assert found["DepthAnythingV2_Large"].seconds == pytest.approx(10 * CATALOG["depthanythingv2_large"].work)


def test_a_container_s_limit_counts_as_memory(tmp_path: Path) -> None:
    (tmp_path / "max").write_text("123456\n")
    (tmp_path / "none").write_text("max\n")
    assert memory((str(tmp_path / "max"),)) == 123456
    assert memory((str(tmp_path / "none"), str(tmp_path / "nowhere"))) > 10**8
