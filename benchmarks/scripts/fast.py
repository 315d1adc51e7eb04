"""As ``meta.py``, with fastsafetensors as the reader: it reads the whole file at once, into memory of its own."""

from __future__ import annotations

from typing import Any

from driver import main
from meta import Meta


class Fast(Meta):
    """Keys: those of `Meta`."""

    def imports(self) -> None:
        import fastsafetensors  # noqa: F401 - its import is what is timed

        super().imports()

    def state(self) -> Any:
        from fastsafetensors import fastsafe_open

        path = self.order["safetensors"]
        with fastsafe_open([path], nogds=True, device="cpu") as file:  # no GPUDirect on a CPU
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping


if __name__ == "__main__":
    main(Fast)
