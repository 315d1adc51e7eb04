"""The model cache: what is known (`Shelf`), what can be done with it (`ModelCache`)."""

from .model_cache import ModelCache
from .shelf import Shelf

__all__ = ["ModelCache", "Shelf"]
