"""Networks are built without memory, filled as they are, and recognised by their tensors."""

from __future__ import annotations

import pickle
from copy import deepcopy

import pytest
import torch

from depthmap import networks
from depthmap.checkpoints import alike
from depthmap.errors import UnrecognisedFile, UsageError
from depthmap.networks import layers
from depthmap.networks.fusion import Context
from depthmap.networks.resnext import Bottleneck as Block

from .filling import filled


@pytest.fixture(params=networks.NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def tiny_state() -> dict[str, torch.Tensor]:
    module = networks.build("depthmap_tiny")
    return {name: torch.zeros(t.shape, dtype=t.dtype) for name, t in module.state_dict().items()}


def test_building_allocates_nothing_and_draws_no_random_number(network: str) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    module = networks.build(network)
    assert torch.equal(torch.get_rng_state(), before)
    assert not module.training
    tensors = [*module.parameters(), *module.buffers()]
    assert tensors
    assert {t.device.type for t in tensors} == {"meta"}


def test_every_tensor_is_in_the_state_dict(network: str) -> None:
    module = networks.build(network)
    names = {name for name, _ in [*module.named_parameters(), *module.named_buffers()]}
    assert names == set(module.state_dict())


def test_repeated_blocks_share_nothing_that_can_be_changed(network: str) -> None:
    module = networks.build(network)
    tensors = [*module.parameters(), *module.buffers()]
    assert len(tensors) == len(module.state_dict()), "no parameter stands for two"
    tables = [table for part in module.modules() for table in vars(part).values() if isinstance(table, dict)]
    assert len({id(table) for table in tables}) == len(tables)


def test_a_copy_is_like_what_the_constructor_makes() -> None:
    made, copied = (list(layers.alike(Block(8, 4, 4, 2, 1), 2))[i] for i in (0, 1))
    assert repr(copied) == repr(made)
    for one, other in zip(made.modules(), copied.modules(), strict=True):
        assert vars(one).keys() == vars(other).keys()
        assert one is not other
    with torch.inference_mode():
        for part in (made, copied):
            part.to_empty(device="cpu").eval()
            part.load_state_dict({name: torch.ones_like(t) for name, t in part.state_dict().items()})
        x = torch.rand(1, 8, 4, 4)
        assert torch.equal(made(x), copied(x))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_as_many_are_made_as_asked_for(count: int) -> None:
    assert len(list(layers.alike(torch.nn.Identity(), count))) == count


def test_the_embedded_network_is_small() -> None:
    assert sum(p.numel() for p in networks.build("depthmap_tiny").parameters()) <= 5_000_000


def test_the_embedded_network_can_be_trained() -> None:
    torch.manual_seed(0)
    module = networks.build("depthmap_tiny").to_empty(device="cpu").train()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            torch.nn.init.ones_(layer.weight)
    torch.nn.init.ones_(module.scratch.output_conv[4].bias)
    module(torch.randn(2, 3, 64, 64)).sum().backward()
    idle = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_each_position_of_the_context_sees_every_other_one() -> None:
    context = filled(Context(16, 1))
    x = torch.zeros(1, 16, 4, 12, requires_grad=True)
    context(x)[0, :, 0, 0].sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum(1).gt(0).all()


@pytest.mark.parametrize(("height", "width"), [(6, 8), (1, 1), (4, 12), (9, 5)])
def test_the_context_knows_where_it_is_at_any_size(height: int, width: int) -> None:
    context = filled(Context(16, 1))
    with torch.inference_mode():
        y = context(torch.zeros(1, 16, height, width))
    assert y.shape == (1, 16, height, width)
    assert y.flatten(2)[0].T.unique(dim=0).shape[0] == height * width


def test_the_embedded_network_reads_the_features_at_half_the_resolution() -> None:
    torch.manual_seed(0)
    module = filled(networks.build("depthmap_tiny"))
    half, quarter, *coarser = module.pretrained(torch.randn(1, 3, 64, 96))
    assert half.shape == (1, 16, 32, 48)
    assert [f.shape[2:] for f in (quarter, *coarser)] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    with torch.inference_mode():
        maps = [module.scratch([h, quarter, *coarser]) for h in (half, half.roll(1, 3))]
    assert maps[0].isfinite().all()
    assert maps[0].max() > 0
    assert not torch.equal(*maps)


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    for call in (networks.build, lambda name: networks.unused("x", name)):
        with pytest.raises(UsageError, match="dpt_large, dpt_hybrid, midas_v21, midas_small, depthmap_tiny"):
            call("dpt_huge")


def test_fill_casts_and_copies_nothing() -> None:
    state = {name: t.half() if t.is_floating_point() else t for name, t in tiny_state().items()}
    module = networks.build("depthmap_tiny")
    networks.fill(module, state)
    for name, tensor in module.state_dict().items():
        assert tensor.dtype == state[name].dtype
        assert tensor.data_ptr() == state[name].data_ptr()


def test_fill_leaves_parameters_parameters_and_frozen_ones_frozen() -> None:
    module = networks.build("depthmap_tiny")
    frozen = "scratch.output_conv.0.bias"
    module.get_parameter(frozen).requires_grad_(False)
    kinds = {name: type(tensor) for name, tensor in module.state_dict(keep_vars=True).items()}
    networks.fill(module, tiny_state())
    assert {name: type(tensor) for name, tensor in module.state_dict(keep_vars=True).items()} == kinds
    assert [name for name, p in module.named_parameters() if not p.requires_grad] == [frozen]


def test_a_filled_network_is_copied_moved_and_cast_like_any_other() -> None:
    module = networks.build("depthmap_tiny")
    networks.fill(module, tiny_state())
    copy = deepcopy(module).to("cpu", torch.float64)
    assert {p.dtype for p in copy.parameters()} == {torch.float64}
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    module.load_state_dict(copy.state_dict())


def test_fill_passes_over_unused_tensors() -> None:
    state = tiny_state()
    state["scratch.refinenet4.resConfUnit1.conv1.weight"] = torch.zeros(3)
    networks.fill(networks.build("depthmap_tiny"), state)


def test_fill_names_what_is_missing_unexpected_and_misshapen() -> None:
    state = tiny_state()
    del state["scratch.output_conv.4.bias"]
    state["scratch.output_conv.6.bias"] = torch.zeros(1)
    state["scratch.output_conv.0.bias"] = torch.zeros(99)
    module = networks.build("depthmap_tiny")
    with pytest.raises(UnrecognisedFile) as caught:
        networks.fill(module, state)
    message = str(caught.value)
    assert "1 missing (scratch.output_conv.4.bias)" in message
    assert "1 unexpected (scratch.output_conv.6.bias)" in message
    assert "1 of another shape (scratch.output_conv.0.bias is (99,), not (16,))" in message
    assert all(p.is_meta for p in module.parameters()), "a refused state must leave the module as it was"
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("scratch.output_conv.0.bias", torch.zeros(99), "1 of another shape"),
        ("scratch.output_conv.0.bias", torch.zeros(1, 16), "1 of another shape"),
        ("scratch.output_conv.0.bias", None, "1 missing"),
        ("scratch.output_conv.6.bias", torch.zeros(1), "1 unexpected"),
    ],
)
def test_fill_refuses_a_single_difference(name: str, tensor: torch.Tensor | None, said: str) -> None:
    state = {k: t for k, t in {**tiny_state(), name: tensor}.items() if t is not None}
    with pytest.raises(UnrecognisedFile, match=f"network: {said}"):
        networks.fill(networks.build("depthmap_tiny"), state)


