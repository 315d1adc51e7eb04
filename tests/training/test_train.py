"""The network in training, the schedule, and the file that ships."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from scenes import random_state
from torch import nn
from training.config import ABLATIONS, Config, Stage
from training.metrics import Errors

from depthmap.catalog import EMBEDDED
from depthmap.networks import build, expected_shapes, fill, folding
from training import ablate, data, export, network, soup, train, unfold

ADDED = (".context.", "layer0_rn", "refinenet0")
"""Parts that the first networks had not."""


@pytest.fixture
def filled() -> nn.Module:
    module = build(EMBEDDED.network)
    fill(module, random_state())
    return module


def test_training_arithmetic_is_the_networks(filled: nn.Module) -> None:
    """Norms folded into convolutions change nothing but rounding and the sign below zero."""
    pictures = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    names = list(filled.state_dict())
    with torch.no_grad():
        expected = filled(pictures)
        network.make_trainable(filled)
        found = filled(pictures.contiguous(memory_format=torch.channels_last))
    assert expected.max() > 0
    assert torch.allclose(found.clamp(min=0), expected, atol=1e-4 * float(expected.max()), rtol=1e-4)
    assert list(filled.state_dict()) == names


def test_every_batch_norm_has_its_convolution(filled: nn.Module) -> None:
    pairs = list(folding.pairs(filled))
    assert len(pairs) == sum(isinstance(m, nn.BatchNorm2d) for m in filled.modules())
    assert all(convolution.out_channels == norm.num_features for convolution, norm in pairs)


def test_the_optimiser_holds_every_parameter_but_the_first_layers_once(filled: nn.Module) -> None:
    groups = train.parameter_groups(filled, Config())
    held = [id(p) for group in groups for p in group["params"]]
    first = {id(p) for p in filled.get_submodule("pretrained.layer1").parameters()}
    assert len(held) == len(set(held))
    assert set(held) | first == {id(p) for p in filled.parameters()}
    assert not set(held) & first


def test_the_rate_rises_stays_and_falls() -> None:
    shapes = {(64, 96): 1.0}
    config = Config(
        warm_up=10, stages=(Stage(50, shapes), Stage(12, shapes, decay=True), Stage(8, shapes, decay=True))
    )
    factors = [config.rate_factor(step) for step in range(config.steps)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[9:50] == [1.0] * 41
    assert factors[50:] == sorted(factors[50:], reverse=True)
    assert 0 < factors[-1] <= 0.051


def test_stages_follow_each_other_and_can_be_made_longer() -> None:
    shapes = {(64, 96): 1.0}
    config = Config(stages=(Stage(2, shapes, encoder=False), Stage(3, shapes), Stage(4, shapes, decay=True)))
    longer = config.with_steps(1, 5)
    assert [config.stage(step).steps for step in range(config.steps)] == [2] * 2 + [3] * 3 + [4] * 4
    assert [longer.stages.index(longer.stage(step)) for step in range(longer.steps)] == [0] * 2 + [1] * 5 + [
        2
    ] * 4
    assert config.stage(99) == config.stages[-1]


def test_a_step_that_was_halted_counts_as_four() -> None:
    clock = train.Clock()
    for _ in range(20):
        clock.add(1.0)
    clock.add(900.0)
    assert clock.seconds == 24.0


def test_norms_of_the_decoder_are_folded_into_it() -> None:
    """Whatever they have gathered and learned, the network that ships computes the same."""
    trained = build(EMBEDDED.network)
    fill(trained, random_state())
    network.make_trainable(trained)
    network.add_norms(trained)
    norms = [m for name, m in trained.named_modules() if name.endswith(".norm")]
    generator = torch.Generator().manual_seed(6)
    for norm in norms:
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensor.data = 0.5 + torch.rand(tensor.shape, generator=generator)
    network.freeze_norms(trained, frozen=True)
    shipped = build(EMBEDDED.network)
    state = trained.state_dict()
    assert len(norms) == 21
    fill(shipped, network.folded(state))
    pictures = torch.randn(2, 3, 64, 96, generator=generator)
    with torch.no_grad():
        expected, found = trained(pictures).clamp(min=0), shipped(pictures)
    assert expected.max() > 0
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.max()), rtol=1e-3)


def test_unfolded_weights_are_what_they_were_before_they_were_folded(filled: nn.Module) -> None:
    weights = random_state()
    pictures = torch.randn(4, 3, 96, 128, generator=torch.Generator().manual_seed(7))
    state = unfold.unfolded(weights, [pictures])
    again = network.folded(state)
    assert again.keys() == weights.keys()
    assert all(
        torch.allclose(again[name].float(), t.float(), rtol=1e-4, atol=1e-5) for name, t in weights.items()
    )
    with torch.no_grad():
        expected = filled(pictures)
        network.make_trainable(filled)
        network.add_norms(filled)
        filled.load_state_dict(state)
        network.freeze_norms(filled, frozen=False)
        found = filled(pictures).clamp(min=0)
    # not equal: the variance that a norm gathers is unbiased, the one it divides by is not
    assert (found - expected).abs().mean() < 0.05 * expected.mean()


@pytest.mark.parametrize("norms", [True, False])
def test_the_transformer_and_the_half_resolution_start_silent_and_learn(encoder: Path, norms: bool) -> None:
    torch.manual_seed(0)
    fresh = network.fresh(encoder).eval()
    network.make_trainable(fresh)
    if norms:
        network.add_norms(fresh)
    scratch, pictures = fresh.get_submodule("scratch"), torch.randn(2, 3, 64, 96)
    half, *features = fresh.get_submodule("pretrained")(pictures)
    coarsest = torch.randn(1, 160, 2, 3)
    assert torch.equal(
        scratch.get_submodule("context")(coarsest), scratch.get_submodule("context")(coarsest * 0) + coarsest
    )
    maps = [scratch([h, *features]) for h in (half, half * 0)]
    assert torch.equal(*maps)
    (maps[0] * torch.randn(2, 64, 96)).sum().backward()
    idle = [
        name for name, p in scratch.named_parameters() if name.endswith(network.SILENT) and not p.grad.any()
    ]
    assert idle == []


def test_a_halved_head_gives_maps_of_half_the_size(filled: nn.Module) -> None:
    pictures = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        network.halve(filled, True)
        assert filled(pictures).shape == (1, 32, 48)
        network.halve(filled, False)
        assert filled(pictures).shape == (1, 64, 96)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    torch.save(random_state(), tmp_path / "encoder.pt")
    return tmp_path / "encoder.pt"


TINY = Config(
    shares={"hall": 2, "street": 2},
    warm_up=2,
    score_minutes=1e9,
    checkpoint_minutes=1e9,
    stages=(
        Stage(2, {(32, 64): 1.0}, encoder=False),
        Stage(2, {(32, 64): 1.0}, half=True),
        Stage(2, {(64, 32): 1.0}, decay=True, frozen_norms=True),
    ),
)


@pytest.fixture
def sampler(folder: Path) -> data.Sampler:
    return data.Sampler(data.read_sources(folder), TINY.shares, TINY.seed)


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    folder: Path, encoder: Path, tmp_path: Path, sampler: data.Sampler
) -> None:
    whole = train.Run(tmp_path / "whole", TINY, encoder)
    train.train(whole, sampler, folder, scored=False)
    first = train.Run(tmp_path / "parts", TINY, encoder)
    for batch in sampler.ahead(0, [TINY.stages[0]] * 3):
        first.train_on(batch)
    first.save()
    again = train.Run(tmp_path / "parts", TINY)
    assert again.step == 3
    train.train(again, sampler, folder, scored=False)
    ended, expected = (torch.load(tmp_path / name / "ema.pt") for name in ("parts", "whole"))
    assert ended.keys() == expected_shapes(EMBEDDED.network).keys()
    assert all(torch.allclose(ended[name].float(), expected[name].float(), atol=1e-5) for name in expected)
    assert not torch.allclose(ended["scratch.layer1_rn.weight"], first.weights()["scratch.layer1_rn.weight"])


@pytest.fixture
def ended(folder: Path, encoder: Path, tmp_path: Path, sampler: data.Sampler) -> train.Run:
    """A run that is over."""
    run = train.Run(tmp_path / "first", TINY, encoder)
    train.train(run, sampler, folder, scored=False)
    return run


@pytest.mark.slow
def test_a_longer_run_can_start_where_the_rates_began_to_fall(ended: train.Run, tmp_path: Path) -> None:
    longer = train.Run(tmp_path / "longer", TINY.with_steps(1, 9), start=ended.folder / "stable.pt")
    assert longer.step == 4
    assert longer.config.rate_factor(longer.step) == 1


@pytest.mark.slow
def test_a_further_run_counts_its_own_steps_from_the_end_of_another(
    ended: train.Run, tmp_path: Path, sampler: data.Sampler
) -> None:
    config = replace(TINY, anew=True, encoder_rate=TINY.encoder_rate / 2)
    further = train.Run(tmp_path / "further", config, start=ended.folder / "last.pt")
    assert further.step == 0
    own, earlier = (run.optimizer.param_groups[0]["peak"] for run in (further, ended))
    assert own == earlier / 2, "its rates are its own"
    assert all(torch.equal(further.network.state_dict()[k], t) for k, t in ended.network.state_dict().items())
    for batch in sampler.ahead(0, [TINY.stages[0]] * 3):
        further.train_on(batch)
    further.save()
    again = train.Run(tmp_path / "further", config, start=ended.folder / "last.pt")
    assert again.step == 3


@pytest.mark.slow
def test_a_run_can_start_from_unfolded_weights(folder: Path, tmp_path: Path, sampler: data.Sampler) -> None:
    weights = random_state()
    state = unfold.unfolded(weights, [sampler.batch(0, TINY.stages[0]).pictures])
    torch.save({"network": state}, tmp_path / "state.pt")
    begun = train.Run(tmp_path / "begun", TINY, start=tmp_path / "state.pt")
    assert begun.step == 0
    assert all(torch.equal(begun.network.state_dict()[name], tensor) for name, tensor in state.items())
    train.train(begun, sampler, folder, scored=False)
    assert not torch.allclose(
        begun.weights()["scratch.layer1_rn.weight"], weights["scratch.layer1_rn.weight"]
    )


@pytest.mark.slow
def test_a_run_can_start_from_a_network_that_lacked_some_parts(
    folder: Path, ended: train.Run, tmp_path: Path, sampler: data.Sampler
) -> None:
    state = torch.load(ended.folder / "last.pt")
    new = {name for name in state["network"] if ".context." in name}
    state["network"] = {name: tensor for name, tensor in state["network"].items() if name not in new}
    torch.save(state, tmp_path / "smaller.pt")
    grown = train.Run(tmp_path / "grown", TINY, start=tmp_path / "smaller.pt")
    assert new
    assert grown.step == 0
    for held in (grown.network.state_dict(), grown.average.state):
        assert all(torch.equal(held[name], tensor) for name, tensor in state["network"].items())
    train.train(grown, sampler, folder, scored=False)
    again = train.Run(tmp_path / "grown", TINY)
    assert again.step == TINY.steps


@pytest.mark.parametrize(
    ("capability", "device", "expected"),
    [
        ("AVX512", "cpu", torch.bfloat16),
        ("AVX2", "cpu", torch.float32),
        ("DEFAULT", "cpu", torch.float32),
        ("AVX2", "cuda", torch.bfloat16),
    ],
)
def test_a_step_computes_in_bfloat16_where_that_is_not_imitated(
    capability: str, device: str, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert train.activation_type(torch.device(device)) == expected


def test_the_average_follows_the_network(filled: nn.Module) -> None:
    average = train.Average(filled, decay=0.5)
    name = "scratch.output_conv.4.bias"
    with torch.no_grad():
        filled.get_parameter(name).add_(1)
    before = average.state[name].clone()
    average.update(step=1000)
    assert torch.allclose(average.state[name], before + 0.5)


def test_the_ablations_differ_from_their_base_in_one_thing() -> None:
    base, *others = (asdict(config) for config in ABLATIONS.values())
    changed = [{key for key in base if other[key] != base[key]} for other in others]
    assert all(keys in ({"weights"}, {"disturbed"}) for keys in changed)
    for config in list(ABLATIONS.values())[1:]:
        assert config.stages == ABLATIONS["base"].stages


def test_a_variant_begins_with_the_state_of_a_run_and_is_trained_once(
    folder: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = train.Run(tmp_path / "start", TINY, encoder)
    start.step = 2
    start.save()
    tiny = replace(TINY, anew=True)
    monkeypatch.setitem(ABLATIONS, "tiny", tiny)
    sources, common = data.read_sources(folder), (folder, tmp_path / "start" / "last.pt")
    begun: list[train.Run] = []
    monkeypatch.setattr(ablate, "train", lambda run, *_, **__: begun.append(run) or run.save())
    for _ in range(2):
        ablate.trained("tiny", 3, tmp_path / "run", sources, common[1], common[0])
    (only,) = begun
    assert only.step == 0
    assert only.config == replace(tiny, seed=3)
    name = "scratch.layer1_rn.weight"
    assert torch.equal(only.weights()[name], start.weights()[name])


def test_the_mean_of_runs_is_that_of_each_tensor() -> None:
    whole = random_state()
    earlier = {name: 3 * t for name, t in whole.items() if not any(part in name for part in ADDED)}
    mean = soup.mean([whole, earlier])
    assert list(mean) == list(whole)
    assert torch.allclose(mean["scratch.layer1_rn.weight"], 2 * whole["scratch.layer1_rn.weight"])
    assert torch.equal(mean["scratch.context.pos_embed"], whole["scratch.context.pos_embed"])
    with pytest.raises(ValueError, match="the first state lacks"):
        soup.mean([earlier, whole])


def test_an_absent_part_of_one_run_alone_changes_nothing(filled: nn.Module) -> None:
    whole = random_state()
    earlier = {name: t for name, t in whole.items() if not any(part in name for part in ADDED)}
    silent = {name: 2 * m - whole[name] for name, m in soup.mean([whole, earlier]).items() if name in whole}
    fill(filled, silent)
    half, *features = filled.get_submodule("pretrained")(torch.randn(1, 3, 64, 96))
    scratch, coarsest = filled.get_submodule("scratch"), torch.randn(1, 160, 2, 3)
    with torch.no_grad():
        assert torch.allclose(*(scratch([h, *features]) for h in (half, half * 0)), atol=1e-5)
        context = scratch.get_submodule("context")
        assert torch.allclose(context(coarsest) - context(coarsest * 0), coarsest, atol=1e-4)


def test_the_table_of_ablations_has_a_row_each() -> None:
    def errors(room: float) -> dict[str, Errors]:
        return {"room": Errors(0.1, room, 0.1, 3.0, 4.0), "street": Errors(0.1, 40.0, 0.1)}

    rows = ablate.table({"base": [errors(20.0), errors(24.0)]})
    assert "| base | 22.0 | 40.0 | 31.0 (30.0 to 32.0) | 3.00, 4.00 |" in rows


def test_an_export_is_half_the_size_and_predicts_the_same(filled: nn.Module, tmp_path: Path) -> None:
    state = random_state()
    path = tmp_path / "weights.pt"
    torch.save(export.halved(state), path)
    assert path.stat().st_size < export.LIMIT
    shipped = torch.load(path, weights_only=True)
    assert {k: v.dtype for k, v in shipped.items() if v.ndim == 1}.keys() == {
        k for k, v in state.items() if v.ndim == 1
    }
    assert all(v.dtype == (torch.float16 if v.ndim > 1 else state[k].dtype) for k, v in shipped.items())
    again = build(EMBEDDED.network)
    fill(again, {k: v.float() if v.is_floating_point() else v for k, v in shipped.items()})
    pictures = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected, found = filled(pictures), again(pictures)
    assert (found - expected).abs().max() < 0.02 * expected.max()
    assert export.parameters(shipped) < 5_000_000
