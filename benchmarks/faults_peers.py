"""What torch.hub, huggingface_hub, pooch and depthmap make of the same faults, measured side by side.

    python benchmarks/faults_peers.py [--environment DIR] [--only WORD] [--page docs/reliability.md]

Each tool fetches one checkpoint of 17 MB from a server on loopback (the one of ``tests/faults``) that misbehaves, in
processes of its own, with its defaults, in the way its documentation shows. What the tool gives is compared with the
published tensors; what it fetched is counted by the server. Every cell of the table is made from such a run.

huggingface_hub and pooch are installed from PyPI, pinned, into a virtual environment (by default in the system's
temporary folder) that also sees this interpreter's packages; nothing else needs the network.

Ways of use: ``torch.hub.load_state_dict_from_url(url, check_hash=True, weights_only=True)``, as MiDaS's hubconf calls
it (the file's name holds no digest, as MiDaS's do not, so nothing is compared); ``hf_hub_download`` and ``torch.load``;
``pooch.retrieve(known_hash="sha256:...")`` and ``torch.load``; ``depthmap.load(name, ModelCache())``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"
PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- peers:begin -->", "<!-- peers:end -->"
PEERS = {"huggingface_hub": "2.4.0", "pooch": "1.9.0"}
TOOLS = ("torch.hub", "huggingface_hub", "pooch", "depthmap")
LIMIT = 60
"""Seconds after which a tool counts as hanging: twice the longest of their default time-outs."""
COMMIT = "0" * 40


# -- one use of one tool, in a process of its own ---------------------------------------------------------------


def use_torch_hub(order: dict[str, Any]) -> Any:
    import torch

    return torch.hub.load_state_dict_from_url(
        order["url"], model_dir=order["cache"], progress=False, check_hash=True, weights_only=True
    )


def use_huggingface_hub(order: dict[str, Any]) -> Any:
    import torch
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(
        "owner/small", "small.pt", cache_dir=order["cache"], force_download=order["repair"]
    )
    return torch.load(path, weights_only=True)


def use_pooch(order: dict[str, Any]) -> Any:
    import pooch
    import torch

    path = pooch.retrieve(
        order["url"], known_hash=f"sha256:{order['sha256']}", fname="small.pt", path=order["cache"]
    )
    return torch.load(path, weights_only=True)


def use_depthmap(order: dict[str, Any]) -> Any:
    import depthmap

    if order["repair"]:
        depthmap.ModelCache().repair("Small")
    if order["verify"]:
        bad = [entry for entry in depthmap.ModelCache().verify("Small") if not entry["ok"]]
        if bad:
            raise RuntimeError(f"verify finds {len(bad)} damaged file")
    return depthmap.load("Small", depthmap.ModelCache()).network.state_dict()


USES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "torch.hub": use_torch_hub,
    "huggingface_hub": use_huggingface_hub,
    "pooch": use_pooch,
    "depthmap": use_depthmap,
}


def digest_of(state: Any) -> str:
    """Return a digest of the names and values of a state dict."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def work() -> None:
    """Use a tool once, as standard input says, and print what came of it."""
    order = json.loads(sys.stdin.readline())
    import torch

    torch.set_num_threads(1)
    __import__({"torch.hub": "torch.hub", "depthmap": "depthmap.loader"}.get(order["tool"], order["tool"]))
    print("ready", flush=True)
    sys.stdin.readline()
    sockets = 0

    def count(event: str, _: object) -> None:
        nonlocal sockets
        sockets += event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")

    sys.addaudithook(count)
    if order["room"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["room"], order["room"]))
    start = time.monotonic()
    result = {"outcome": "right", "error": "", "words": ""}
    try:
        got = digest_of(USES[order["tool"]](order))
        result["outcome"] = "right" if got == order["state"] else "wrong"
    except Exception as error:
        result |= {"outcome": "error", "error": type(error).__name__, "words": str(error)[:300]}
    print(json.dumps({**result, "sockets": sockets, "seconds": time.monotonic() - start}), flush=True)


# -- the table ----------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """What came of one use: ``outcome`` is right, wrong, error or hang; bytes and requests are the server's count."""

    outcome: str
    error: str = ""
    words: str = ""
    seconds: float = 0.0
    sockets: int = 0
    sent: int = 0
    gets: int = 0


@dataclass
class Bench:
    """The checkpoint, the interpreter that has all tools, and a folder."""

    python: Path
    folder: Path
    published: Path
    state: str
    sha256: str = ""
    size: int = 0

    def __post_init__(self) -> None:
        self.sha256 = hashlib.sha256(self.published.read_bytes()).hexdigest()
        self.size = self.published.stat().st_size


