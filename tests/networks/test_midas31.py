"""The networks of MiDaS v3.1 are the official ones: same tensors, same function, same way from picture to map."""

from __future__ import annotations

import gc
import math
import zlib
from collections.abc import Iterator, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from depthmap import checkpoints, networks
from depthmap.catalog import CATALOG, ModelSpec, of_network
from depthmap.errors import UnrecognisedFile, UsageError
from depthmap.families import family_of
from depthmap.networks import midas31
from depthmap.transforms import prepare, restore

from . import modern
from .modern import goldens, network_input, relative_error

NETWORK = 1e-5
PICTURE = 1e-4
OTHERWISE_ROUNDED = 0.1
"""In the reference of LeViT scores grow until its attention is all or nothing, so rounding is magnified 300,000 times:
the official output in float32 is 3 % of the largest value away from that in float64."""
REFERENCE_ROUNDING = 0xDDD08105
"""What the check of `as_in_reference` gives on processors such as the one that made the reference."""
WITH_GOLDENS = (
    "dpt_swin2_tiny_256",
    "dpt_levit_224",
    "dpt_beit_base_384",
    "dpt_beit_large_512",
    "dpt_swin2_large_384",
)
LARGE = ("dpt_beit_large_512", "dpt_swin2_large_384", "dpt_beit_base_384")


def each(*slow: str) -> pytest.MarkDecorator:
    """Run a test on each network, filled; on some only among the slow tests."""
    params = [pytest.param(name, marks=pytest.mark.slow if name in slow else ()) for name in WITH_GOLDENS]
    return pytest.mark.parametrize("filled", params, indirect=True)


def spec_of(network: str) -> ModelSpec:
    return of_network(network, CATALOG)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The reference was made with one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Filled:
    """One network, filled with its synthetic checkpoint."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module: nn.Module = networks.build(name)
        networks.fill(self.module, modern.state(name, networks.unused_prefixes(name)))
        self.tolerance = NETWORK if name != "dpt_levit_224" or as_in_reference() else OTHERWISE_ROUNDED

    def run(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            result: Tensor = self.module(x)
        return result


def as_in_reference() -> bool:
    """Tell whether torch rounds here as where the reference was made."""
    random = torch.Generator().manual_seed(0)
    picture, kernel, matrix = (
        torch.randn(shape, generator=random) for shape in ((1, 48, 112, 112), (96, 48, 3, 3), (196, 384))
    )
    scores = (matrix @ matrix.T).softmax(-1)
    bits = F.conv2d(picture, kernel, stride=2, padding=1).numpy().tobytes() + scores.numpy().tobytes()
    return zlib.crc32(bits) == REFERENCE_ROUNDING


@pytest.fixture(scope="module")
def filled(request: pytest.FixtureRequest) -> Iterator[Filled]:
    """The network that a test asks for; pytest orders the tests so that only one is in memory."""
    network = Filled(request.param)
    yield network
    del network.module
    gc.collect()


@pytest.mark.parametrize("name", WITH_GOLDENS)
def test_tensors_are_the_published_ones_in_their_order(name: str) -> None:
    unused = networks.unused_prefixes(name)
    ours = [(n, tuple(t.shape), str(t.dtype)) for n, t in networks.build(name).state_dict().items()]
    published = [(n, shape, f"torch.{dtype}") for n, shape, dtype in modern.synthetic.layout(name)]
    assert ours == [tensor for tensor in published if not tensor[0].startswith(unused)]
    for prefix in unused:
        assert any(n.startswith(prefix) for n, *_ in published), f"{prefix} is of no tensor"


def parameters(shapes: Mapping[str, tuple[int, ...]]) -> int:
    buffers = ("relative_position_index", "attn_mask")
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(buffers))


def test_the_networks_without_goldens_have_as_many_parameters_as_published() -> None:
    """They are another's with other numbers: of places in BEiT's tables, and of channels in Swin's stages."""
    own = {name: networks.expected_shapes(name) for name in midas31.VARIANTS}
    published = modern.layout("dpt_beit_large_512")
    unread = parameters(published) - parameters(own["dpt_beit_large_512"])
    assert parameters(published) == 345_014_441
    assert parameters(own["dpt_beit_large_384"]) + unread == 344_338_601
    assert own["dpt_beit_large_384"].keys() == own["dpt_beit_large_512"].keys()

    published = modern.layout("dpt_swin2_large_384")
    large, base = own["dpt_swin2_large_384"], own["dpt_swin2_base_384"]
    assert parameters(published) == 213_411_869
    unread = parameters(published) - parameters(large) - (1536 - 1024) * 1002  # the classifier and its norm
    assert round((parameters(base) + unread) / 1e6) == 102
    assert base.keys() == large.keys()


@each(*LARGE)
def test_outputs_are_those_of_the_official_network(filled: Filled) -> None:
    cases = list(goldens(filled.name, "net"))
    assert cases
    for case in cases:
        ours = filled.run(network_input(case.height, case.width, case.seed))
        assert ours.shape == (1, case.height, case.width)
        assert ours.dtype == torch.float32
        assert relative_error(ours[0, ::4, ::4], case.array) < filled.tolerance


@each(*LARGE)
def test_the_way_from_picture_to_map_is_the_official_one(filled: Filled) -> None:
    cases = list(goldens(filled.name, "depth"))
    assert cases
    for case in cases:
        x = prepare(modern.picture(case), spec_of(filled.name))
        output = filled.run(torch.from_numpy(x)[None])[0].numpy()
        depth = restore(output, case.height, case.width, spec_of(filled.name).family.restored)
        assert relative_error(depth[::8, ::8], case.array) < max(PICTURE, filled.tolerance)


