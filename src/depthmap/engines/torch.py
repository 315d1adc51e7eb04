"""Running a network with torch: the reference, for every model and device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ..errors import EngineUnavailable
from ..networks import all_of
from ..networks.folding import fold
from . import MANY
from .cores import usable_cores
from .forking import Forkable, apart, running
from .frugal import frugal
from .upload import upload

if TYPE_CHECKING:
    from . import Float32, Runner


def runner(network: nn.Module, device: torch.device, optimize: bool, pictures: int) -> Runner:
    """Return a network, in evaluation mode, ready to run on a device.

    With ``optimize`` it runs in float16 on CUDA, and what can be folded into its weights is where they are copied
    anyway, or for many pictures: for a few the copy costs more than it saves, and memory that processes share. Many
    pictures on a CPU are also quicker with the channels last (5 % of a transformer's time to 30 % of a small
    network's); on CUDA that was not measured.
    """
    with running:
        run = apart(_runner, network, device, optimize, pictures)
    if device.type == "cpu":
        return Forkable(frugal(lambda *inputs: apart(run, *inputs)))

    def lost() -> Runner:
        raise after_fork(device)

    return Forkable(run, lost)


def after_fork(device: torch.device) -> EngineUnavailable:
    """Return the error that says that a forked child has no GPU."""
    return EngineUnavailable(
        "A process that was forked cannot use the GPU that its parent uses",
        device,
        "Start it by 'spawn' (multiprocessing.get_context('spawn')) and send it the estimator, or use device='cpu'.",
    )


def _runner(network: nn.Module, device: torch.device, optimize: bool, pictures: int) -> Runner:
    dtype = torch.float16 if optimize and device.type == "cuda" else torch.float32
    if device.type == "cpu" and torch.get_num_threads() > usable_cores():
        torch.set_num_threads(usable_cores())
    many = pictures >= MANY
    if optimize and (device.type != "cpu" or many):
        fold(network)
    order = torch.channels_last if optimize and device.type == "cpu" and many else torch.preserve_format
    network = upload(network, device, dtype) if device.type == "cuda" else network.to(device, dtype)
    network = network.to(memory_format=order)  # type: ignore[call-overload]  # torch's types lack it

    def run(picture: Float32, *others: Float32) -> tuple[Float32, ...]:
        with torch.inference_mode():
            batch = torch.from_numpy(picture).to(device, dtype).to(memory_format=order)
            outputs = network(batch, *(torch.from_numpy(other).to(device, dtype) for other in others))
        return tuple(output.float().cpu().numpy() for output in all_of(outputs))

    return run