@dataclass
class Trial:
    """One tool with an empty cache and a server of its own."""

    bench: Bench
    tool: str
    server: Any
    cache: Path
    basis: tuple[Any, ...] = ()
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    @classmethod
    def begin(cls, bench: Bench, tool: str) -> Trial:
        """Start a server that behaves."""
        from faults.servers import Fault, HostileServer

        name = "owner/small/resolve/main/small.pt" if tool == "huggingface_hub" else "v1/small.pt"
        basis: tuple[Fault, ...] = ()
        if tool == "huggingface_hub":  # what the hub says of a file in LFS
            tag = f'"{bench.sha256}"'
            headers = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(bench.size), "X-Linked-ETag": tag}
            basis = (Fault(etag=tag, headers=headers),)
        cache = Path(tempfile.mkdtemp(dir=bench.folder))
        return cls(bench, tool, HostileServer(bench.published, *basis, name=name), cache, basis)

    def misbehave(self, *faults: Any) -> None:
        """Let the server misbehave from now on; none: behave. What was fetched before is forgotten."""
        self.server.heal(*self.basis, *faults)

    def start(self, repair: bool = False, verify: bool = False, room: int = 0) -> subprocess.Popen[str]:
        """Start a process that has all it needs and waits to be told to begin."""
        base = self.server.url
        worker = subprocess.Popen(
            [self.bench.python, __file__, "--work"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, **self._environment(base)},
        )  # fmt: skip
        order = {
            "tool": self.tool, "url": f"{base}v1/small.pt", "cache": str(self.cache), "sha256": self.bench.sha256,
            "state": self.bench.state, "repair": repair, "verify": verify, "room": room,
        }  # fmt: skip
        self._say(worker, json.dumps(order))
        while (line := worker.stdout.readline()) != "ready\n":
            if not line:
                raise RuntimeError(f"{self.tool} does not start in {self.bench.python}")
        self.workers.append(worker)
        return worker

    def _environment(self, base: str) -> dict[str, str]:
        entry = {
            "name": "Small", "network": "depthmap_tiny", "input_size": 256, "resize": "upper_bound",
            "mean": [0.5] * 3, "std": [0.5] * 3, "path": "v1/small.pt", "base": base,
            "bytes": self.bench.size, "sha256": self.bench.sha256,
        }  # fmt: skip
        catalog = self.cache.with_suffix(".json")
        catalog.write_text(json.dumps({"models": [entry]}))
        return {
            "HF_ENDPOINT": base.rstrip("/"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HOME": str(self.cache),
            "DEPTHMAP_CATALOG": str(catalog),
            "DEPTHMAP_CACHE_DIR": str(self.cache),
            "no_proxy": "*",
        }

    @staticmethod
    def _say(worker: subprocess.Popen[str], line: str) -> None:
        worker.stdin.write(line + "\n")
        worker.stdin.flush()

    def run(self, **options: Any) -> Run:
        """Use the tool once."""
        return self.run_at_once(1, **options)[0]

    def run_at_once(self, count: int, **options: Any) -> list[Run]:
        """Use the tool in so many processes, which begin together."""
        self.server.requests.clear()
        workers = [self.start(**options) for _ in range(count)]
        for worker in workers:
            self._say(worker, "go")
        end = time.monotonic() + LIMIT
        return [self._end(worker, end) for worker in workers]

    def _end(self, worker: subprocess.Popen[str], end: float) -> Run:
        try:
            out, _ = worker.communicate(timeout=max(0.1, end - time.monotonic()))
            run = Run(**json.loads(out.splitlines()[-1]))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.communicate()
            run = Run("hang")
        if run.error:
            print(f"    {run.error}: {run.words}", file=sys.stderr)
        run.sent, run.gets = self.server.sent, len(self.server.gets())
        return run

    def run_and_kill(self, after: int) -> None:
        """Use the tool, and kill it (SIGKILL) when so many bytes have gone out."""
        worker = self.start()
        self._say(worker, "go")
        end = time.monotonic() + LIMIT
        while self.server.sent < after and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.5)  # what is on the way arrives
        worker.send_signal(signal.SIGKILL)
        worker.communicate()

    def cached(self) -> Path:
        """Return the file in the cache that is the published one."""
        for path in sorted(p for p in self.cache.rglob("*") if p.is_file() and not p.is_symlink()):
            if path.stat().st_size == self.bench.size and self._is_published(path):
                return path
        raise RuntimeError(f"{self.tool} has not cached the file")

    def _is_published(self, path: Path) -> bool:
        return hashlib.sha256(path.read_bytes()).hexdigest() == self.bench.sha256

    def large(self) -> set[Path]:
        """Return the files in the cache of more than 1 MB that are not the published one."""
        files = (p for p in self.cache.rglob("*") if p.is_file() and not p.is_symlink())
        return {p for p in files if p.stat().st_size > 1e6 and not self._is_published(p)}

    def stop(self) -> None:
        """End the server and what was left running; remove the cache."""
        self.server.stop()
        for worker in self.workers:
            worker.kill()
            worker.communicate()
        shutil.rmtree(self.cache)


