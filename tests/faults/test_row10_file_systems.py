"""File systems that cannot do everything: no links, other devices, long paths, names that differ by case."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .ledger import Ledger
from .places import Place
from .scenarios import SCENARIOS, SMALL, Check, Scenario
from .test_row09_permissions import clear_or_done

FORMATS = ("pt", "h5", "safetensors")
by_name = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_without_links_and_shared_extents(scenario: Scenario, place: Place, ledger: Ledger) -> None:
    with ledger.injection(10, f"{scenario.name} without links"):
        place.reset(scenario.state)
        scenario.run(place, orders=place.orders("count", links=False)).done()
        check = Check(place, scenario)
        check.sound()
        assert check.contents() == scenario.after


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_adoption_from_torch_hub(links: bool, place: Place, ledger: Ledger) -> None:
    with ledger.injection(10, f"adoption, {links=}"):
        place.reset()
        hub = place.hub / "hub" / "checkpoints"
        hub.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place.a, hub / "small-0.pt")
        try:
            assert place.run("adopt", name="small", orders=place.orders("count", links=links)).done()
        finally:
            shutil.rmtree(place.hub)
        adopted = Scenario("adopt", "empty", "adopt", {"name": "small"}, {}, {"small": {"pt": "A"}})
        Check(place, adopted).finished()


@pytest.fixture
def elsewhere(place: Place, tmp_path: Path) -> Path:
    """A directory of another device than ``run``."""
    place.reset("cached")
    if os.stat(tmp_path).st_dev == os.stat(place.run_root).st_dev:
        pytest.skip("there is one file system only")
    return tmp_path


@pytest.mark.sampled(1)
@pytest.mark.parametrize("format", FORMATS)
def test_to_and_from_another_device(format: str, elsewhere: Path, place: Place, ledger: Ledger) -> None:
    target = elsewhere / f"x.{format}"
    with ledger.injection(10, f"export of {format} to another device"):
        place.run("export", name="small", target=str(target), format=format).done()
        assert [path.name for path in elsewhere.iterdir()] == [target.name]
        assert place.fingerprints[place.run("tensors_of", path=str(target)).done()] == "A"
    with ledger.injection(10, f"import of {format} from another device"):
        place.run("import_file", source=str(target), name="mine").done()
        expected = Scenario("import", "cached", "import_file", {}, SMALL, {**SMALL, "mine": SMALL["small"]})
        Check(place, expected).finished()


def test_a_cache_that_lies_behind_a_link_on_another_device(
    elsewhere: Path, place: Place, ledger: Ledger
) -> None:
    with ledger.injection(10, "download into a cache behind a link"):
        place.reset()
        place.cache.symlink_to(elsewhere, target_is_directory=True)
        place.run("download", name="small").done()
        Check(place, by_name["download"]).finished()


@pytest.mark.parametrize("name", ["midas_small.pt", "midas_small.h5"])
def test_a_model_file_that_is_a_link_to_another_device(
    name: str, elsewhere: Path, place: Place, ledger: Ledger
) -> None:
    with ledger.injection(10, f"{name} is a link to another device"):
        path = place.cache / name
        shutil.copyfile(path, elsewhere / name)
        path.unlink()
        path.symlink_to(elsewhere / name)
        assert place.fingerprints[place.run("load", mirror="", name="small").done()] == "A"
        place.run("download", name="small").done()
        Check(place, by_name["download"]).finished()
        place.run("delete", name="small").done()
        assert (elsewhere / name).exists(), "what a link leads to is not ours"


@pytest.mark.sampled(4)
@pytest.mark.parametrize("length", [100, 200, 240, 250, 255, 256, 300])
@pytest.mark.parametrize("format", FORMATS)
def test_an_export_to_a_long_name(length: int, format: str, place: Place, ledger: Ledger) -> None:
    place.reset("cached")
    name = f"{'x' * (length - len(format) - 1)}.{format}"
    with ledger.injection(10, f"export to a name of {length} bytes"):
        outcome = place.run("export", name="small", target=str(place.out / name), format=format)
        clear_or_done(outcome, "ExportError")
        assert (outcome.end == "done") == (length <= 255), outcome.told()
        assert [path.name for path in place.out.iterdir()] == ([name] if length <= 255 else [])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("room", [400, 200, 100, 60, 30, 10, 1, -10, -2000])
def test_a_cache_at_the_end_of_a_long_path(room: int, place: Place, ledger: Ledger) -> None:
    place.reset()
    deep = place.run_root
    length = 4095 - room
    while len(str(deep)) < length - 201:
        deep = deep / ("d" * 199)
    deep = deep / ("e" * max(1, length - len(str(deep)) - 1))
    with ledger.injection(10, f"a cache directory of {len(str(deep))} bytes"):
        outcome = place.run("download", name="small", cache=deep)
        clear_or_done(outcome)
        assert outcome.end == "done" or room < 100, outcome.told()
        loaded = place.run("load", name="small", mirror="", cache=deep)
        clear_or_done(loaded)
        assert loaded.end == "done" or outcome.end == "failed", loaded.told()


def test_a_file_name_too_long_for_a_directory(place: Place, ledger: Ledger) -> None:
    place.reset()
    with ledger.injection(10, "a cache directory of 300 letters"):
        outcome = place.run("download", name="small", cache=place.run_root / ("c" * 300))
        assert outcome.end == "failed", outcome.told()
        clear_or_done(outcome)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["MINE", "Mine", "mInE"])
def test_names_that_differ_by_case_are_one_name(name: str, place: Place, ledger: Ledger) -> None:
    place.reset("imported")
    with ledger.injection(10, f"import of {name} beside mine"):
        outcome = place.run("import_file", source=str(place.b), name=name)
        assert outcome.error["class"] == "UsageError", outcome.told()
        assert place.fingerprints[place.run("load", mirror="", name=name).done()] == "A"
    with ledger.injection(10, f"removal of {name}"):
        place.run("delete", name=name).done()
        assert not [path for path in place.cache.iterdir() if path.name.startswith("midas")]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["MIDAS_SMALL.PT", "Midas_small.pt", "midas_small.PT", "midas_SMALL.h5"])
def test_files_whose_names_differ_by_case_are_not_taken_for_ours(
    name: str, place: Place, ledger: Ledger
) -> None:
    place.reset("cached")
    with ledger.injection(10, f"{name} of somebody in the cache"):
        (place.cache / name).write_bytes(b"mine")
        assert place.fingerprints[place.run("load", mirror="", name="small").done()] == "A"
        place.run("optimize").done()
        place.run("evict", max_bytes=0).done()
        assert (place.cache / name).read_bytes() == b"mine"
