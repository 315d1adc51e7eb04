"""The way of a model's page on Hugging Face: ``transformers.pipeline("depth-estimation", ...)`` with its defaults."""

from __future__ import annotations

from typing import Any

from driver import Way, main


class Pipeline(Way):
    """Keys: folder (made by ``save_pretrained``)."""

    def imports(self) -> None:
        import torch  # noqa: F401 - its import is what is timed
        from PIL import Image  # noqa: F401 - its import is what is timed
        from transformers import pipeline  # noqa: F401 - its import is what is timed

    def load(self) -> Any:
        from transformers import pipeline

        return pipeline("depth-estimation", model=self.order["folder"], device="cpu")

    def depth(self, network: Any, photo: str) -> Any:
        from PIL import Image

        with Image.open(photo) as opened:
            picture = opened.convert("RGB")
        return network(picture)["predicted_depth"].numpy()


if __name__ == "__main__":
    main(Pipeline)
