"""The numbers of a training run, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

Shape = tuple[int, int]
"""Height and width in pixels, multiples of 32."""

# Photos come in every aspect: most are 4:3, KITTI's strips are four times as wide as high.
SMALL: dict[Shape, float] = {
    (128, 160): 4.0,
    (160, 192): 2.0,
    (96, 160): 1.5,
    (64, 192): 1.0,
    (160, 128): 1.0,
}
MEDIUM: dict[Shape, float] = {
    (160, 192): 4.0,
    (128, 224): 1.5,
    (96, 288): 1.5,
    (192, 160): 1.0,
    (160, 160): 0.5,
}
LARGE: dict[Shape, float] = {
    (192, 256): 5.0,
    (160, 288): 1.5,
    (128, 384): 1.5,
    (256, 192): 1.0,
    (224, 224): 0.5,
}
HUGE: dict[Shape, float] = {
    (256, 320): 5.0,
    (224, 352): 1.5,
    (192, 384): 1.5,
    (160, 480): 1.5,
    (320, 256): 1.0,
    (288, 288): 0.5,
}
# about as many pixels, whatever the picture's aspect, as the network sees when it is used, or a fifth more
FULL: dict[Shape, float] = {
    (288, 384): 5.0,
    (256, 448): 1.5,
    (224, 480): 1.5,
    (192, 576): 1.5,
    (384, 288): 1.0,
    (320, 320): 0.5,
}


@dataclass(frozen=True)
class Weights:
    """What each part of the loss counts; see ``losses.py``."""

    invariant: float = 1.0
    relative: float = 2.0
    gradient: float = 0.5
    anchor: float = 0.1
    keep: float = 1.0
    """Share of each picture's pixels, those with the smallest errors, that the invariant part sees."""


PLAIN = Weights(invariant=0, relative=0, gradient=0, anchor=1)


@dataclass(frozen=True)
class Stage:
    """A part of the run."""

    steps: int
    shapes: dict[Shape, float]
    """Shapes of the batches and how often each is drawn, relative to the others."""
    narrowest: float = 0.55
    """The least width of a crop, as a share of the widest one."""
    encoder: bool = True
    """The encoder is trained, except its first, generic layer."""
    plain: bool = False
    """Only the anchor counts. The other parts are blind to a map that has nothing to do with the reference, and
    the gradient's flattens it: a fresh decoder stayed there for hundreds of steps."""
    half: bool = False
    """The head leaves its doubling out, and the map of half the size is compared: a sixth less time."""
    decay: bool = False
    """The rates fall, linearly, to nothing at the run's end; else they stay at their peak."""
    frozen_norms: bool = False
    """The decoder's norms use the statistics they have gathered, as they will when the network is used."""