def test_fill_refuses_integers_for_weights() -> None:
    state = tiny_state()
    state["scratch.output_conv.0.bias"] = torch.zeros(16, dtype=torch.int8)
    with pytest.raises(
        UnrecognisedFile, match=r"1 of another kind of number \(scratch\.output_conv\.0\.bias\)"
    ):
        networks.fill(networks.build("depthmap_tiny"), state)


def test_fill_counts_many_differences_and_names_the_first() -> None:
    with pytest.raises(UnrecognisedFile, match=r"missing \(pretrained\.layer1\.0\.weight, .*, …\)"):
        networks.fill(networks.build("midas_small"), {})


def test_recognises_each_network_with_and_without_its_unused_tensors(network: str) -> None:
    shapes = dict(networks.expected_shapes(network))
    first = alike(network)[0]
    assert networks.recognise(shapes) == first
    unused = {f"{prefix}x": (256,) for prefix in networks.unused_prefixes(network)}
    assert all(networks.unused(name, network) for name in unused)
    assert networks.recognise({**shapes, **unused}) == first


def test_a_network_with_one_tensor_changed_is_not_recognised_but_named_as_the_nearest(network: str) -> None:
    shapes = dict(networks.expected_shapes(network))
    last = list(shapes)[-1]
    for changed in (
        {**shapes, last: (7, 7)},
        {**shapes, "extra.weight": (1,)},
        {name: shape for name, shape in shapes.items() if name != last},
    ):
        with pytest.raises(
            UnrecognisedFile, match=f"nearest, {alike(network)[0]}, has {len(shapes)}: 1 "
        ) as caught:
            networks.recognise(changed)
        assert last in str(caught.value) or "extra.weight" in str(caught.value)


@pytest.mark.parametrize(
    ("shapes", "found"),
    [
        ({}, r"The 0 tensors found .* \(nothing\)"),
        ({"a": (1,), "b": (), "c": (2,), "d": (3,)}, r"The 4 tensors found .* \(a, b, c, …\)"),
    ],
)
def test_what_is_no_network_is_refused_with_what_was_found(
    shapes: dict[str, tuple[int, ...]], found: str
) -> None:
    with pytest.raises(UnrecognisedFile, match=found) as caught:
        networks.recognise(shapes)
    assert "nearest" not in str(caught.value)
    assert "models list --all" in caught.value.remedy


def test_the_classifier_is_unused_only_where_it_is_published() -> None:
    assert networks.unused("pretrained.model.head.weight", "dpt_hybrid")
    assert networks.unused("pretrained.model.norm.bias", "dpt_large")
    assert not networks.unused("pretrained.model.norm.bias", "midas_small")
    assert not networks.unused("pretrained.model.blocks.0.norm1.bias", "dpt_large")
