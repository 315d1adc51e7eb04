"""Columns of a Ray dataset: pictures in, depth out, in a pipeline of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..outputs import Options
from .clusters import RAY
from .pipeline import Work
from .rows import Rows, check_outputs
from .steps import Begin, Finish

if TYPE_CHECKING:
    from ray.data import Dataset


def on_ray(
    dataset: Dataset,
    model: str | None = None,
    *,
    column: str = "bytes",
    outputs: Sequence[str] = (),
    options: Options | None = None,
    begin: Begin | None = None,
    finish: Finish | None = None,
    concurrency: int | tuple[int, int] | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    **estimator: Any,
) -> Dataset:
    """Return a Ray dataset with the depth of each row's picture beside its other columns; it is lazy, as Ray's are.

    Parameters
    ----------
    dataset : ray.data.Dataset
        For example of ``ray.data.read_binary_files(..., include_paths=True)``.
    model : str, optional
        As for `DepthEstimator`. Each actor opens it from the cache of its node.
    column : str
        Has encoded pictures, paths, http or https URLs, or arrays (H, W, 3).
    outputs : sequence of str
        Names of `depthmap.outputs.OUTPUTS`: each gives a column of that name with the bytes of a file. Without any
        there is a column ``depth``, float32 (H, W).
    options : Options, optional
        How the outputs look.
    begin, finish : callable, optional
        As for `depthmap.batch.run`.
    concurrency : int or (int, int), optional
        Actors, or the fewest and the most of a pool that scales. By default from 1 to as many as all cores of the
        cluster but one can hold.
    num_cpus, num_gpus : float
        What an actor takes. The network runs on ``num_cpus`` cores, or where ``num_gpus`` is not 0 on a GPU.
    estimator
        Other arguments of `DepthEstimator`.

    Returns
    -------
    ray.data.Dataset
        With these columns, and ``error``: empty, or why a row's picture gave nothing. Its other new columns are null
        then.

    Raises
    ------
    MissingExtra
        When ray, or a package that an output needs, is not installed.
    UsageError
        When there is no such output.
    """
    ray = RAY.load()
    check_outputs(outputs)
    # One core is left for Ray's own reading and writing, which would else wait for the actors to end.
    most = max(1, int((ray.cluster_resources().get("CPU", 1) - 1) / max(num_cpus, 1e-3)))
    rows: Any = dataset  # ray's types want a function here, and take a class
    mapped: Dataset = rows.map(
        _Rows,
        fn_constructor_kwargs={
            "column": column,
            # Ray lets actors that were given no GPU see all of their node.
            "arguments": {"model_name": model, "device": None if num_gpus else "cpu", **estimator},
            "outputs": tuple(outputs),
            "work": Work(options or Options(), begin=begin, finish=finish),
        },
        concurrency=concurrency or (1, most),
        num_cpus=num_cpus,
        num_gpus=num_gpus or None,
    )
    return mapped


class _Rows:
    """Rows in, rows out."""

    def __init__(self, column: str, **more: Any) -> None:
        self.column = column
        self.rows = Rows(**more)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, **self.rows.columns(row[self.column], str(row.get("path", "")))}
