"""Write the tables of models into ``docs/models.md``: ``python -m tools.models``, after the catalogue changed."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from depthmap.catalog import CATALOG, GROUPS, RECOMMENDED, ModelSpec
from depthmap.cli.output import size_text
from depthmap.licences import licence_of
from depthmap.published import BY_ACCURACY

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
_HEAD = ("name", "about", "gives", "input", "weights", "download", "licence", "accuracy")


def text() -> str:
    """Return a table for each family."""
    parts = []
    for group, about in GROUPS.items():
        members = [spec for spec in CATALOG.values() if spec.group == group]
        rows = [_HEAD, ("---",) * len(_HEAD), *map(_row, members)]
        parts.append(f"**{group}**: {about}.\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows))
    return "\n" + "\n".join(parts) + "\n"


def _row(spec: ModelSpec) -> tuple[str, ...]:
    return (
        f"**{spec.name}**" if spec.name == RECOMMENDED else spec.name,
        spec.about,
        "metres" if spec.kind == "metric depth" else spec.kind,
        str(spec.input_size),
        f"{spec.parameters / 1e6:.3g} M",
        _download(spec),
        _licence(spec),
        f"{spec.accuracy} ([source]({spec.accuracy_source}))" if spec.accuracy else "",
    )


def _download(spec: ModelSpec) -> str:
    if not spec.url:
        return "none"
    return size_text(spec.bytes) if spec.bytes else f"about {size_text(round(spec.parameters * 4, -6))}"


def _licence(spec: ModelSpec) -> str:
    if not spec.terms:
        return spec.licence
    terms = f"[{spec.terms}]({licence_of(spec).url})"
    return terms if spec.licence == spec.terms else f"{spec.licence}: {terms} is to be accepted"


def order() -> str:
    """Return the order in which models are taken where none is named."""
    names = ", ".join([*BY_ACCURACY, "then those of your own catalogue"])
    return f"\n{fill(f'The order is {names}.', 120, break_long_words=False)}\n\n"


def page(current: str) -> str:
    """Return the page with what the catalogue says by now."""
    for name, made in {"models": text(), "order": order()}.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, rest = current.split(begin)
        current = before + begin + made + end + rest.split(end)[1]
    return current


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
