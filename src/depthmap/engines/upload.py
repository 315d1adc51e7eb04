"""A network's tensors onto a GPU: out of the mapping by way of two page-locked buffers, so that all steps overlap.

A copy from pageable memory waits for the driver, which stages it in buffers of its own. Here the processor reads and
converts the next piece while the last one is on its way (CUDA C++ Best Practices Guide, "Asynchronous and Overlapping
Transfers with Computation").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..networks import in_place_of, slots

_PIECE = 32 << 20
"""Elements of a buffer, at most: 64 MiB in half precision."""


def upload(network: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Move a network to a device, its floating-point tensors converted to ``dtype``; return it.

    The result is that of ``network.to(device, dtype)``; tensors that several modules share stay shared.
    """
    places = slots(network).values()
    tensors = {id(tensor): tensor for table, key in places if (tensor := table[key]) is not None}
    longest = max((t.numel() for t in tensors.values() if t.is_floating_point()), default=0)
    stage = _Stage(device, dtype, min(longest, _PIECE))
    moved = {
        number: in_place_of(t, stage.moved(t) if t.is_floating_point() else t.to(device))
        for number, t in tensors.items()
    }
    for table, key in places:
        table[key] = moved[id(table[key])]
    stage.wait()
    return network


class _Stage:
    """Two buffers in turn; one is written again when what was in it has arrived."""

    def __init__(self, device: torch.device, dtype: torch.dtype, length: int) -> None:
        self.device, self.dtype = device, dtype
        self.asynchronous = device.type == "cuda"
        self.buffers = [torch.empty(length, dtype=dtype, pin_memory=self.asynchronous) for _ in range(2)]
        self.arrived: list[torch.cuda.Event | None] = [None, None]

    def moved(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the device, in its own shape."""
        target = torch.empty(tensor.shape, dtype=self.dtype, device=self.device)
        source, flat = tensor.detach().reshape(-1), target.view(-1)
        for start in range(0, source.numel(), len(self.buffers[0])):
            end = start + len(self.buffers[0])
            self._send(source[start:end], flat[start:end])
        return target

    def wait(self) -> None:
        """Wait until all has arrived: the network may run in another stream than this."""
        for arrived in filter(None, self.arrived):
            arrived.synchronize()

    def _send(self, source: Tensor, target: Tensor) -> None:
        buffer, arrived = self.buffers[0][: len(source)], self.arrived[0]
        if arrived:
            arrived.synchronize()
        buffer.copy_(source)
        target.copy_(buffer, non_blocking=True)
        if self.asynchronous:
            self.arrived[0] = torch.cuda.current_stream(self.device).record_event()
        self.buffers.reverse()
        self.arrived.reverse()
