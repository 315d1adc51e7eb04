"""The numbers of a training run, as data."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, int]
"""Height and width in pixels, multiples of 32."""

# Photos come in every aspect: most are 4:3, KITTI's strips are four times as wide as high.
SMALL: dict[Shape, float] = {
    (128, 192): 3.0,
    (160, 192): 3.0,
    (96, 192): 1.0,
    (64, 192): 1.0,
    (192, 160): 1.0,
}
LARGE: dict[Shape, float] = {
    (192, 256): 4.0,
    (160, 256): 2.0,
    (128, 256): 1.0,
    (64, 256): 1.5,
    (256, 192): 1.0,
    (256, 256): 0.5,
}


@dataclass(frozen=True)
class Stage:
    """A part of the run."""

    until: float
    """Share of the run's time at which it ends."""
    shapes: dict[Shape, float]
    """Shapes of the batches and how often each is drawn, relative to the others."""
    encoder: bool
    """The encoder is trained, except its first, generic layer."""
    anchor: float
    """Weight of the loss that fixes sign, scale and shift of the output."""


@dataclass(frozen=True)
class Config:
    """A training run. It is measured in time, so that it fits the machine it has."""

    minutes: float = 51.0
    batch: int = 8
    """A multiple of the number of sources, of which each gives the same share."""
    decoder_rate: float = 6e-4
    encoder_rate: float = 1.5e-4
    weight_decay: float = 1e-2
    warm_up: float = 0.03
    """Share of the time in which the learning rates rise from zero."""
    ema: float = 0.995
    keep: float = 0.9
    """Share of each picture's pixels, those with the smallest errors, that the invariant loss sees."""
    gradient: float = 0.5
    """Weight of the gradient matching loss."""
    seed: int = 1
    checkpoint_minutes: float = 3.0
    score_minutes: float = 10.0
    """How often the averaged weights are scored on a part of val."""
    stages: tuple[Stage, ...] = (
        Stage(0.05, SMALL, encoder=False, anchor=1.0),
        Stage(0.60, SMALL, encoder=True, anchor=0.3),
        Stage(1.00, LARGE, encoder=True, anchor=0.3),
    )

    def stage(self, progress: float) -> Stage:
        """Return the stage at ``progress``, in [0, 1]."""
        return next((s for s in self.stages if progress < s.until), self.stages[-1])


CONFIGS = {
    "first": Config(),
    # A fresh decoder on the encoder of a first run: what the first one learned early, smooth maps of the coarse
    # features alone, it never left.
    "second": Config(
        minutes=36.0,
        decoder_rate=1.2e-3,
        encoder_rate=1e-4,
        ema=0.998,
        keep=1.0,
        gradient=1.0,
        seed=2,
        stages=(
            Stage(0.10, SMALL, encoder=False, anchor=0.5),
            Stage(0.35, SMALL, encoder=False, anchor=0.1),
            Stage(0.60, LARGE, encoder=False, anchor=0.1),
            Stage(1.00, LARGE, encoder=True, anchor=0.1),
        ),
    ),
}
"""Runs by name."""
