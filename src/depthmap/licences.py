"""Licences that do not let everybody use a model for everything: what they say, and where. Data only."""

from __future__ import annotations

from typing import NamedTuple

from .spec import ModelSpec


class Licence(NamedTuple):
    """What a licence asks for, in a few words, and where its text is."""

    says: str
    url: str


LICENCES = {
    "CC-BY-NC-4.0": Licence(
        "not for commercial use", "https://creativecommons.org/licenses/by-nc/4.0/legalcode"
    ),
    "apple-ascl": Licence(
        "Apple's own: no rights to patents; Apple's copy of the model on Hugging Face is for research only",
        "https://github.com/apple/ml-depth-pro/blob/main/LICENSE",
    ),
}
"""By SPDX name, or the one that Hugging Face has for it."""


def licence_of(spec: ModelSpec) -> Licence:
    """Return the licence that is to be accepted for a model; one that is not known here is said to be at its source."""
    return LICENCES.get(spec.terms, Licence("see its text", spec.url))