def megabytes(count: int) -> str:
    """Return a count of bytes as the table has it."""
    return f"{count / 1e6:.1f} MB"


def fetched(run: Run, size: int) -> str:
    """Return in words what was fetched for a right answer."""
    if run.sent == 0:
        return "nothing fetched"
    how = "full download"
    if run.sent < 0.98 * size:
        how = "resumed"
    elif run.gets > 1:
        return ("resumed" if run.sent < 1.02 * size else "started over") + f" ({megabytes(run.sent)} in all)"
    return f"{how} ({megabytes(run.sent)})"


def told(run: Run, size: int) -> str:
    """Return in words what came of a use."""
    if run.outcome == "right":
        return f"right, {fetched(run, size)}"
    return {
        "wrong": "**wrong bytes returned**",
        "error": f"error `{run.error}`",
        "hang": f"**hangs** > {LIMIT} s",
    }[run.outcome]


def then(first: Run, second: Run, size: int) -> str:
    """Return in words what came of a use, and of the next, when the server behaves again."""
    if first.outcome == "right":
        return told(first, size)
    if second.outcome == "right":
        return f"{told(first, size)}; next run: {told(second, size)}"
    return f"{told(first, size)}; **next run too**: {told(second, size)}"


# -- the faults ---------------------------------------------------------------------------------------------------


def killed(trial: Trial) -> str:
    """SIGKILL half-way through the download, then again."""
    from faults.servers import stalled

    half = trial.bench.size // 2
    trial.misbehave(stalled(half))
    trial.run_and_kill(half)
    before = trial.large()
    trial.misbehave()
    run = trial.run()
    litter = sum(path.stat().st_size for path in before & trial.large())
    return f"{told(run, trial.bench.size)}; litter: {megabytes(litter) if litter else 'none'}"


