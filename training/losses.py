"""The losses: blind to scale and shift per picture, but not to the sign.

Ranftl et al., "Towards Robust Monocular Depth Estimation", TPAMI 2022: trimmed scale-and-shift-invariant error
and multi-scale gradient matching, in inverse depth. All take a prediction (N, H, W), a reference (N, H, W) of
inverse depth, 0 or more, and a mask (N, H, W), bool, of the pixels whose reference is valid; they return a scalar.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .config import Weights

EPS = 1e-6
FAR = 0.01
"""Below this share of the nearest pixel's inverse depth, the metric does not look."""


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the valid pixels of each picture, (N,); 0 for a picture without any."""
    count = mask.sum((1, 2)).clamp(min=1)
    return torch.where(mask, values, 0).sum((1, 2)) / count


def align(prediction: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Bring the prediction to the reference's scale and shift by least squares over the valid pixels.

    The scale is kept at 0 or above: least squares does not see the sign, and a network that learns depth
    upside down would go unpunished.
    """
    p_mean, r_mean = (mean_over(v, mask)[:, None, None] for v in (prediction, reference))
    p, r = prediction - p_mean, reference - r_mean
    variance = mean_over(p * p, mask)
    scale = (mean_over(p * r, mask) / (variance + EPS)).clamp(min=0)
    return scale[:, None, None] * p + r_mean


def deviation(reference: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute deviation of each picture's reference, (N, 1, 1): its own unit of error."""
    mean = mean_over(reference, mask)[:, None, None]
    return mean_over((reference - mean).abs(), mask)[:, None, None] + 0.01


def trimmed(residual: Tensor, mask: Tensor, keep: float) -> Tensor:
    """Return the mean of the ``keep`` share of smallest residuals of each picture, averaged over pictures."""
    if keep >= 1:
        return mean_over(residual, mask).mean()
    means = []
    for values, valid in zip(residual, mask, strict=True):
        chosen = values[valid]
        count = int(keep * chosen.numel())
        if count:
            limit = chosen.detach().kthvalue(count).values
            means.append(chosen[chosen <= limit].mean())
    return torch.stack(means).mean() if means else residual.sum() * 0


def gradient_matching(residual: Tensor, mask: Tensor, scales: int = 4) -> Tensor:
    """Return the mean absolute gradient of the residual, summed over ``scales`` halvings of the resolution.

    It asks edges of the prediction to lie where those of the reference lie, and surfaces to be smooth.
    """
    total = residual.new_zeros(())
    for scale in range(scales):
        r, m = residual[:, :: 2**scale, :: 2**scale], mask[:, :: 2**scale, :: 2**scale]
        for axis in (1, 2):
            length = r.shape[axis] - 1
            both = m.narrow(axis, 1, length) & m.narrow(axis, 0, length)
            total = total + mean_over(r.diff(dim=axis).abs(), both).mean()
    return total


def relative(prediction: Tensor, reference: Tensor, mask: Tensor, bend: float = 0.3) -> Tensor:
    """Return a smooth stand-in for the share of pixels with a depth ratio beyond 1.25.

    As in the metric, far pixels are left out of the alignment and the aligned prediction is floored at the
    smallest reference; x = |log ratio| counts as x / (x + bend), so that hopeless pixels do not rule.
    """
    nearest = torch.where(mask, reference, 0).amax((1, 2), keepdim=True)
    seen = mask & (reference > FAR * nearest)
    floor = torch.where(seen, reference, torch.inf).amin((1, 2), keepdim=True).clamp(EPS, 1)
    aligned = torch.maximum(align(prediction, reference, seen), floor)
    error = (aligned.log() - torch.where(seen, reference, 1).log()).abs()
    return mean_over(error / (error + bend), seen).mean()


def anchored(prediction: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Return the plain error against the reference in units of its own near end: it fixes sign, scale, shift."""
    return mean_over((prediction - reference).abs(), mask).mean()


def normalise(reference: Tensor, mask: Tensor, near: float = 0.95, every: int = 2) -> Tensor:
    """Scale each picture's reference so that its ``near`` quantile over valid pixels is 1.

    Every second pixel of every second row is enough to know it.
    """
    thinned = zip(reference[:, ::every, ::every], mask[:, ::every, ::every], strict=True)
    quantiles = [r[m].quantile(near) if m.any() else r.new_ones(()) for r, m in thinned]
    return reference / torch.stack(quantiles).clamp(min=1e-3)[:, None, None]


def total(
    prediction: Tensor, reference: Tensor, mask: Tensor, weights: Weights
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss that is trained, and its weighted parts for the log."""
    reference = normalise(reference, mask)
    residual = (align(prediction, reference, mask) - reference) / deviation(reference, mask)
    parts = {
        "invariant": weights.invariant * trimmed(residual.abs(), mask, weights.keep),
        "gradient": weights.gradient * gradient_matching(residual, mask),
        "relative": weights.relative * relative(prediction, reference, mask),
        "anchor": weights.anchor * anchored(prediction, reference, mask),
    }
    return sum(parts.values(), prediction.new_zeros(())), {k: v.detach() for k, v in parts.items()}
