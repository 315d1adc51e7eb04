"""`depthmap.load`: a torch network from the cache."""

from __future__ import annotations

from typing import Any

from driver import Way, main


class Loading(Way):
    """Needs no keys but the model; the environment says where the cache is."""

    def imports(self) -> None:
        import h5py  # noqa: F401 - its import is what is timed
        import torch  # noqa: F401 - its import is what is timed

        from depthmap import loader, networks  # noqa: F401 - its import is what is timed

    def load(self) -> Any:
        from depthmap import ModelCache, load

        return load(self.order["model"], ModelCache()).network


if __name__ == "__main__":
    main(Loading)
