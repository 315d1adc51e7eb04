"""``python -m fuzz.run [TARGET ...] --seconds N --folder build/fuzz``: fuzz the targets, one after the other.

The inputs that reached new code are kept in ``FOLDER/TARGET``, from which the next run goes on. An input that leads to
an undocumented error, a hang or a gigabyte of memory is left in ``FOLDER/found``, and makes the run end with 1.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from .targets import TARGETS

HANG = 10
"""Seconds that one input may take."""
MEMORY = 2048
"""MiB that the process may grow to: torch alone takes 300."""
LARGEST = 1 << 16
TESTS = Path(__file__).parents[1]


def main() -> int:
    """Fuzz the targets that are named, or all, and return the status to exit with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    options = parser.parse_args()
    if unknown := set(options.targets) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    bad = [name for name in options.targets or TARGETS if not fuzz(name, options.seconds, options.folder)]
    return 1 if bad else 0


def fuzz(name: str, seconds: int, folder: Path) -> bool:
    """Fuzz one target and say how it went; tell whether nothing was found."""
    corpus, found = folder / name, folder / "found"
    found.mkdir(parents=True, exist_ok=True)
    sow(name, corpus)
    limits = {
        "max_total_time": seconds, "timeout": HANG, "rss_limit_mb": MEMORY, "max_len": LARGEST,
        "artifact_prefix": f"{found}/{name}-", "print_final_stats": 1,
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "fuzz.driver",
        name,
        *(f"-{k}={v}" for k, v in limits.items()),
        str(corpus),
    ]
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", "TMPDIR": scratch}
        done = _run(command, environment, seconds + 60)
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stdout)
    print(f"{name:14}{executions[1] if executions else '?':>10} executions", flush=True)
    if done.returncode:
        print(
            done.stdout[-4000:], f"ended with {done.returncode}; the input is in {found}/{name}-*", sep="\n"
        )
    return not done.returncode and bool(executions)


def _run(command: list[str], environment: dict[str, str], seconds: int) -> subprocess.CompletedProcess[str]:
    """Run a command whose output is kept, and which is ended where it does not end itself."""
    try:
        return subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode(errors="replace") if isinstance(error.stdout, bytes) else ""
        return subprocess.CompletedProcess(command, 70, said)


def sow(name: str, corpus: Path) -> None:
    """Put the target's seeds into its corpus."""
    corpus.mkdir(parents=True, exist_ok=True)
    for raw in TARGETS[name].seeds():
        (corpus / hashlib.sha1(raw).hexdigest()).write_bytes(raw)


if __name__ == "__main__":
    sys.exit(main())
