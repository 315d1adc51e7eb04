"""What `benchmarks.gpu` has found, as text and tables of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..common import table

Row = Mapping[str, Any]


def text(result: Row) -> str:
    """Return all of it in Markdown.

    Raises
    ------
    SystemExit
        When it is not of a whole run on a GPU.
    """
    if result["quick"] or not result["card"]:
        raise SystemExit("these are no figures of a whole run on a GPU")
    tables = (_outputs(result), _upload(result), _speed(result), _batches(result))
    return "\n".join(part for part in (_circumstances(result), *tables, _left_out(result)) if part)


def _circumstances(result: Row) -> str:
    card, versions, machine = result["card"], result["versions"], result["machine"]
    return (
        f"**{card['name']}**, {card['memory_gb']} GiB, driver {card['driver']}, CUDA {card['cuda']}, cuDNN "
        f"{card['cudnn']}; torch {versions['torch']}; {machine['cores']} cores of {machine['cpu']}; depthmap "
        f"{result['commit'] or 'of no commit'}, {result['date'][:10]}.\n"
    )


def _outputs(result: Row) -> str:
    rows = [
        (row["model"], row["precision"], _number(row["error"]), row["tolerance"], _yes(row["holds"]))
        for row in result["parts"]["outputs"]
    ]
    return _titled("Outputs", ("model", "precision", "largest error", "tolerance", "holds"), rows)


def _upload(result: Row) -> str:
    rows = []
    for row in result["parts"]["upload"]:
        ours, theirs = row["upload"]["median"], row["to"]["median"]
        rows.append(
            (
                row["model"],
                row["precision"],
                f"{row['bytes'] / 1e6:,.0f} MB",
                _milliseconds(ours),
                _milliseconds(theirs),
                f"{theirs / ours:.2f} ×",
                _yes(row["equal"]),
            )
        )
    head = ("model", "precision", "size", "page-locked buffers", "`.to(device)`", "faster", "the same bits")
    return _titled("Upload", head, rows)


def _speed(result: Row) -> str:
    first = {row["model"]: f"{row['seconds']['median']:.2f} s" for row in result["parts"]["first"]}
    rows = [
        (
            row["model"],
            row["precision"],
            first.get(row["model"], "–") if row["precision"] == "float16" else "–",
            *(_number(row[way]) for way in ("predict", "predict_batch", "network")),
        )
        for row in result["parts"]["steady"]
    ]
    head = ("model", "precision", "first depth", "`predict`, a second", "`predict_batch`", "network alone")
    return _titled("Speed", head, rows)


def _batches(result: Row) -> str:
    rows = [
        (
            row["model"],
            row["batch"],
            *(_number(row.get(way)) for way in ("network", "predict_batch")),
            *(_gigabytes(row.get(way)) for way in ("allocated", "reserved")),
            "memory ran out" if "out_of_memory" in row else "",
        )
        for row in result["parts"]["batches"]
    ]
    head = ("model", "batch", "network, pictures a second", "`predict_batch`", "tensors", "memory taken", "")
    return _titled("Batches in float16", head, rows)


def _left_out(result: Row) -> str:
    lines = [f"- {row['part']} {row['model']}: failed, {row['error']}\n" for row in result["failed"]]
    lines += [f"- {row['part']} {row['model']}: no time was left\n" for row in result["skipped"]]
    return "Not measured:\n\n" + "".join(lines) if lines else ""


def _titled(title: str, head: tuple[object, ...], rows: Sequence[tuple[object, ...]]) -> str:
    return f"**{title}**\n\n{table(head, *rows)}" if rows else ""


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"


def _gigabytes(value: int | None) -> str:
    return "–" if value is None else f"{value / 1e9:.2f} GB"


def _yes(value: bool) -> str:
    return "yes" if value else "**no**"
