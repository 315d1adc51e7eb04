"""Relative positions of the cells of two grids, for attention that adds what depends on them to its scores."""

from __future__ import annotations

import torch
from torch import Tensor


def differences(count: int, device: torch.device, step: int = 1) -> Tensor:
    """Return how far each ``step``-th of ``count`` positions is after each position, (⌈count / step⌉, count)."""
    position = torch.arange(count, device=device)
    return position[::step, None] - position


def pairs(rows: Tensor, columns: Tensor) -> Tensor:
    """Join what holds for rows (H', H) and for columns (W', W) to what holds for cells, (H' · W', H · W), by adding."""
    joined = rows[:, None, :, None] + columns[None, :, None, :]
    return joined.reshape(rows.shape[0] * columns.shape[0], rows.shape[1] * columns.shape[1])


def table_index(height: int, width: int, device: torch.device) -> Tensor:
    """Return where the bias between two cells of a grid lies, (height · width, height · width).

    The table has a row for each difference of rows, from 1 - height to height - 1, and a column for each of columns.
    """
    rows = differences(height, device) + (height - 1)
    columns = differences(width, device) + (width - 1)
    return pairs(rows * (2 * width - 1), columns)


def looked_up(table: Tensor, index: Tensor) -> Tensor:
    """Return the entries of a table (heads, entries) at ``index`` (Q, K), as (heads, Q, K)."""
    return table.index_select(1, index.flatten()).reshape(table.shape[0], *index.shape)
