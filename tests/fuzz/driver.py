"""``python -m fuzz.driver TARGET [libFuzzer's options]``: one target, fuzzed in this process."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["depthmap"]):
    from .targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target.takes)
    atheris.Fuzz()
