"""Train the embedded model: ``python -m training.train --data FOLDER --run training/runs/NAME``.

FOLDER holds ``train/`` and ``val/``. The run writes ``last.pt`` (all that is needed to go on; the same command
resumes it) and ``ema.pt`` (the averaged weights as a flat float32 state dict, for export and evaluation).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import losses
from .config import CONFIGS, Config, Stage
from .data import Batch, Sampler, read_sources
from .evaluate import score
from .network import GAINS, fresh, make_trainable
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
        parameters = list(module.parameters())
        # weights decay; biases and the scales of norms do not
        for decay, chosen in (
            (config.weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            groups.append({"params": chosen, "lr": rate, "peak": rate, "weight_decay": decay})
    return groups


def rate_factor(progress: float, warm_up: float) -> float:
    """Return what the peak rates are multiplied by: a linear rise, then half a cosine down to 1 %."""
    if progress < warm_up:
        return max(progress / warm_up, 0.01)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


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


class Run:
    """A training run: its network, its optimiser, how far it is, and the folder it writes to."""

    def __init__(self, folder: Path, config: Config, encoder: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.config = folder, config
        torch.manual_seed(config.seed)
        self.network = fresh(encoder).eval()
        make_trainable(self.network)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.network, config), betas=(0.9, 0.999), foreach=True
        )
        self.average = Average(self.network, config.ema)
        self.step, self.seconds = 0, 0.0
        if (folder / "last.pt").exists():
            self._resume()

    @property
    def progress(self) -> float:
        """Share of the time that is over, 1 at the end."""
        return min(self.seconds / (self.config.minutes * MINUTE), 1.0)

    def _resume(self) -> None:
        state = torch.load(self.folder / "last.pt", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, tensor in state["ema"].items():
            self.average.state[name].copy_(tensor)
        self.step, self.seconds = state["step"], state["seconds"]
        self.log(f"resumed at step {self.step}, minute {self.seconds / MINUTE:.1f}")

    def save(self) -> None:
        """Write both files; a reader never sees half of one."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.average.state,
            "step": self.step,
            "seconds": self.seconds,
        }
        for name, content in (("last.pt", state), ("ema.pt", self.average.state)):
            staged = self.folder / f"{name}.part"
            torch.save(content, staged)
            staged.replace(self.folder / name)

    def log(self, line: str) -> None:
        """Print a line and keep it."""
        print(line, flush=True)
        with (self.folder / "log.txt").open("a") as file:
            file.write(line + "\n")

    def train_on(self, batch: Batch, stage: Stage) -> dict[str, float]:
        """Take one step and return the parts of the loss."""
        factor = rate_factor(self.progress, self.config.warm_up)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        for name in ("layer2", "layer3", "layer4"):
            self.network.get_submodule(f"pretrained.{name}").requires_grad_(stage.encoder)
        prediction: Tensor = self.network(batch.pictures)
        loss, parts = losses.total(
            prediction,
            batch.inverse_depths,
            batch.masks,
            stage.anchor,
            self.config.keep,
            self.config.gradient,
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g["params"]], 1.0)
        self.optimizer.step()
        self.step += 1
        self.average.update(self.step)
        return parts


def due(seconds: float, before: float, minutes: float) -> bool:
    """Tell whether a multiple of ``minutes`` lies between two readings of the clock."""
    return int(seconds / (minutes * MINUTE)) > int(before / (minutes * MINUTE))


def train(run: Run, sampler: Sampler, val: Path) -> None:
    """Train until the time is over, saving and scoring on the way."""
    config, recent, mark = run.config, dict[str, float](), run.seconds
    while run.progress < 1:
        started, before = time.monotonic(), run.seconds
        stage = config.stage(run.progress)
        parts = run.train_on(sampler.batch(run.step, stage.shapes), stage)
        run.seconds += time.monotonic() - started
        for name, value in parts.items():
            recent[name] = 0.98 * recent.get(name, value) + 0.02 * value
        if run.step % 50 == 0:
            losses_line = " ".join(f"{k} {v:.3f}" for k, v in recent.items())
            speed, mark = 50 * config.batch / (run.seconds - mark), run.seconds
            run.log(
                f"minute {run.seconds / MINUTE:5.1f} step {run.step:5d} {losses_line} | {speed:.1f} pictures/s"
            )
        if due(run.seconds, before, config.checkpoint_minutes):
            run.save()
        if due(run.seconds, before, config.score_minutes):
            run.log("scores " + " ".join(scores(run, val)))
    run.save()
    run.log("scores " + " ".join(scores(run, val)))


def scores(run: Run, val: Path) -> Iterator[str]:
    """Score the averaged weights on every fourth picture of val: to watch, never to choose by."""
    means = score(val, {"model": predictor(run.average.state)}, every=4)
    for source, methods in means.items():
        yield f"{source} {methods['model'].d125:.1f}"


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument(
        "--run", type=Path, required=True, help="folder of the run; resumed when it holds last.pt"
    )
    parser.add_argument("--minutes", type=float, help="time to train (default: the configuration's)")
    parser.add_argument("--config", choices=CONFIGS, default="first")
    parser.add_argument("--encoder", type=Path, help="take the encoder from these weights, not ImageNet's")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = CONFIGS[arguments.config]
    config = replace(config, minutes=arguments.minutes or config.minutes)
    run = Run(arguments.run, config, arguments.encoder)
    sources = read_sources(arguments.data / "train")
    run.log(json.dumps({"sources": {s.name: len(s) for s in sources}, "minutes": config.minutes}))
    train(run, Sampler(sources, config.batch, config.seed), arguments.data / "val")


if __name__ == "__main__":
    main()
