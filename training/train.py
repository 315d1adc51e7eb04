"""Train the embedded model: ``python -m training.train --data FOLDER --run training/runs/NAME``.

FOLDER holds ``train/`` and ``val/``. The run writes ``last.pt`` (all that is needed to go on; the same command
resumes it) and ``ema.pt`` (the averaged weights as a flat float32 state dict, for export and evaluation).
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Iterator, Set
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from . import losses
from .config import CONFIGS, PLAIN, Config
from .data import Batch, Sampler, read_sources
from .evaluate import score
from .network import GAINS, add_norms, folded, freeze_norms, fresh, halve, make_trainable
from .predict import predictor

MINUTE = 60.0


def parameter_groups(network: nn.Module, config: Config) -> list[dict[str, Any]]:
    """Return the optimiser's groups; the stem and the first two stages, which see edges, are left as they are."""
    network.get_submodule("pretrained.layer1").requires_grad_(False)
    scratch = network.get_submodule("scratch")
    rated = [(network.get_submodule(f"pretrained.layer{i}"), config.encoder_rate) for i in (2, 3, 4)]
    rated += [(m, config.decoder_rate * GAINS.get(name, 1.0)) for name, m in scratch.named_children()]
    groups = []
    for module, rate in rated:
        parameters = [p for p in module.parameters() if p.requires_grad]
        # weights decay; biases and the scales of norms do not
        for decay, chosen in (
            (config.weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            groups.append({"params": chosen, "lr": rate, "peak": rate, "weight_decay": decay})
    return groups


def activation_type(device: torch.device) -> torch.dtype:
    """Return what a step computes in: bfloat16, or float32 on a CPU that would only imitate it, and be slow."""
    imitated = device.type == "cpu" and "AVX512" not in torch.backends.cpu.get_cpu_capability()
    return torch.float32 if imitated else torch.bfloat16


class Average:
    """An exponential moving average of a network's tensors, which forgets its beginning quickly."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.source = dict(network.state_dict())
        self.state = {k: v.clone() for k, v in self.source.items()}

    def update(self, step: int) -> None:
        """Move towards the network."""
        decay = min(self.decay, (1 + step) / (10 + step))
        floats = [k for k, v in self.state.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.state[k] for k in floats], [self.source[k] for k in floats], 1 - decay)


class Clock:
    """How long a run has trained: a step that was halted from outside counts as four usual ones."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self._recent: deque[float] = deque(maxlen=50)

    def add(self, seconds: float) -> None:
        """Count a step of so many seconds."""
        self._recent.append(seconds)
        self.seconds += min(seconds, 4 * median(self._recent))


class Run:
    """A training run: its network, its optimiser, how far it is, and the folder it writes to."""

    def __init__(
        self,
        folder: Path,
        config: Config,
        encoder: Path | None = None,
        start: Path | None = None,
        device: str = "cpu",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.config, self.device = folder, config, torch.device(device)
        torch.manual_seed(config.seed)
        self.network = fresh(encoder).eval()
        make_trainable(self.network)
        if config.norms:
            add_norms(self.network)
        self.network.to(self.device)
        self.activations = activation_type(self.device)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.network, config), foreach=True)
        self.average = Average(self.network, config.ema)
        self.step, self.clock = 0, Clock()
        last = folder / "last.pt"
        known = last if last.exists() else start
        if known:
            self._resume(known)
        if known == start and config.anew:
            self.rewind()

    def _resume(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        new = self.network.state_dict().keys() - state["network"].keys()
        if new or "optimizer" not in state:
            self._grow(path, state["network"], new)
            return
        self.network.load_state_dict(state["network"])
        own = [{key: group[key] for key in ("peak", "weight_decay")} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, rates in zip(self.optimizer.param_groups, own, strict=True):
            group.update(rates)  # a run that starts from another has rates of its own
        for name, tensor in state["ema"].items():
            self.average.state[name].copy_(tensor)
        self.step, self.clock = state["step"], Clock(state["seconds"])
        self.log(f"resumed {path} at step {self.step}, minute {self.clock.seconds / MINUTE:.1f}")

    def _grow(self, path: Path, smaller: dict[str, Tensor], new: Set[str]) -> None:
        """Begin with weights alone; the optimiser, and parts that the network lacked, start afresh."""
        self.network.load_state_dict({**self.network.state_dict(), **smaller})
        self.rewind()
        self.log(f"begun from {path}; {len(new)} tensors are new")

    def rewind(self) -> None:
        """Count steps from 0: the weights and the optimiser's state are where this run begins."""
        self.step, self.clock = 0, Clock()
        self.average = Average(self.network, self.config.ema)

    def weights(self) -> dict[str, Tensor]:
        """Return the averaged weights as a flat state dict of the network that ships, on the CPU."""
        return {name: tensor.cpu() for name, tensor in folded(self.average.state).items()}

    def save(self, name: str = "last.pt") -> None:
        """Write what is needed to go on, and the averaged weights; a reader never sees half of one."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.average.state,
            "step": self.step,
            "seconds": self.clock.seconds,
        }
        for target, content in ((name, state), ("ema.pt", self.weights())):
            staged = self.folder / f"{target}.part"
            torch.save(content, staged)
            staged.replace(self.folder / target)

    def log(self, line: str) -> None:
        """Print a line and keep it."""
        print(line, flush=True)
        with (self.folder / "log.txt").open("a") as file:
            file.write(line + "\n")

    def train_on(self, batch: Batch) -> dict[str, Tensor]:
        """Take one step and return the parts of the loss."""
        stage = self.config.stage(self.step)
        factor = self.config.rate_factor(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        for name in ("layer2", "layer3", "layer4"):
            self.network.get_submodule(f"pretrained.{name}").requires_grad_(stage.encoder)
        freeze_norms(self.network, stage.frozen_norms)
        halve(self.network, stage.half)
        batch = (batch.thinned() if stage.half else batch).to(self.device)
        prediction: Tensor = self.network(batch.pictures.to(self.activations))
        weights = PLAIN if stage.plain else self.config.weights
        loss, parts = losses.total(prediction.float(), batch.inverse_depths, batch.masks, weights)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g["params"]], 1.0)
        self.optimizer.step()
        self.step += 1
        self.average.update(self.step)
        return parts


class Reports:
    """What is said every so many steps: running means of the loss's parts, and the speed."""

    def __init__(self, run: Run, every: int = 50) -> None:
        self.run, self.every, self.mark = run, every, run.clock.seconds
        self.recent: dict[str, Tensor] = {}

    def add(self, parts: dict[str, Tensor]) -> None:
        """Take in a step, and log when it is time."""
        run = self.run
        for name, value in parts.items():
            self.recent[name] = torch.lerp(self.recent.get(name, value), value, 0.02)
        if run.step % self.every == 0:
            means = " ".join(f"{k} {float(v):.3f}" for k, v in self.recent.items())
            speed = self.every * run.config.batch / max(run.clock.seconds - self.mark, 1e-9)
            self.mark = run.clock.seconds
            run.log(f"minute {self.mark / MINUTE:5.1f} step {run.step:5d} {means} | {speed:.1f} pictures/s")


def due(seconds: float, before: float, minutes: float) -> bool:
    """Tell whether a multiple of ``minutes`` lies between two readings of the clock."""
    return int(seconds / (minutes * MINUTE)) > int(before / (minutes * MINUTE))


def train(run: Run, sampler: Sampler, val: Path, workers: int = 1, scored: bool = True) -> None:
    """Train until the last stage is over, saving and scoring on the way."""
    config, reports = run.config, Reports(run)
    stages = [config.stage(step) for step in range(run.step, config.steps)]
    for batch in sampler.ahead(run.step, stages, workers):
        started, before = time.monotonic(), run.clock.seconds
        if run.step == config.peak_steps:
            run.save("stable.pt")
        reports.add(run.train_on(batch))
        run.clock.add(time.monotonic() - started)
        if due(run.clock.seconds, before, config.checkpoint_minutes):
            run.save()
        if scored and due(run.clock.seconds, before, config.score_minutes):
            run.log("scores " + " ".join(scores(run, val)))
    run.save()
    if scored:
        run.log("scores " + " ".join(scores(run, val)))


def scores(run: Run, val: Path) -> Iterator[str]:
    """Score the averaged weights on every fourth picture of val: to watch, never to choose by."""
    means = score(val, {"model": predictor(run.weights())}, every=4)
    for source, methods in means.items():
        yield f"{source} {methods['model'].d125:.1f}"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the command line of a run."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", type=Path, help="folder with train/ and val/")
    options.add_argument(
        "--more", type=Path, action="append", default=[], help="folder with further pairs of these sources"
    )
    options.add_argument("--run", type=Path, help="its folder; resumed when it holds last.pt")
    options.add_argument("--config", choices=CONFIGS, default="main")
    options.add_argument(
        "--steps", type=stage_steps, action="append", default=[], metavar="STAGE=STEPS", help="another length"
    )
    options.add_argument("--encoder", type=Path, help="take the encoder from these weights, not ImageNet's")
    options.add_argument(
        "--start",
        type=Path,
        help="go on from another run's last.pt or stable.pt, or from unfolded weights; what these lack is new",
    )
    options.add_argument("--device", default="cpu", help="cpu or cuda")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--workers", type=int, default=1, help="threads that prepare batches")
    return options


def stage_steps(text: str) -> tuple[int, int]:
    """Parse ``1=9000``: the second stage shall have 9000 steps."""
    stage, steps = text.split("=")
    return int(stage), int(steps)


def run(options: argparse.Namespace) -> None:
    """Train as the command line says."""
    torch.set_num_threads(options.threads)
    config = CONFIGS[options.config]
    for stage, steps in options.steps:
        config = config.with_steps(stage, steps)
    this = Run(options.run, config, options.encoder, options.start, options.device)
    sources = read_sources(options.data / "train", *(more / "train" for more in options.more))
    this.log(f"{ {s.name: len(s) for s in sources} } {config}")
    train(
        this,
        Sampler(sources, config.shares, config.seed, config.disturbed),
        options.data / "val",
        options.workers,
    )


if __name__ == "__main__":
    run(parser(__doc__).parse_args())
