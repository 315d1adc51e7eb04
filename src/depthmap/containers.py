"""Files that hold many pictures, known by the endings of their names. Light: commands ask it first."""

from __future__ import annotations

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
TABLES = (".parquet", ".pq")


def without_ending(name: str) -> str:
    """Return an archive's or a table's name without what says its kind."""
    ending = next((end for end in (*TARS, *TABLES) if name.lower().endswith(end)), "")
    return name[: len(name) - len(ending)] if ending else name


def is_container(name: str) -> bool:
    """Tell whether a file holds pictures rather than being one, by its ending."""
    return name.lower().endswith((*TARS, *TABLES))
