"""The artefact: a graph, and where in the file of weights its tensors lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import depthmap
from depthmap import formats, networks
from depthmap.cache.compiling import artefact
from depthmap.catalog import CATALOG, EMBEDDED
from depthmap.engines import ENGINES
from depthmap.engines.artefact import GRAPHS, bind, graph_of, properties_of, weights_id
from depthmap.errors import UnrecognisedFile
from depthmap.families import FAMILIES, family_of
from depthmap.networks import midas31
from depthmap.store import digest_file

SHIPPED = Path(depthmap.__file__).parent / "embedded" / EMBEDDED.embedded


def test_there_is_a_graph_for_every_network() -> None:
    assert {path.stem for path in GRAPHS.glob("*.onnx")} == set(networks.NETWORKS)


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_a_graph_reads_the_tensors_that_the_network_reads_and_no_others(network: str) -> None:
    graph = onnx.load_from_string(graph_of(network)).graph
    made = {output for node in graph.node for output in node.output}
    constants = {constant.name for constant in graph.initializer}
    inputs = family_of(network).inputs
    read = {name for node in graph.node for name in node.input if name} - made - constants - set(inputs)
    assert read == {n for n in networks.expected_shapes(network) if not n.endswith("num_batches_tracked")}
    assert [value.name for value in graph.input] == list(inputs)
    assert [value.name for value in graph.output] == list(family_of(network).outputs)
    assert sum(len(constant.raw_data) for constant in graph.initializer) < 100_000, "it has weights"


def test_every_tensor_of_an_artefact_lies_where_the_file_has_it(tiny_checkpoint: Path) -> None:
    model = onnx.load_from_string(
        artefact("depthmap_tiny", formats.scan(tiny_checkpoint), {"weights": "pt x"})
    )
    content = tiny_checkpoint.read_bytes()
    tensors = torch.load(tiny_checkpoint, weights_only=True)
    external = [entry for entry in model.graph.initializer if entry.external_data]
    assert len(external) > 200
    for entry in external:
        place = {item.key: item.value for item in entry.external_data}
        assert place["location"] == tiny_checkpoint.name
        start = int(place["offset"])
        values = np.frombuffer(content[start : start + int(place["length"])], np.float32)
        assert np.array_equal(values.reshape(entry.dims), tensors[entry.name].numpy()), entry.name


def test_half_precision_weights_are_cast_before_they_are_used() -> None:
    model = onnx.load(SHIPPED.with_suffix(".engine.onnx"), load_external_data=False)
    halves = {e.name for e in model.graph.initializer if e.data_type == onnx.TensorProto.FLOAT16}
    casts = [node for node in model.graph.node[: len(halves)] if node.op_type == "Cast"]
    assert halves
    assert {node.input[0] for node in casts} == halves


def test_what_cannot_be_used_in_place_is_refused(tmp_path: Path, tiny_checkpoint: Path) -> None:
    tensors = torch.load(tiny_checkpoint, weights_only=True)
    path = tmp_path / "strided.pt"
    torch.save({name: t.t().contiguous().t() if t.ndim == 2 else t for name, t in tensors.items()}, path)
    wrapped = tmp_path / "wrapped.pt"
    torch.save({"state_dict": tensors}, wrapped)
    with pytest.raises(UnrecognisedFile, match="in place"):
        bind("depthmap_tiny", formats.scan(wrapped), tensors, {})


@given(st.dictionaries(st.text(max_size=40), st.text(max_size=60), max_size=12))
def test_properties_are_read_back(properties: dict[str, str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "artefact.onnx"
        layout = formats.Layout(Path("weights.pt"), {})
        path.write_bytes(bind("depthmap_tiny", layout, (), properties))
        assert properties_of(path) == properties


@given(st.binary(max_size=300))
def test_other_files_have_no_properties(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "artefact.onnx"
        path.write_bytes(content)
        assert properties_of(path) == {}
        assert properties_of(path.parent) == {}
        assert properties_of(path.parent / "missing") == {}


def test_the_artefact_in_the_package_is_what_its_weights_and_its_graph_make() -> None:
    shipped = SHIPPED.with_suffix(".engine.onnx")
    said = properties_of(shipped)
    assert said["weights"] == weights_id("pt", digest_file(SHIPPED).sha256)
    assert {f"parity:{engine}" for engine in ENGINES} <= set(said)
    made = artefact(EMBEDDED.network, formats.scan(SHIPPED), said)
    assert shipped.read_bytes() == made, "run: python -m tools.embedded"


def test_the_embedded_model_is_at_most_10_mb_with_its_artefact() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.parent.glob("depthmap_tiny.*")) <= 10_000_000


# Of networks that are alike in code and differ in numbers, one of each kind.
ONE_OF_A_KIND = (
    "dpt_beit_base_384",
    "dpt_swin2_tiny_256",
    "dpt_levit_224",
    "da3_mono_large",
    "da3_small",
    "depth_pro",
)
EXPORTED = [
    n
    for n in networks.NETWORKS
    if n in ONE_OF_A_KIND
    or n.endswith(("small", "small_normal"))
    or n not in FAMILIES.keys() | midas31.VARIANTS.keys()
]


@pytest.mark.slow  # torch's exporter takes half a minute
@pytest.mark.parametrize("network", EXPORTED)
def test_the_graphs_in_the_package_are_those_of_the_networks(network: str, tmp_path: Path) -> None:
    from tools.graphs import make

    assert make(network, tmp_path).read_bytes() == graph_of(network), "run: python -m tools.graphs"


def test_every_model_of_the_catalogue_has_a_network_with_a_graph() -> None:
    listed = {spec.network for spec in CATALOG.values()}
    assert listed <= set(networks.NETWORKS)
    assert set(networks.NETWORKS) - listed <= set(midas31.VARIANTS)
