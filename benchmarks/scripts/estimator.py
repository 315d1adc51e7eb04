"""`depthmap.DepthEstimator`: with the engine that it takes by itself, or a given one."""

from __future__ import annotations

import importlib
from typing import Any

from driver import Way, main


class Estimator(Way):
    """Keys: engine, used (the one that "auto" takes), pictures (how many are said to come), and maybe device."""

    def imports(self) -> None:
        from PIL import Image  # noqa: F401 - its import is what is timed

        from depthmap.estimator import DepthEstimator  # noqa: F401 - its import is what is timed

        importlib.import_module(self.order["used"])

    def load(self) -> Any:
        from depthmap import DepthEstimator

        estimator = DepthEstimator(
            self.order["model"],
            self.order.get("device"),
            engine=self.order["engine"],
            pictures=int(self.order["pictures"]),
        )
        if estimator.engine != self.order["used"]:
            raise SystemExit(f"{estimator.engine} runs {self.order['model']}, not {self.order['used']}")
        return estimator

    def depth(self, network: Any, photo: str) -> Any:
        return network.predict(photo)

    def run(self, network: Any, batch: Any) -> Any:
        return network._run(batch)  # without what comes before and after: that is the same for all

    def whole(self) -> Any:
        return self.depth(self.load(), self.order["photo"])


if __name__ == "__main__":
    main(Estimator)
