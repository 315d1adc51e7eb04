"""Make the artefact of the embedded model: ``python -m tools.embedded``, after its weights or its graph changed."""

from __future__ import annotations

from pathlib import Path

import depthmap
from depthmap import formats
from depthmap.cache.compiling import artefact
from depthmap.catalog import EMBEDDED
from depthmap.engines import ENGINES
from depthmap.engines.artefact import weights_id
from depthmap.engines.parity import compare, properties, samples
from depthmap.store import digest_file
from depthmap.store.names import ARTEFACT


def main() -> None:
    """Write it beside the weights, compared with torch in every engine, and with what torch gave."""
    weights = Path(depthmap.__file__).parent / "embedded" / EMBEDDED.embedded
    path = weights.with_suffix(f".{ARTEFACT}")
    layout = formats.scan(weights)
    bound = {"weights": weights_id("pt", digest_file(weights).sha256)}
    path.write_bytes(artefact(EMBEDDED.network, layout, bound))
    errors = compare(EMBEDDED.network, path, weights, list(ENGINES.values()))
    path.write_bytes(artefact(EMBEDDED.network, layout, bound | properties(errors) | samples(weights)))
    print(f"{path}: {path.stat().st_size} bytes, errors {errors}")


if __name__ == "__main__":
    main()
