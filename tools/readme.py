"""The README as an index of packages shows it: its links lead to the forge. hatchling runs this at each build."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

FORGE = "https://github.com/depthmap/depthmap"
PICTURE = re.compile(r"(!\[[^]]*\]\()(?!https?:)([^)]+)")
LINK = re.compile(r"(?<!!)(\[[^]]*\]\()(?!https?:|#)([^)]+)")


def on_the_forge(text: str) -> str:
    """Return Markdown whose relative links are absolute."""
    return LINK.sub(rf"\1{FORGE}/blob/main/\2", PICTURE.sub(rf"\1{FORGE}/raw/main/\2", text))


class CustomMetadataHook(MetadataHookInterface):
    """Gives the package its README."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the project's readme."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": on_the_forge(text)}
