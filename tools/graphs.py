"""Make the graphs of ``depthmap/engines/graphs``: ``python -m tools.graphs [NETWORK ...]``.

A graph is an ONNX model without weights: its inputs are the picture and every tensor that the network reads, under
the tensor's name in the checkpoint. `depthmap.engines.artefact` binds it to a file of weights. It depends on the
network's code alone, so it is made once, by whoever changes the network, and no user's machine needs an exporter.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir
import torch
from onnx_ir.passes.common import CommonSubexpressionEliminationPass, RemoveUnusedNodesPass
from onnxscript import optimizer
from torch import nn

from depthmap.engines.artefact import GRAPHS
from depthmap.families import MIDAS31, Family, family_of
from depthmap.networks import NETWORKS, build

SMALL, SMALL_MIDAS31 = 4096, 256
"""Numbers up to which a constant is computed while the graph is made. MiDaS v3.1 has tables of places that are
constants where the size is one, 237 KB of them in a graph: engines compute these from a few numbers."""
_AXES: dict[int, list[str]] = {
    1: ["n"],
    2: ["n", "numbers"],
    3: ["n", "rows", "columns"],
    4: ["n", "channels", "rows", "columns"],
}
"""What an output's axes are called, by how many it has."""


def exported(network: nn.Module, family: Family) -> ir.Model:
    """Return a network as exported by torch, for all numbers of pictures and all sizes that its family takes."""
    others = family.inputs[1:]
    batch = {} if family.alone else {0: torch.export.Dim("n", min=1, max=4096)}
    pictures = 1 if family.alone else 2
    height, width = (family.fixed or count * family.multiple for count in (8, 6))
    axes = {} if family.fixed else {2: "rows", 3: "columns"}
    sides = {a: family.multiple * torch.export.Dim(name, min=2, max=4096) for a, name in axes.items()}
    program = torch.onnx.export(
        network,
        (
            torch.empty(pictures, 3, height, width, device="meta"),
            *(torch.empty(pictures, device="meta") for _ in others),
        ),
        dynamo=True,
        dynamic_shapes=(batch | sides, *(batch for _ in others)),
        input_names=list(family.inputs),
        output_names=list(family.outputs),
        optimize=False,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch's exporter gave nothing")
    return program.model


def simplify(model: ir.Model, small: int = SMALL) -> None:
    """Compute what depends on no weight, and take the weights as they are stored.

    While the weights are inputs, the optimiser can neither fold nor copy them.
    """
    graph = model.graph
    for value in list(graph.initializers.values()):
        value.const_value = None
        graph.inputs.append(value)
    graph.initializers.clear()
    for node in graph:
        if node.op_type == "CastLike":
            kind = _kind(node)
            node.op_type = "Cast"
            node.replace_input_with(1, None)
            node.resize_inputs(1)
            node.attributes["to"] = ir.AttrInt64("to", kind)
    _optimize(model, small)
    for node in list(graph):
        if node.op_type == "MatMul":
            _as_gemm(graph, node)
    CommonSubexpressionEliminationPass()(model)
    RemoveUnusedNodesPass()(model)
    _optimize(model, small)


def _kind(cast: ir.Node) -> ir.DataType:
    """Return what a CastLike casts to: all floats of a network are float32, and a range up to a size is of integers."""
    like = ir.convenience.get_const_tensor(cast.inputs[1]) if cast.inputs[1] else None
    if like is not None:
        return like.dtype
    in_range = any(use.node.op_type == "Range" for use in cast.outputs[0].uses())
    return ir.DataType.INT64 if in_range else ir.DataType.FLOAT


def _optimize(model: ir.Model, small: int) -> None:
    optimizer.optimize(model, onnx_shape_inference=False, input_size_limit=small, output_size_limit=small)


def _as_gemm(graph: ir.Graph, product: ir.Node) -> None:
    """Let a product with a transposed weight, and the bias added to it, be a Gemm that transposes as it reads.

    Engines would else make a transposed copy of every weight of a transformer when they load it.
    """
    x, transposed = product.inputs
    transpose = transposed.producer() if transposed else None
    uses = list(product.outputs[0].uses())
    if x is None or transpose is None or transpose.op_type != "Transpose" or len(uses) != 1:
        return
    weight, add = transpose.inputs[0], uses[0].node
    if weight is None or weight.shape is None or weight not in graph.inputs or add.op_type != "Add":
        return
    bias = next(v for v in add.inputs if v is not product.outputs[0])
    rows, columns = weight.shape.numpy()
    nodes: list[ir.Node] = []

    def then(op: str, *inputs: ir.Value | None, **attributes: ir.Attr) -> ir.Value:
        nodes.append(ir.node(op, inputs, attributes))
        return nodes[-1].outputs[0]

    def numbers(*values: int) -> ir.Value:
        return then("Constant", value=ir.AttrTensor("value", ir.tensor(list(values), ir.DataType.INT64)))

    leading = then("Shape", x, end=ir.AttrInt64("end", -1))
    shape = then("Concat", leading, numbers(rows), axis=ir.AttrInt64("axis", 0))
    flat = then("Reshape", x, numbers(-1, columns))
    dense = then("Gemm", flat, weight, bias, transB=ir.AttrInt64("transB", 1))
    result = then("Reshape", dense, shape)
    graph.insert_before(add, nodes)
    add.outputs[0].replace_all_uses_with(result)
    graph.remove([add, product], safe=True)


def strip(model: ir.Model, inputs: int = 1) -> None:
    """Drop what says where in the code something came from, give values short names, and keep so many inputs."""
    graph = model.graph
    kept = {*graph.inputs, *graph.outputs}
    model.metadata_props.clear()
    graph.metadata_props.clear()
    model.doc_string, model.producer_version = None, None
    for number, value in enumerate(_values(graph)):
        value.metadata_props.clear()
        if value not in kept:
            value.name, value.type, value.shape = f"v{number}", None, None
    for number, node in enumerate(graph):
        node.metadata_props.clear()
        node.doc_string, node.name = None, f"n{number}"
    for value in graph.outputs:
        value.shape = ir.Shape(_AXES[value.shape.rank() if value.shape else 3])
    del graph.inputs[
        inputs:
    ]  # an initialiser that is an input too could be overridden, and would not be folded


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from graph.inputs
    yield from list(graph.initializers.values())
    for node in graph:
        yield from node.outputs


def make(network: str, folder: Path) -> Path:
    """Write the graph of a network, and return its path."""
    model = exported(build(network), family_of(network))
    simplify(model, SMALL_MIDAS31 if network in MIDAS31 else SMALL)
    strip(model, len(family_of(network).inputs))
    path = folder / f"{network}.onnx"
    path.write_bytes(ir.to_proto(model).SerializeToString(deterministic=True))
    return path


def main() -> None:
    """Make the graphs of the networks named, or of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(NETWORKS)}")
    warnings.simplefilter("ignore")  # torch's exporter warns about itself
    logging.disable(logging.WARNING)
    for network in parser.parse_args().networks or NETWORKS:
        path = make(network, GRAPHS)
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
