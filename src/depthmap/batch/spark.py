"""A column of a Spark data frame: pictures in, files of depth out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

from ..errors import UsageError
from ..extras import Extra
from ..outputs import Options
from .pipeline import Work
from .rows import Rows, check_outputs
from .steps import Begin, Finish

SPARK, PANDAS = (Extra(module, "spark", "Columns of Spark") for module in ("pyspark", "pandas"))


def udf(
    model: str | None = None,
    *,
    outputs: Sequence[str] = ("png16",),
    options: Options | None = None,
    begin: Begin | None = None,
    finish: Finish | None = None,
    **estimator: Any,
) -> Callable[..., Any]:
    """Return a pandas UDF that gives each picture of a column its depth.

    It is called with a column of encoded pictures, paths, or http or https URLs, and, if there is one, with a column of
    the paths that errors and outputs name: ``frame.select(udf("DPT_Large")("content", "path"))``. The network runs on
    as many cores as a task of Spark has (``spark.task.cpus``). The model is opened once for each partition, from the
    cache of the machine.

    Parameters
    ----------
    model : str, optional
        As for `DepthEstimator`.
    outputs : sequence of str
        Names of `depthmap.outputs.OUTPUTS`, at least one.
    options : Options, optional
        How the outputs look.
    begin, finish : callable, optional
        As for `depthmap.batch.run`.
    estimator
        Other arguments of `DepthEstimator`.

    Returns
    -------
    callable
        Columns in, column out: a struct with the bytes of a file for each output, and ``error``: empty, or why a
        picture gave nothing. The files are null then.

    Raises
    ------
    MissingExtra
        When pyspark, or a package that an output needs, is not installed.
    UsageError
        When there is no such output, or none at all.
    """
    SPARK.load()
    pandas = PANDAS.load()
    if not outputs:
        raise UsageError("No output is named", remedy='Name one or more, such as outputs=["png16"].')
    check_outputs(outputs)
    work = Work(options or Options(), begin=begin, finish=finish)
    arguments, names = {"model_name": model, **estimator}, tuple(outputs)

    def depth(batches: Any) -> Any:
        rows = Rows(arguments, names, work)
        for batch in batches:
            series = batch if isinstance(batch, tuple) else (batch,)
            made = [rows.columns(*row) for row in zip(*series, strict=True)]
            yield pandas.DataFrame(made, columns=[*names, "error"])

    # Spark asks the types which kind of function it is, and reads no text. To mypy they are values.
    many: Any = Iterator
    several: Any = tuple
    depth.__annotations__ = {
        "batches": many[several[pandas.Series, ...]],
        "return": many[pandas.DataFrame],
    }
    given: Callable[..., Any] = import_module("pyspark.sql.functions").pandas_udf(depth, _schema(names))
    return given


def _schema(outputs: Sequence[str]) -> str:
    return ", ".join([*(f"`{name}` binary" for name in outputs), "error string"])
