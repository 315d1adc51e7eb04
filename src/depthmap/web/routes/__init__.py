"""The routes, a module for each noun."""

from __future__ import annotations

from . import cache, downloads, index, models, predict, status, transfers

ROUTERS = (
    index.router,
    cache.router,
    models.router,
    transfers.router,
    downloads.router,
    predict.router,
    status.router,
)
"""In the order in which they are tried: the cache's own routes come before those that name a model."""
