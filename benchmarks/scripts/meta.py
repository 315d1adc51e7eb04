"""The quickest way that the usual libraries have: a network on the meta device, its tensors from ``.safetensors``."""

from __future__ import annotations

from typing import Any

from driver import Way, main

import pictures


class Meta(Way):
    """Keys: network, safetensors (the file)."""

    def imports(self) -> None:
        import numpy  # noqa: F401 - its import is what is timed
        import safetensors.torch  # noqa: F401 - its import is what is timed
        import torch  # noqa: F401 - its import is what is timed
        from PIL import Image  # noqa: F401 - its import is what is timed

        from depthmap import networks, transforms  # noqa: F401 - its import is what is timed

    def state(self) -> Any:
        from safetensors.torch import load_file

        return load_file(self.order["safetensors"])

    def load(self) -> Any:
        from depthmap import networks

        network = networks.build(self.order["network"])
        state = self.state()
        network.load_state_dict({name: state[name] for name in network.state_dict()}, assign=True)
        return network

    def depth(self, network: Any, photo: str) -> Any:
        return pictures.depth(network, photo, self.order["model"])

    def run(self, network: Any, batch: Any) -> Any:
        return pictures.run(network, batch)


if __name__ == "__main__":
    main(Meta)