def truncated_200(trial: Trial) -> str:
    """A 200 that breaks off half-way, once."""
    from faults.servers import truncated

    trial.misbehave(truncated(trial.bench.size // 2).only(1))
    first = trial.run()
    trial.misbehave()
    return then(first, trial.run(), trial.bench.size)


def portal(trial: Trial) -> str:
    """A web page with status 200 (a hotel's network), then a good network."""
    from faults.servers import page

    trial.server.heal(page())
    first = trial.run()
    trial.misbehave()
    return then(first, trial.run(), trial.bench.size)


def wrong_bytes(trial: Trial) -> str:
    """The server gives a file of the right length with one bit flipped."""
    from faults.servers import flipped

    trial.misbehave(flipped(trial.bench.size // 2))
    return told(trial.run(), trial.bench.size)


def flip(path: Path, position: int) -> None:
    """Flip a bit in place."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def flipped_in_the_cache(trial: Trial) -> str:
    """A bit flipped in the cached file; the next load."""
    trial.run()
    flip(trial.cached(), trial.bench.size // 2)
    return told(trial.run(), trial.bench.size)


def rotten(trial: Trial) -> str:
    """A bit that flips on the disk, so that the file's time stays; the next load."""
    trial.run()
    path = trial.cached()
    status = path.stat()
    flip(path, trial.bench.size // 2)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    run = trial.run()
    words = told(run, trial.bench.size)
    if trial.tool == "depthmap" and run.outcome == "wrong":
        found = trial.run(verify=True)
        words += f"; `models verify`: {found.words or 'finds nothing'}"
    return words


def repaired(trial: Trial) -> str:
    """The tool's own means to mend that file, and what it fetches."""
    trial.run()
    path = trial.cached()
    if trial.tool == "depthmap":  # with a whole .h5 it would fetch nothing at all
        path.with_suffix(".h5").unlink()
    flip(path, trial.bench.size // 2)
    if trial.tool == "torch.hub":
        path.unlink()
    run = trial.run(repair=True)
    means = {
        "torch.hub": "delete it by hand: ",
        "huggingface_hub": "`force_download`: ",
        "pooch": "by itself: ",
        "depthmap": "`models repair`: ",
    }[trial.tool]
    return means + (
        f"{megabytes(run.sent)} fetched" if run.outcome == "right" else told(run, trial.bench.size)
    )


def zeroed(trial: Trial) -> str:
    """The cached file zeroed at equal size; the next load, and the one after it."""
    trial.run()
    path = trial.cached()
    with path.open("r+b") as file:
        file.write(bytes(trial.bench.size))
    first = trial.run()
    return then(first, trial.run(), trial.bench.size)


def stalled_socket(trial: Trial) -> str:
    """A connection that stalls half-way for ever, once."""
    from faults.servers import stalled

    trial.misbehave(stalled(trial.bench.size // 2).only(1))
    run = trial.run()
    return told(run, trial.bench.size) + (f" after {run.seconds:.0f} s" if run.outcome != "hang" else "")


def eight(trial: Trial) -> str:
    """Eight processes at once, empty cache."""
    from faults.servers import slow

    trial.misbehave(slow(8_000_000))
    runs = trial.run_at_once(8)
    right = sum(run.outcome == "right" for run in runs)
    bytes_asked = [request for request in trial.server.gets() if request.sent > 1e6]
    downloads = len({request.range or number for number, request in enumerate(bytes_asked)})
    return f"{right} of 8 right; {megabytes(trial.server.sent)} fetched in {downloads} GET"


def full_disk(trial: Trial) -> str:
    """No room for more than half of the file (a limit on file sizes), then room."""
    first = trial.run(room=trial.bench.size // 2)
    before = trial.large()
    second = trial.run()
    litter = sum(path.stat().st_size for path in before & trial.large())
    words = then(first, second, trial.bench.size)
    return words + (f"; litter: {megabytes(litter)}" if litter else "")


def offline(trial: Trial) -> str:
    """Cached, and the server gone; attempts to reach it (audited)."""
    trial.run()
    trial.server.stop()
    run = trial.run()
    return f"{'right' if run.outcome == 'right' else told(run, trial.bench.size)}, {run.sockets} socket calls"


FAULTS: tuple[Callable[[Trial], str], ...] = (
    killed, truncated_200, portal, wrong_bytes, stalled_socket, full_disk, eight,
    flipped_in_the_cache, rotten, zeroed, repaired, offline,
)  # fmt: skip


# -- around it ----------------------------------------------------------------------------------------------------


def environment(folder: Path) -> Path:
    """Return the interpreter of an environment that has the peers and sees this one's packages; make it if need be."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pins = [f"{name}=={number}" for name, number in PEERS.items()]
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins], check=True
        )
    packages = next((folder / "lib").glob("python*/site-packages"))
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return python


def checkpoint(path: Path) -> str:
    """Write a small real checkpoint with random numbers; return the digest of its tensors."""
    import torch

    from depthmap import networks

    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.zeros(shape, dtype=torch.int64) if name.endswith("num_batches_tracked")
        else torch.rand(shape, generator=generator)
        for name, shape in networks.expected_shapes("depthmap_tiny").items()
    }  # fmt: skip
    torch.save(state, path)
    return digest_of(state)


def table(bench: Bench, faults: Iterable[Callable[[Trial], str]], tools: Sequence[str] = TOOLS) -> str:
    """Run everything; return the table in Markdown."""
    versions = {"torch.hub": f"torch {version('torch')}", "depthmap": version("depthmap"), **PEERS}
    lines = [
        f"| fault | {' | '.join(f'{tool} ({versions[tool]})' for tool in tools)} |",
        "|---|" + "---|" * len(tools),
    ]
    for fault in faults:
        cells = [cell(bench, tool, fault) for tool in tools]
        lines.append(f"| {fault.__doc__.rstrip('.')} | {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\nThe file has {megabytes(bench.size)}; every cell is a run of its own.\n"


def cell(bench: Bench, tool: str, fault: Callable[[Trial], str]) -> str:
    """Run one fault with one tool."""
    trial = Trial.begin(bench, tool)
    try:
        words = fault(trial)
    finally:
        trial.stop()
    print(f"{fault.__name__:22s} {tool:16s} {words}", file=sys.stderr, flush=True)
    return words


def show_in(page: Path, text: str) -> None:
    """Put the table between the markers of a page that has them."""
    content = page.read_text(encoding="utf-8") if page.is_file() else ""
    if BEGIN in content and END in content:
        before, after = content.split(BEGIN)[0], content.split(END)[1]
        page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--environment", type=Path, default=Path(tempfile.gettempdir()) / "depthmap-peers", metavar="DIR"
    )
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose name has this word")
    parser.add_argument("--tool", choices=TOOLS, help="this tool alone")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write the table to")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work()
    sys.path.insert(0, str(TESTS))
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        published = folder / "small.pt"
        bench = Bench(environment(options.environment), folder, published, checkpoint(published))
        faults = [fault for fault in FAULTS if options.only in fault.__name__]
        text = table(bench, faults, [options.tool] if options.tool else TOOLS)
    print(text)
    if not options.only and not options.tool:
        show_in(options.page, text)
    return None


if __name__ == "__main__":
    main()
