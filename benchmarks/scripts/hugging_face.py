"""The way of transformers' documentation: ``from_pretrained`` with its defaults, image processor and model."""

from __future__ import annotations

from typing import Any

from driver import Way, main


class HuggingFace(Way):
    """Keys: folder (made by ``save_pretrained``)."""

    def imports(self) -> None:
        import torch  # noqa: F401 - its import is what is timed
        from PIL import Image  # noqa: F401 - its import is what is timed
        from transformers import AutoImageProcessor, DPTForDepthEstimation  # noqa: F401 - its import is what is timed

    def load(self) -> Any:
        from transformers import DPTForDepthEstimation

        return DPTForDepthEstimation.from_pretrained(self.order["folder"])

    def depth(self, network: Any, photo: str) -> Any:
        import torch
        from PIL import Image
        from transformers import AutoImageProcessor

        processor = AutoImageProcessor.from_pretrained(self.order["folder"])
        with Image.open(photo) as opened:
            picture = opened.convert("RGB")
        with torch.no_grad():
            outputs = network(**processor(images=picture, return_tensors="pt"))
        sizes = [(picture.height, picture.width)]
        found = processor.post_process_depth_estimation(outputs, target_sizes=sizes)
        return found[0]["predicted_depth"].numpy()

    def run(self, network: Any, batch: Any) -> Any:
        import torch

        with torch.no_grad():
            return network(torch.from_numpy(batch)).predicted_depth.numpy()


if __name__ == "__main__":
    main(HuggingFace)