@dataclass(frozen=True)
class Config:
    """A training run. It is measured in steps, so that it is the same on every machine."""

    shares: Mapping[str, int] = field(default_factory=lambda: {"indoor": 4, "nyu": 4, "outdoor": 4, "stk": 4})
    """How many pictures of each source a batch has, whatever the sources' sizes."""
    decoder_rate: float = 1.5e-3
    encoder_rate: float = 3e-4
    weight_decay: float = 2e-2
    warm_up: int = 100
    """Steps in which the rates rise from zero."""
    ema: float = 0.995
    disturbed: bool = True
    """The looks of pictures are changed at random: colours, sharpness, noise."""
    norms: bool = True
    """Batch norms in the decoder while it is trained; they are folded into its convolutions afterwards."""
    weights: Weights = Weights()
    seed: int = 1
    anew: bool = False
    """Where it starts from another run, steps are counted from 0: the rates are this run's own."""
    checkpoint_minutes: float = 3.0
    score_minutes: float = 20.0
    """How often the averaged weights are scored on a part of val."""
    stages: tuple[Stage, ...] = (
        Stage(60, SMALL, encoder=False, plain=True, half=True),
        Stage(140, SMALL, encoder=False, half=True),
        Stage(1667, SMALL, half=True),
        Stage(5850, MEDIUM, decay=True),
        # Whole pictures are what the network will see: Touvron et al., "Fixing the train-test resolution
        # discrepancy", NeurIPS 2019.
        Stage(5000, LARGE, narrowest=0.75, decay=True),
        Stage(3000, FULL, narrowest=0.75, decay=True),
        Stage(400, FULL, narrowest=0.75, decay=True, frozen_norms=True),
    )

    @property
    def batch(self) -> int:
        """How many pictures a step sees."""
        return sum(self.shares.values())

    def stage(self, step: int) -> Stage:
        """Return the stage of ``step``."""
        ends = accumulate(stage.steps for stage in self.stages)
        return next(
            (stage for stage, end in zip(self.stages, ends, strict=True) if step < end), self.stages[-1]
        )

    @property
    def steps(self) -> int:
        """How many steps the run has."""
        return sum(stage.steps for stage in self.stages)

    @property
    def peak_steps(self) -> int:
        """How many steps it has before its rates fall."""
        return sum(stage.steps for stage in self.stages if not stage.decay)

    def rate_factor(self, step: int) -> float:
        """Return what the peak rates are multiplied by at ``step``."""
        fall = (self.steps - step) / max(self.steps - self.peak_steps, 1)
        return max(min(fall, (step + 1) / self.warm_up, 1.0), 0.0)

    def with_steps(self, place: int, steps: int) -> Config:
        """Return the configuration with another length of one of its stages, counted from 0."""
        stages = list(self.stages)
        stages[place] = replace(stages[place], steps=steps)
        return replace(self, stages=tuple(stages))


CONFIGS = {
    "main": Config(),
    "distilled": Config(shares={"distilled": 16}),
    "further": Config(
        shares={"indoor": 2, "nyu": 3, "outdoor": 5, "stk": 6},
        decoder_rate=7.5e-4,
        encoder_rate=1.5e-4,
        seed=2,
        anew=True,
        stages=(
            Stage(1100, HUGE, narrowest=0.75, decay=True),
            Stage(2600, FULL, narrowest=0.75, decay=True),
            Stage(200, FULL, narrowest=0.75, decay=True, frozen_norms=True),
        ),
    ),
    "close": Config(
        shares={"close": 3, "distilled": 5, "indoor": 2, "nyu": 2, "outdoor": 2, "stk": 2},
        decoder_rate=2e-4,
        encoder_rate=5e-5,
        warm_up=20,
        ema=0.99,
        # of a map that is upside down, the other parts see a scale of 0: only the anchor turns it round
        weights=Weights(invariant=0, anchor=0.5),
        seed=3,
        anew=True,
        score_minutes=1e9,
        stages=(
            Stage(1000, HUGE, narrowest=0.75, decay=True, frozen_norms=True),
            Stage(400, FULL, narrowest=0.75, decay=True, frozen_norms=True),
        ),
    ),
}
"""Runs by name; "further" goes on from the weights of another, "distilled" has a teacher's pairs alone; "close"
adds close-ups to what the weights that ship know, and has their own maps of other pictures to hold on to that."""

_SHORT = Config(
    anew=True,
    decoder_rate=7.5e-4,
    encoder_rate=1.5e-4,
    ema=0.98,
    warm_up=20,
    score_minutes=1e9,
    checkpoint_minutes=1e9,
    stages=(Stage(100, LARGE, narrowest=0.75, decay=True),),
)
ABLATIONS = {
    "base": _SHORT,
    "invariant 0": replace(_SHORT, weights=Weights(invariant=0)),
    "trimmed to 80 %": replace(_SHORT, weights=Weights(keep=0.8)),
    "gradient 0": replace(_SHORT, weights=Weights(gradient=0)),
    "gradient 1": replace(_SHORT, weights=Weights(gradient=1)),
    "relative 0": replace(_SHORT, weights=Weights(relative=0)),
    "relative 4": replace(_SHORT, weights=Weights(relative=4)),
    "looks unchanged": replace(_SHORT, disturbed=False),
}
"""Short runs that differ from the first in one thing; they go on from the same weights, each for some minutes."""