@pytest.mark.parametrize("name", WITH_GOLDENS)
def test_the_input_is_that_of_the_official_transform(name: str) -> None:
    shapes = {golden.key: golden.array for golden in goldens(name, "inputshape")}
    cases = list(goldens(name, "input"))
    assert len(cases) == len(shapes) > 0
    for case in cases:
        ours = prepare(modern.picture(case), spec_of(name))
        assert (1, *ours.shape) == tuple(shapes[case.key])
        assert relative_error(ours[:, ::8, ::8], case.array) < PICTURE


def test_what_is_said_of_their_families_is_true_of_each() -> None:
    for name, variant in midas31.VARIANTS.items():
        fixed = variant.size if isinstance(variant, midas31.SquareVariant) else 0
        assert family_of(name).fixed == fixed
        assert spec_of(name).input_size == int(name.rsplit("_", 1)[1])
        assert spec_of(name).resize == ("square" if fixed else "minimal")


def test_a_description_of_a_network_of_one_size_with_another_size_is_refused() -> None:
    spec = spec_of("dpt_levit_224").to_dict()
    assert ModelSpec.from_dict(spec) == spec_of("dpt_levit_224")
    for change in ({"input_size": 256}, {"resize": "minimal"}):
        with pytest.raises(UsageError, match="squares of 224"):
            ModelSpec.from_dict({**spec, **change})


@pytest.mark.parametrize("name", midas31.VARIANTS)
def test_a_file_is_recognised_with_and_without_what_is_never_read(name: str) -> None:
    shapes = dict(networks.expected_shapes(name))
    assert checkpoints.recognise(shapes) == name
    if name in WITH_GOLDENS:
        assert checkpoints.recognise(modern.layout(name)) == name
        checkpoints.require_fit(name, {n: (d, s) for n, s, d in modern.synthetic.layout(name)})


def test_what_one_network_never_reads_is_not_passed_over_in_another() -> None:
    """LeViT has a third fusion block without its first unit; in every other network that unit is read."""
    name = "scratch.refinenet3.resConfUnit1.conv9.bias"
    shapes: dict[str, tuple[int, ...]] = {name: (256,)}
    assert checkpoints.recognise({**networks.expected_shapes("dpt_levit_224"), **shapes}) == "dpt_levit_224"
    with pytest.raises(UnrecognisedFile, match=r"1 unexpected \(scratch\.refinenet3"):
        checkpoints.recognise({**networks.expected_shapes("dpt_large"), **shapes})
    own = checkpoints.expected("dpt_swin2_tiny_256").tensors
    state = {n: torch.empty(s, dtype=getattr(torch, d), device="meta") for n, (d, s) in own.items()}
    with pytest.raises(UnrecognisedFile, match=r"1 unexpected \(scratch\.refinenet3"):
        checkpoints.require_fit("dpt_swin2_tiny_256", {**own, name: ("float32", (256,))})
    with pytest.raises(UnrecognisedFile, match=r"1 unexpected \(scratch\.refinenet3"):
        networks.fill(networks.build("dpt_swin2_tiny_256"), {**state, name: torch.empty(256)})


@pytest.mark.parametrize("name", midas31.VARIANTS)
def test_building_allocates_nothing_and_no_tensor_is_outside_the_state_dict(name: str) -> None:
    module = midas31.VARIANTS[name].build()
    tensors = dict([*module.named_parameters(), *module.named_buffers()])
    assert {t.device.type for t in tensors.values()} == {"meta"}
    assert tensors.keys() == module.state_dict().keys()
    assert len({id(t) for t in tensors.values()}) == len(tensors)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if "large" in n else ()) for n in midas31.VARIANTS]
)
def test_every_parameter_has_a_part_in_the_output(name: str) -> None:
    module = networks.build(name)
    side = family_of(name).fixed or 64
    output = module(torch.empty(1, 3, side, side, device="meta"))
    named = dict(module.named_parameters())
    gradients = torch.autograd.grad(output.sum(), list(named.values()), allow_unused=True)
    assert output.shape == (1, side, side)
    assert [n for n, gradient in zip(named, gradients, strict=True) if gradient is None] == []


@each(*LARGE)
def test_a_batch_gives_what_its_pictures_give_one_by_one(filled: Filled) -> None:
    side = family_of(filled.name).fixed
    size = (side, side) if side else (64, 96)
    pictures = torch.cat([network_input(*size, seed) for seed in range(2)])
    singles = torch.cat([filled.run(picture[None]) for picture in pictures])
    # a batch is rounded otherwise
    tolerance = OTHERWISE_ROUNDED if filled.name == "dpt_levit_224" else NETWORK
    assert relative_error(filled.run(pictures), singles) < tolerance
    assert relative_error(singles[0], singles[1]) > tolerance


@pytest.mark.slow
@pytest.mark.parametrize("filled", ["dpt_beit_base_384"], indirect=True)
def test_export_can_leave_the_sizes_open_where_they_are_not_fixed(filled: Filled) -> None:
    sides = {2: 32 * torch.export.Dim("h", max=64), 3: 32 * torch.export.Dim("w", max=64)}
    with torch.no_grad():
        program = torch.export.export(filled.module, (network_input(64, 96),), dynamic_shapes={"x": sides})
        other = network_input(96, 128)
        exported = program.module()(other)
    assert relative_error(exported, filled.run(other)) < NETWORK
