"""Make the files of ``depthmap/checkpoints``: ``python -m tools.names``, after a network's code changed."""

from __future__ import annotations

from depthmap.checkpoints import FOLDER, distinct, dumps, layout_of
from depthmap.networks import build, unused_prefixes


def text_of(network: str) -> str:
    """Return the file of a network, as it follows from the network itself."""
    state = build(network).state_dict()
    tensors = {name: (str(t.dtype).removeprefix("torch."), tuple(t.shape)) for name, t in state.items()}
    return dumps(tensors, unused_prefixes(network))


def main() -> None:
    """Write them all."""
    for network in distinct():
        path = FOLDER / f"{layout_of(network)}.json"
        path.write_text(text_of(network), encoding="utf-8")
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
