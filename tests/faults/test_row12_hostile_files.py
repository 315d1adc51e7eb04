"""Row 12: pickles that run code, archives and HDF5 files that lie or unpack without end, through every door."""

from __future__ import annotations

from pathlib import Path

import pytest

from attacks import run_all, run_controls

from .ledger import Ledger

pytestmark = pytest.mark.timeout(1800)
SAMPLE = 60


def test_a_hostile_file_does_no_harm_through_any_door(ledger: Ledger, full: bool, ground: Path) -> None:
    tried = 0
    for attack, lost in run_all(ground / "attacks", sample=None if full else SAMPLE):
        with ledger.injection(12, attack):
            assert lost is None, lost
        tried += 1
    assert tried >= SAMPLE


SEEN = {
    "runs code": "code was run", "takes memory": "MemoryError", "takes memory by a memo": "MemoryError",
    "never ends": "did not end", "waits for a FIFO": "did not end", "dies": "the process died",
    "fills the disk": "File too large", "raises what is not ours": "ValueError",
}  # fmt: skip
"""What is to be said of each control, so that it is not lost by chance."""


@pytest.mark.slow
def test_harm_is_seen_as_what_it_is(ground: Path) -> None:
    outcomes = dict(run_controls(ground / "controls"))
    assert outcomes.keys() == SEEN.keys()
    assert {name: lost for name, lost in outcomes.items() if SEEN[name] not in (lost or "")} == {}
