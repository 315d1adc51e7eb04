"""The losses on tiny maps: what they must be blind to, and what not."""

from __future__ import annotations

import pytest
import torch
from training.config import PLAIN, Weights

from training import losses

WEIGHTS = Weights()
WHOLE = torch.ones(2, 16, 24, dtype=torch.bool)


@pytest.fixture
def reference() -> torch.Tensor:
    """Two planes that recede, one of them with a box on it."""
    ramp = torch.linspace(0.1, 1, 16)[:, None].expand(16, 24)
    box = ramp.clone()
    box[4:10, 6:14] = 0.9
    return torch.stack([ramp, box])


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (7.0, -2.0), (0.1, 5.0)])
def test_alignment_undoes_any_scale_and_shift(reference: torch.Tensor, scale: float, shift: float) -> None:
    aligned = losses.align(scale * reference + shift, reference, WHOLE)
    assert torch.allclose(aligned, reference, atol=0.05)
    assert losses.relative(scale * reference + shift, reference, WHOLE) < 0.1


def test_an_upside_down_map_is_worse_than_none(reference: torch.Tensor) -> None:
    flat = torch.full_like(reference, 0.5)
    mean = losses.align(flat, reference, WHOLE)
    assert torch.allclose(losses.align(-reference, reference, WHOLE), mean, atol=1e-6)
    upside_down, _ = losses.total(1 - reference, reference, WHOLE, WEIGHTS)
    nothing, _ = losses.total(flat, reference, WHOLE, WEIGHTS)
    right, _ = losses.total(reference, reference, WHOLE, WEIGHTS)
    assert right < nothing < upside_down


def test_the_anchor_leads_an_upside_down_map_back(reference: torch.Tensor) -> None:
    prediction = (1 - reference).requires_grad_()
    loss, _ = losses.total(prediction, reference, WHOLE, PLAIN)
    (gradient,) = torch.autograd.grad(loss, prediction)
    assert (gradient * (reference - prediction)).sum() < 0


def test_invalid_pixels_change_neither_losses_nor_gradients(reference: torch.Tensor) -> None:
    mask = WHOLE.clone()
    mask[:, :5, :5] = False
    prediction = reference + 0.1 * torch.randn(reference.shape, generator=torch.Generator().manual_seed(1))
    disturbed = torch.where(mask, reference, 0), torch.where(mask, prediction, 9.0).requires_grad_()
    loss, parts = losses.total(prediction, reference, mask, WEIGHTS)
    same, same_parts = losses.total(disturbed[1], disturbed[0], mask, WEIGHTS)
    assert {k: float(v) for k, v in same_parts.items()} == pytest.approx(
        {k: float(v) for k, v in parts.items()}, rel=1e-4
    )
    (gradient,) = torch.autograd.grad(same, disturbed[1])
    assert gradient[~mask].abs().max() == 0
    assert gradient[mask].abs().max() > 0
    assert torch.isfinite(loss)


def test_a_picture_without_a_valid_pixel_is_harmless(reference: torch.Tensor) -> None:
    mask = WHOLE.clone()
    mask[1] = False
    prediction = torch.rand(reference.shape).requires_grad_()
    loss, _ = losses.total(prediction, torch.where(mask, reference, 0), mask, WEIGHTS)
    (gradient,) = torch.autograd.grad(loss, prediction)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


def test_trimming_forgives_outliers() -> None:
    residual = torch.ones(1, 10, 10)
    residual[0, 0, :5] = 1000
    mask = torch.ones(1, 10, 10, dtype=torch.bool)
    assert losses.trimmed(residual, mask, keep=0.9) == 1
    assert losses.trimmed(residual, mask, keep=1.0) == pytest.approx(float(residual.mean()))


def test_gradient_matching_sees_edges_but_no_offset(reference: torch.Tensor) -> None:
    assert losses.gradient_matching(torch.full_like(reference, 3.0), WHOLE) == 0
    assert losses.gradient_matching(reference - reference[:1], WHOLE) > 0.1


def test_gradient_matching_does_not_reach_across_holes() -> None:
    residual = torch.zeros(1, 16, 16)
    residual[:, :, 8:] = 5.0
    hole = torch.ones(1, 16, 16, dtype=torch.bool)
    assert losses.gradient_matching(residual, hole, scales=1) > 0
    hole[:, :, 8] = False
    assert losses.gradient_matching(residual, hole, scales=1) == 0


def test_the_relative_loss_asks_for_the_far_field() -> None:
    """The same error of inverse depth is a wrong factor far away and nothing near by."""
    reference = torch.linspace(0.02, 1, 32).expand(1, 32, 32).contiguous()
    whole = torch.ones(1, 32, 32, dtype=torch.bool)
    far, near = reference.clone(), reference.clone()
    far[:, ::2, :4] += 0.05
    near[:, ::2, -4:] -= 0.05
    assert losses.relative(far, reference, whole) > 2 * losses.relative(near, reference, whole)
