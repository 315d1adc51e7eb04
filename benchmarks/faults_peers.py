"""What torch.hub, huggingface_hub, pooch and depthmap make of the same faults, measured side by side.

    python benchmarks/faults_peers.py [--environment DIR] [--only WORD] [--tool NAME] [--page docs/reliability.md]

Each tool fetches a stand-in of MiDaS_small (86 MB, the published size and layout) from a server on loopback (the one
of ``tests/faults``) that misbehaves, in processes of its own, with its defaults, in the way its documentation shows
(see ``peers.py``). What the tool gives is compared with the published tensors; what it fetched is counted by the
server. Every cell of the table is made from such a run.

huggingface_hub and pooch are installed from PyPI, pinned, into a virtual environment (by default in the system's
temporary folder) that also sees this interpreter's packages; nothing else needs the network.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common import arguments, need_room, sha256, show_in, stand_in, table, write_catalog
from faults.servers import (
    Fault,
    HostileServer,
    answers,
    claims_length,
    page,
    slow,
    stalled,
    truncated,
)
from faults.servers import flipped as flipped_body
from peers import MODEL, REPOSITORY, TOOLS, UNREAD, Order, Result, digest_of
from support import flip, rot

PEERS = {"huggingface_hub": "2.4.0", "pooch": "1.9.0"}
LIMIT = 60
"""Seconds after which a tool counts as hanging: twice the longest of their default time-outs."""
COMMIT = "0" * 40
AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
"""How root starts a process that heeds the permissions of files, as those of other users do."""
LARGE = 1_000_000
"""Bytes; what is smaller in a cache is not the model, nor a part of it that matters."""


# -- running a tool -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """The checkpoint, another one of the same size, and one whose pickle makes a file; and what reads them."""

    python: Path
    folder: Path
    path: Path
    other: Path
    evil: Path
    state: str
    spots: tuple[int, ...]
    """Positions in the checkpoint, each inside a tensor that the network reads."""

    def spot(self, share: float) -> int:
        """Return such a position at about that share of the file."""
        return min(self.spots, key=lambda spot: abs(spot - share * self.path.stat().st_size))


@dataclass
class Run(Result):
    """A result, and the bytes of the file that the server sent."""

    sent: int = 0


@dataclass
class Trial:
    """One tool with an empty cache and a server of its own."""

    published: Published
    tool: str
    path: Path
    """The file that is served."""
    cache: Path = field(init=False)
    server: HostileServer = field(init=False)
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.size, self.sha256 = self.path.stat().st_size, sha256(self.path)
        place = Path(tempfile.mkdtemp(dir=self.published.folder))
        self.root, self.cache = place / "server", place / "cache"
        place.chmod(0o755)
        self.cache.mkdir()
        self.url_path = f"v2_1/{self.path.name}"
        self.basis: tuple[Fault, ...] = ()
        if self.tool == "huggingface_hub":
            self._be_a_hub()
        self.root.joinpath(self.url_path).parent.mkdir(parents=True)
        os.link(self.path, self.root / self.url_path)
        self.server = HostileServer(self.root, *self.basis)
        write_catalog(place / "catalog.json", MODEL, self.path, base=self.server.url, path=self.url_path)

    def _be_a_hub(self) -> None:
        """Let the server say what huggingface.co says of a file in LFS."""
        self.url_path = f"{REPOSITORY}/resolve/main/{self.path.name}"
        tag = f'"{self.sha256}"'
        headers = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(self.size), "X-Linked-ETag": tag}
        self.basis = (Fault(etag=tag, headers=headers),)
        listing = self.root / f"api/models/{REPOSITORY}/tree/{COMMIT}"
        listing.parent.mkdir(parents=True)
        lfs = {"oid": self.sha256, "size": self.size, "pointerSize": 134}
        entry = {"type": "file", "path": self.path.name, "size": self.size, "oid": COMMIT, "lfs": lfs}
        listing.write_text(json.dumps([entry]))

    def misbehave(self, *faults: Fault) -> None:
        """Let the server misbehave from now on; none: behave. What was fetched before is forgotten."""
        self.server.heal(*self.basis, *faults)

    def start(
        self, environment: dict[str, str] | None = None, prefix: Sequence[str] = (), **options: Any
    ) -> subprocess.Popen[str]:
        """Start a process that has all it needs and waits to be told to begin; see `Order` for the options."""
        worker = subprocess.Popen(
            [*prefix, self.published.python, Path(__file__).with_name("peers.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            cwd=self.cache.parent, env=os.environ | self._environment() | (environment or {}),
        )  # fmt: skip
        url = self.server.url + self.url_path
        order = Order(self.tool, url, str(self.cache), self.sha256, self.published.state, **options)
        tell(worker, json.dumps(asdict(order)))
        assert worker.stdout
        while (line := worker.stdout.readline()) != "ready\n":
            if not line:
                raise RuntimeError(f"{self.tool} does not start in {self.published.python}")
        self.workers.append(worker)
        return worker

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.cache.parent),
            "HF_ENDPOINT": self.server.url.rstrip("/"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "DEPTHMAP_CATALOG": str(self.cache.with_name("catalog.json")),
            "DEPTHMAP_CACHE_DIR": str(self.cache),
            "OMP_NUM_THREADS": "1",
            "no_proxy": "*",
        }

    def run(self, **options: Any) -> Run:
        """Use the tool once."""
        return self.run_at_once(1, **options)[0]

    def run_at_once(self, count: int, **options: Any) -> list[Run]:
        """Use the tool in so many processes, which begin together."""
        before = self.server.sent
        workers = [self.start(**options) for _ in range(count)]
        for worker in workers:
            tell(worker, "go")
        end = time.monotonic() + LIMIT
        results = [self.end(worker, end) for worker in workers]
        return [Run(**asdict(result), sent=self.server.sent - before) for result in results]

    def end(self, worker: subprocess.Popen[str], end: float) -> Result:
        """Wait for a process; one that is not done in time hangs."""
        try:
            out, _ = worker.communicate(timeout=max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.communicate()
            return Result("hang")
        result = Result(**json.loads(out.splitlines()[-1]))
        if result.words:
            print(f"    {result.words}", file=sys.stderr)
        return result

    def start_and_reach(self, sent: int) -> subprocess.Popen[str]:
        """Start using the tool, and return when so many bytes have gone out."""
        worker = self.start()
        tell(worker, "go")
        end = time.monotonic() + LIMIT
        while self.server.sent < sent and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.5)  # what is on the way arrives
        return worker

    def kill_half_way(self) -> set[Path]:
        """Use the tool, and kill it (SIGKILL) when half of the file is there; return the partial files."""
        self.misbehave(stalled(self.size // 2))
        kill(self.start_and_reach(self.size // 2))
        self.misbehave()
        return self.parts()

    def files(self) -> list[Path]:
        """Return the large files of the cache."""
        files = (path for path in sorted(self.cache.rglob("*")) if path.is_file() and not path.is_symlink())
        return [path for path in files if path.stat().st_size > LARGE]

    def parts(self) -> set[Path]:
        """Return the large files of the cache that are not the published one."""
        return {path for path in self.files() if sha256(path) != self.sha256}

    def fill(self) -> Path:
        """Use the tool once with a server that behaves; return the published file in its cache."""
        self.run()
        self.misbehave()
        return next(path for path in self.files() if sha256(path) == self.sha256)

    def stop(self) -> None:
        """End the server and what was left running; remove the cache."""
        self.server.stop()
        for worker in self.workers:
            kill(worker)
        shutil.rmtree(self.cache.parent)


def tell(worker: subprocess.Popen[str], line: str) -> None:
    """Write a line to a process."""
    assert worker.stdin
    worker.stdin.write(line + "\n")
    worker.stdin.flush()


def kill(worker: subprocess.Popen[str]) -> None:
    """End a process (SIGKILL); one that has ended does not mind."""
    worker.send_signal(signal.SIGKILL)
    worker.communicate()


# -- words --------------------------------------------------------------------------------------------------------


OUTCOMES = {
    "right": "right",
    "wrong": "**wrong weights**",
    "error": "error",
    "found": "found",
    "nothing": "**finds nothing**",
    "hang": f"**hangs** (> {LIMIT} s)",
}


def megabytes(count: int) -> str:
    """Return a count of bytes as the table has it."""
    return f"{count / 1e6:.0f} MB"


def told(run: Run) -> str:
    """Return in words what came of a use."""
    fetched = f", {megabytes(run.sent)}" if run.outcome == "right" and run.sent else ""
    return OUTCOMES[run.outcome] + fetched


def until_right(trial: Trial, **options: Any) -> str:
    """Use the tool with the server as it is, and, where that is not right, again with one that behaves."""
    first = trial.run(**options)
    if first.outcome == "right":
        return told(first)
    trial.misbehave()
    second = trial.run()
    again = f"**{told(second)} again**" if second.outcome == "error" else told(second)
    return f"{told(first)}; then {again}"


def litter(before: set[Path], trial: Trial) -> str:
    """Return in words what of some files is still there, of no use to anybody."""
    left = sum(path.stat().st_size for path in before & trial.parts())
    return f"; leaves {megabytes(left)}" if left else ""


# -- the faults ---------------------------------------------------------------------------------------------------


class Once:
    """As a fault's ``on``: the first request, be it a HEAD or a GET, and no other, not even the same again."""

    def __init__(self) -> None:
        self.over = False

    def __contains__(self, number: object) -> bool:
        over, self.over = self.over, True
        return not over


