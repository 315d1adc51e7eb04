"""One use of one tool in a process of its own: `faults_peers` starts it, and tells it on standard input what to do.

The ways of use are those of the tools' own documentation: MiDaS's hubconf.py calls ``load_state_dict_from_url(url,
map_location="cpu", check_hash=True)`` (nothing is compared, as the files' names hold no digest); ``hf_hub_download``
and ``torch.load``; ``pooch.retrieve`` with the file's digest and ``torch.load``; `depthmap.load`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MODEL = "MiDaS_small"
REPOSITORY = "owner/model"
UNREAD = "scratch.refinenet4.resConfUnit1."
"""Tensors that are published, and that no network reads."""


class Found(Exception):
    """The tool's own check of its cache finds damage."""


@dataclass(frozen=True)
class Order:
    """What a process is to do: load the model, by default; the fields below ``state`` change that."""

    tool: str
    url: str
    cache: str
    sha256: str
    state: str
    """The digest of the published tensors."""
    check: bool = False
    """Use the tool's own check of its cache instead."""
    repair: bool = False
    """Use the tool's own means to mend its cache, then load."""
    weights_only: bool = False
    """Have torch.hub refuse code, which it does not by default."""
    room: int = 0
    """Bytes that a file may have; 0: any number."""


@dataclass
class Result:
    """What came of it: ``outcome`` is right, wrong, error or hang; of a check, found or nothing."""

    outcome: str
    words: str = ""
    seconds: float = 0.0
    sockets: int = 0
    """Attempts to look up or reach a server."""


def use_torch_hub(order: Order) -> Any:
    import torch

    path = Path(order.cache) / order.url.rsplit("/", 1)[-1]
    if order.repair:
        path.unlink()  # it has no other means
    return torch.hub.load_state_dict_from_url(
        order.url, order.cache, "cpu", progress=False, check_hash=True, weights_only=order.weights_only
    )


def use_huggingface_hub(order: Order) -> Any:
    import torch
    from huggingface_hub import HfApi, hf_hub_download

    name = order.url.rsplit("/", 1)[-1]
    if order.check:  # what `hf cache verify` does
        if HfApi().verify_repo_checksums(REPOSITORY, cache_dir=order.cache).mismatches:
            raise Found
        return None
    path = hf_hub_download(REPOSITORY, name, cache_dir=order.cache, force_download=order.repair)
    return torch.load(path, "cpu")


def use_pooch(order: Order) -> Any:
    import pooch
    import torch

    name = order.url.rsplit("/", 1)[-1]
    path = pooch.retrieve(order.url, f"sha256:{order.sha256}", fname=name, path=order.cache)
    return torch.load(path, "cpu")


def use_depthmap(order: Order) -> Any:
    import depthmap

    cache = depthmap.ModelCache()
    if order.check:
        if not all(entry["ok"] for entry in cache.verify(MODEL)):
            raise Found
        return None
    if order.repair:
        cache.repair(MODEL)
    return depthmap.load(MODEL, cache).network.state_dict()


TOOLS: dict[str, tuple[Callable[[Order], Any], tuple[str, ...]]] = {
    "torch.hub": (use_torch_hub, ("torch.hub",)),
    "huggingface_hub": (use_huggingface_hub, ("torch", "huggingface_hub.hf_api")),
    "pooch": (use_pooch, ("torch", "pooch", "requests")),
    "depthmap": (use_depthmap, ("depthmap.loader", "depthmap.networks")),
}
"""Each tool's way of use, and what it imports."""


def digest_of(state: Any) -> str:
    """Return a digest of the names and values of a state dict, as far as the network reads them."""
    digest = hashlib.sha256()
    for name in sorted(name for name in state if not name.startswith(UNREAD)):
        digest.update(name.encode())
        digest.update(state[name].detach().contiguous().numpy().data)
    return digest.hexdigest()


def carry_out(order: Order) -> Result:
    """Use the tool once."""
    use, _ = TOOLS[order.tool]
    try:
        state = use(order)
        if order.check:
            return Result("nothing")
        got = digest_of(state)
    except Found:
        return Result("found")
    except Exception as error:
        return Result("error", f"{type(error).__name__}: {error}"[:400])
    return Result("right" if got == order.state else "wrong")


def main() -> None:
    """Import what is needed, say "ready", wait for a line, do it, and print what came of it."""
    order = Order(**json.loads(sys.stdin.readline()))
    for module in TOOLS[order.tool][1]:
        importlib.import_module(module)
    print("ready", flush=True)
    sys.stdin.readline()
    sockets = 0

    def count(event: str, _: object) -> None:
        nonlocal sockets
        sockets += event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")

    sys.addaudithook(count)
    if order.room:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.room, order.room))
    start = time.monotonic()
    result = carry_out(order)
    result.seconds, result.sockets = time.monotonic() - start, sockets
    print(json.dumps(asdict(result)), flush=True)


if __name__ == "__main__":
    main()