def refused(status: int, retry_after: str | None, trial: Trial) -> str:
    """Answer the first request with a status."""
    trial.misbehave(replace(answers(status, retry_after), on=Once()))
    return until_right(trial)


def served(fault: Callable[[Trial], Fault], trial: Trial) -> str:
    """Let the server misbehave."""
    trial.misbehave(fault(trial))
    return until_right(trial)


def killed(trial: Trial) -> str:
    """Kill the tool half-way."""
    before = trial.kill_half_way()
    return told(trial.run()) + litter(before, trial)


def killed_and_damaged(trial: Trial) -> str:
    """Kill the tool half-way, and flip a bit of what it has so far."""
    for path in trial.kill_half_way():
        flip(path, trial.published.spot(1 / 4))
    return told(trial.run())


def portal(trial: Trial) -> str:
    """Answer everything with a web page."""
    trial.server.heal(page())
    return until_right(trial)


def other_part(trial: Trial) -> str:
    """Break off the first answer, and give the second from another file of the same size."""
    other = trial.published.other.read_bytes()
    trial.misbehave(truncated(trial.size // 2).only(1), Fault(edit=lambda _: other, etag='"other"').only(2))
    return until_right(trial)


def stall(trial: Trial) -> str:
    """Let the first answer stall half-way."""
    trial.misbehave(stalled(trial.size // 2).only(1))
    run = trial.run()
    return told(run) + (f", {run.seconds:.0f} s" if run.outcome != "hang" else "")


def full_disk(trial: Trial) -> str:
    """Let no file grow beyond half of the checkpoint; then any."""
    first = trial.run(room=trial.size // 2)
    before = trial.parts()
    trial.misbehave()
    return f"{told(first)}; then {told(trial.run())}{litter(before, trial)}"


def crowd(trial: Trial) -> str:
    """Use the tool in eight processes at once."""
    trial.misbehave(slow(30_000_000))
    runs = trial.run_at_once(8)
    right = sum(run.outcome == "right" for run in runs)
    return f"{right} right, {trial.server.sent / trial.size:.0f} × fetched"


def holder_killed(trial: Trial) -> str:
    """Kill a process that downloads while a second one wants the same file."""
    trial.misbehave(stalled(trial.size // 2).only(1))
    first, second = trial.start_and_reach(trial.size // 2), trial.start()
    before = trial.server.sent
    tell(second, "go")
    time.sleep(1)
    kill(first)
    result = trial.end(second, time.monotonic() + LIMIT)
    return told(Run(**asdict(result), sent=trial.server.sent - before))


def damaged(damage: Callable[[Path], None], trial: Trial) -> str:
    """Damage the cached file; what a later load makes of it."""
    damage(trial.fill())
    return until_right(trial)


def flipped(trial: Trial) -> str:
    """Flip a bit of the cached file."""
    return damaged(lambda path: flip(path, trial.published.spot(1 / 2)), trial)


def zeroed(path: Path) -> None:
    """Overwrite all of it with zeros."""
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))


def halved(path: Path) -> None:
    """Cut it to half."""
    os.truncate(path, path.stat().st_size // 2)


def rotten(trial: Trial) -> Path:
    """Flip a bit of the cached file as a disk does it: no time of the file changes."""
    path, spot = trial.fill(), trial.published.spot(1 / 2)
    status = path.stat()
    if trial.tool == "depthmap":  # the only one that looks at times, also at one that nobody can set
        with rot(path):
            flip(path, spot)
    else:
        flip(path, spot)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return path


def rotten_loaded(trial: Trial) -> str:
    """Load the file that has rotted."""
    rotten(trial)
    words = told(trial.run())
    if trial.tool == "depthmap":
        words += (
            f" ({told(trial.run(environment={'DEPTHMAP_VERIFY': 'always'}))} with `DEPTHMAP_VERIFY=always`)"
        )
    return words


def rotten_checked(trial: Trial) -> str:
    """Ask the tool whether its files are whole, when one has rotted."""
    ways = {"huggingface_hub": "`hf cache verify`", "depthmap": "`models verify`"}
    if trial.tool not in ways:
        return {"torch.hub": "has no check", "pooch": "at each load"}[trial.tool]
    rotten(trial)
    run = trial.run(check=True)
    return f"{told(run)}, {'online' if run.sockets else 'offline'}: {ways[trial.tool]}"


def mended(trial: Trial) -> str:
    """Mend the file by the tool's own means; for depthmap, without the .h5 from which it takes all it needs."""
    path = trial.fill()
    if trial.tool == "depthmap":
        path.with_suffix(".h5").unlink()
    flip(path, trial.published.spot(1 / 2))
    means = {
        "torch.hub": "delete it by hand",
        "huggingface_hub": "`force_download`",
        "pooch": "next load",
        "depthmap": "`models repair`",
    }
    return f"{told(trial.run(repair=True))}: {means[trial.tool]}"


def offline(trial: Trial) -> str:
    """Load the cached model when the server is gone; attempts to reach it are audited."""
    trial.fill()
    trial.server.stop()
    run = trial.run()
    words = f"{told(run)}, {run.sockets} sockets"
    if trial.tool == "huggingface_hub":
        words += f" ({trial.run(environment={'HF_HUB_OFFLINE': '1'}).sockets} with `HF_HUB_OFFLINE`)"
    return words


def read_only(trial: Trial) -> str:
    """Load the cached model where nothing of the cache may be written."""
    trial.fill()
    places = [path for path in (trial.cache, *trial.cache.rglob("*")) if not path.is_symlink()]
    for path in places:
        path.chmod(path.stat().st_mode & ~0o222)
    run = trial.run(prefix=() if os.geteuid() else AS_ANYBODY)
    for path in places:
        path.chmod(path.stat().st_mode | 0o200)
    return told(run)


def code(trial: Trial) -> str:
    """Publish, under its right digest, a checkpoint whose pickle makes a file."""
    marker = trial.cache.with_name(MakesAFile.NAME)
    words = []
    for weights_only in (False, True) if trial.tool == "torch.hub" else (False,):
        marker.unlink(missing_ok=True)
        run = trial.run(weights_only=weights_only)
        words.append("**its code runs**" if marker.exists() else told(run))
    return words[0] + "".join(f" ({word} with `weights_only=True`)" for word in words[1:])


FAULTS: dict[str, Callable[[Trial], str]] = {
    "killed half-way; run again": killed,
    "the same, and a bit of the partial file flips": killed_and_damaged,
    "the connection ends half-way, once": partial(served, lambda trial: truncated(trial.size // 2).only(1)),
    "Content-Length says half, once": partial(served, lambda trial: claims_length(trial.size // 2).only(1)),
    "a web page with status 200": portal,
    "wrong bytes of the right length": partial(
        served, lambda trial: flipped_body(trial.published.spot(1 / 2))
    ),
    "ends half-way, goes on with another file (ETag changed)": other_part,
    "429 with Retry-After, once": partial(refused, 429, "2"),
    "503, once": partial(refused, 503, None),
    "the connection stalls half-way, once": stall,
    "disk full half-way; then there is room": full_disk,
    "8 processes at once, nothing cached": crowd,
    "the process that downloads is killed, another waits": holder_killed,
    "a bit of the cached file flips; loaded": flipped,
    "it is overwritten with zeros; loaded": partial(damaged, zeroed),
    "it is cut to half; loaded": partial(damaged, halved),
    "a bit flips on the disk, no time changes; loaded": rotten_loaded,
    "the same; the tool's own check": rotten_checked,
    "the same; the tool's own repair": mended,
    "cached, no network": offline,
    "cached, the cache is read-only": read_only,
    "a checkpoint that runs code": code,
}


# -- around it ----------------------------------------------------------------------------------------------------


def environment(folder: Path) -> Path:
    """Return the interpreter of an environment that has the peers and sees this one's packages; make it if need be."""
    python = folder.absolute() / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pins = [f"{name}=={number}" for name, number in PEERS.items()]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *pins], check=True)
    packages = next((folder / "lib").glob("python*/site-packages"))
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return python


class MakesAFile:
    """What unpickles as an empty file in the working directory."""

    NAME = "its-code-ran"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (self.NAME, "w")


def publish(python: Path, folder: Path) -> Published:
    """Make the files that are served."""
    import torch

    from depthmap import formats

    path, evil = stand_in(folder, MODEL), folder / "evil.pt"
    other = folder / "other" / path.name  # of one size with it: the name is in the file
    other.parent.mkdir()
    state = torch.load(path)
    torch.save({name: tensor + 1 for name, tensor in state.items()}, other)
    torch.save({**state, "more": MakesAFile()}, evil)
    tensors = formats.scan(path).tensors.items()
    spots = tuple(t.offset + t.nbytes // 2 for name, t in tensors if not name.startswith(UNREAD))
    return Published(python, folder, path, other, evil, digest_of(state), spots)


def rows(published: Published, faults: Sequence[str], tools: Sequence[str]) -> list[tuple[str, ...]]:
    """Run everything; return the table's rows, its head first."""
    versions = {"torch.hub": version("torch").split("+")[0], "depthmap": version("depthmap"), **PEERS}
    head = ("fault", *(f"{tool} {versions[tool]}" for tool in tools))
    with ThreadPoolExecutor(2) as pool:  # most of the time they wait
        cells = {(f, tool): pool.submit(cell, published, tool, f) for f in faults for tool in tools}
        return [head, *((f, *(cells[f, tool].result() for tool in tools)) for f in faults)]


def cell(published: Published, tool: str, fault: str) -> str:
    """Run one fault with one tool."""
    trial = Trial(published, tool, published.evil if FAULTS[fault] is code else published.path)
    try:
        words = FAULTS[fault](trial)
    finally:
        trial.stop()
    print(f"{fault} | {tool} | {words}", file=sys.stderr, flush=True)
    return words


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    default = Path(tempfile.gettempdir()) / "depthmap-peers"
    parser.add_argument("--environment", type=Path, default=default, metavar="DIR")
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose description has this word")
    parser.add_argument("--tool", choices=TOOLS, help="this tool alone")
    parser.add_argument("--page", type=Path, help="put the table between the markers of this page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        folder.chmod(0o755)
        need_room(folder, MODEL, 20)
        published = publish(environment(options.environment), folder)
        faults = [fault for fault in FAULTS if options.only in fault]
        text = table(*rows(published, faults, [options.tool] if options.tool else list(TOOLS)))
    print(text)
    if options.page:
        show_in(options.page, "peers", text)


if __name__ == "__main__":
    main()
